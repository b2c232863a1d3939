//! What a payment's end means for the units and the order: commit, release, try again, take again or give back.
//!
//! The decision is a pure function of the locked rows, so it may be asked for by every event, however often and in
//! whatever order, by the loop that looks for orders left behind, and by verification: only the first one moves anything.

use std::collections::{BTreeMap, HashMap};

use sale::{
    Event, EventKind, HoldId, HoldState, OrderId, OrderState, PaymentState, SaleId, Timestamp,
    ids::{EventId, PaymentId},
    order::{RefundReason, VoidFor},
    sale::{Line, Place, quantity},
};
use sqlx::Row as _;

use super::{
    Database, Sql, Tx, holds, inbox,
    moves::{self, HoldRow, Units, bad},
    numbers::queue_key_in,
    outbox,
    payments::{PaymentRow, lock_all},
    refunds,
};
use crate::{
    StoreError,
    database::inbox::ConsumerGroup,
    queue_store::{HoldEnd, HoldEnding, Reservation, ReservationOutcome, StockGate},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing to do, or not yet.
    Nothing,
    /// Units and order have moved; if the hold ended, the gate of the sale has to be told.
    Moved(Option<(SaleId, HoldEnd)>),
    /// Money came after the units had gone back: call [`take_again`].
    Late,
}

/// What the rows of an order ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Nothing,
    /// The units are sold for this attempt.
    Commit(PaymentId),
    /// The units go back.
    Release(HoldState, OrderState),
    /// Back to held: the buyer may try again.
    TryAgain,
    Late,
}

/// An order that has to follow its payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub order: OrderId,
    /// The events that ask, which are written into the inbox with the effect. Empty when nobody but the caller asks.
    pub events: Vec<EventId>,
}

/// Lets orders follow their payments, all in one transaction, and tells of each what became of it. No order may be named
/// twice.
pub async fn settle(database: &Database, causes: &[Cause], now: Timestamp) -> Result<Vec<Settled>, StoreError> {
    let mut tx = database.begin().await?;
    let ids: Vec<_> = causes.iter().flat_map(|cause| HoldId::all_of(cause.order)).collect();
    let mut holds: HashMap<OrderId, Vec<HoldRow>> = HashMap::new();
    for hold in moves::lock_holds(database, &mut tx, &ids).await? {
        holds.entry(hold.id.order).or_default().push(hold);
    }
    let events: Vec<_> = causes.iter().flat_map(|cause| cause.events.iter().copied()).collect();
    let seen = inbox::seen(database, &mut tx, ConsumerGroup::Stock, &events).await?;
    let is_new = |cause: &Cause| cause.events.is_empty() || !cause.events.iter().all(|event| seen.contains(event));
    let asked: Vec<_> = causes.iter().filter(|cause| is_new(cause) && holds.contains_key(&cause.order)).collect();
    let orders: Vec<_> = asked.iter().map(|cause| cause.order).collect();
    let mut payments: HashMap<OrderId, Vec<PaymentRow>> = HashMap::new();
    for payment in lock_all(database, &mut tx, &orders).await? {
        payments.entry(payment.order).or_default().push(payment);
    }
    let mut moves = Moves::default();
    let mut outcome: HashMap<OrderId, Settled> = HashMap::new();
    for cause in asked {
        let (all, paid) = (&holds[&cause.order], payments.get(&cause.order).map_or(&[][..], Vec::as_slice));
        let Some(first) = all.first() else { continue };
        let decision = decide(first, all.get(1), paid, now);
        let settled = match decision {
            Decision::Late => Settled::Late,
            Decision::Nothing => Settled::Nothing,
            Decision::Commit(_) => ended(first, HoldEnding::Committed),
            Decision::Release(..) => ended(first, HoldEnding::Released),
            Decision::TryAgain => Settled::Moved(None),
        };
        outcome.insert(cause.order, settled);
        if decision == Decision::Late {
            continue;
        }
        if let Some(paid_by) = paid_by(&decision, all, paid) {
            refuse_others(database, &mut tx, first, paid, (paid_by, now)).await?;
        }
        moves.add(first, decision);
        moves.settled.push(cause.order);
        moves.events.extend(&cause.events);
    }
    moves.carry_out(database, &mut tx, now).await?;
    database.commit(tx).await?;
    Ok(causes.iter().map(|cause| outcome.remove(&cause.order).unwrap_or(Settled::Nothing)).collect())
}

fn ended(hold: &HoldRow, ending: HoldEnding) -> Settled {
    Settled::Moved(Some((hold.sale.clone(), HoldEnd { hold: hold.id, ending })))
}

/// What the orders of one transaction ask for, gathered so that each kind of move is one statement.
#[derive(Default)]
struct Moves {
    sold: Vec<HoldRow>,
    released: BTreeMap<(&'static str, &'static str), (HoldState, OrderState, Vec<HoldRow>)>,
    held_again: Vec<HoldId>,
    settled: Vec<OrderId>,
    events: Vec<EventId>,
}

impl Moves {
    fn add(&mut self, hold: &HoldRow, decision: Decision) {
        match decision {
            Decision::Nothing | Decision::Late => {}
            Decision::Commit(_) => self.sold.push(hold.clone()),
            Decision::Release(to, state) => {
                let alike = self.released.entry((to.as_str(), state.as_str()));
                alike.or_insert_with(|| (to, state, Vec::new())).2.push(hold.clone());
            }
            Decision::TryAgain => self.held_again.push(hold.id),
        }
    }

    /// Locks are taken in the order of [`moves`]: all orders before all items.
    async fn carry_out(self, database: &Database, tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
        let ids = |holds: &[HoldRow]| holds.iter().map(|hold| hold.id).collect::<Vec<_>>();
        let sold = ids(&self.sold);
        let mut units: Vec<_> = sold.iter().map(|id| (*id, Units::Sold)).collect();
        let mut told: Vec<_> = self.sold.iter().map(|hold| paid_event(hold, now)).collect();
        move_all(database, tx, &sold, (HoldState::Committed, OrderState::Paid), now).await?;
        move_all(database, tx, &self.held_again, (HoldState::Held, OrderState::PendingPayment), now).await?;
        for (to, state, holds) in self.released.into_values() {
            let back = ids(&holds);
            move_all(database, tx, &back, (to, state), now).await?;
            units.extend(back.into_iter().map(|id| (id, Units::Back)));
            told.extend(holds.iter().flat_map(|hold| moves::failed_events(hold, now)));
        }
        outbox::append(database, tx, &told).await?;
        mark_settled(database, tx, &self.settled).await?;
        inbox::add_all(database, tx, ConsumerGroup::Stock, &self.events, now).await?;
        // Last, because everybody who sells of the same items waits for them from here to the commit.
        moves::units(database, tx, &units).await
    }
}

async fn move_all(
    database: &Database,
    tx: &mut Tx,
    holds: &[HoldId],
    (to, state): (HoldState, OrderState),
    now: Timestamp,
) -> Result<(), StoreError> {
    if holds.is_empty() {
        return Ok(());
    }
    let orders: Vec<_> = holds.iter().map(|id| id.order).collect();
    moves::hold_state(database, tx, holds, to).await?;
    moves::order_state(database, tx, &orders, state, now).await
}

fn decide(first: &HoldRow, second: Option<&HoldRow>, payments: &[PaymentRow], now: Timestamp) -> Decision {
    let captured = payments.iter().find(|payment| payment.state == PaymentState::Captured);
    let is_sold = |hold: &HoldRow| hold.state == HoldState::Committed;
    if is_sold(first) || second.is_some_and(is_sold) {
        return Decision::Nothing;
    }
    if let Some(payment) = captured {
        return if first.state.is_live() { Decision::Commit(payment.id) } else { Decision::Late };
    }
    let Some(latest) = payments.last().filter(|_| first.state == HoldState::Paying) else { return Decision::Nothing };
    let in_time = now < first.deadline;
    match (latest.state, latest.void_for) {
        (PaymentState::Declined, _) if latest.last => Decision::Release(HoldState::Released, OrderState::PaymentFailed),
        (PaymentState::Voided | PaymentState::Declined, Some(VoidFor::Cancel)) => {
            Decision::Release(HoldState::Released, OrderState::Cancelled)
        }
        (PaymentState::Voided, Some(VoidFor::Deadline)) => Decision::Release(HoldState::Expired, OrderState::Expired),
        (PaymentState::Declined | PaymentState::Voided, _) if in_time => Decision::TryAgain,
        (PaymentState::Declined | PaymentState::Voided, _) => {
            Decision::Release(HoldState::Expired, OrderState::Expired)
        }
        _ => Decision::Nothing,
    }
}

/// What is told of a hold whose units are sold. The gate hears of it without an event: nobody waits for sold units.
fn paid_event(hold: &HoldRow, now: Timestamp) -> Event {
    Event::about(EventKind::OrderPaid, &hold.sale, hold.id.order, now, u32::from(hold.id.reacquired))
}

/// The one attempt that pays for the units.
fn paid_by(decision: &Decision, holds: &[HoldRow], payments: &[PaymentRow]) -> Option<PaymentId> {
    match decision {
        Decision::Commit(payment) => Some(*payment),
        Decision::Nothing if holds.iter().any(|hold| hold.state == HoldState::Committed) => {
            payments.iter().find(|payment| payment.state == PaymentState::Captured).map(|payment| payment.id)
        }
        Decision::Nothing | Decision::Release(..) | Decision::TryAgain | Decision::Late => None,
    }
}

/// An order is paid once: what else is open is called back, what else was captured is owed to the buyer.
async fn refuse_others(
    database: &Database,
    tx: &mut Tx,
    hold: &HoldRow,
    payments: &[PaymentRow],
    (paid_by, now): (PaymentId, Timestamp),
) -> Result<(), StoreError> {
    let order = hold.id.order;
    if payments.iter().any(|payment| payment.state.is_open()) {
        holds::call_back(tx, order, VoidFor::Deadline, now).await?;
    }
    for payment in payments.iter().filter(|payment| payment.id != paid_by && payment.state == PaymentState::Captured) {
        refunds::owe(database, tx, &hold.sale, payment, (RefundReason::SecondCharge, now)).await?;
    }
    Ok(())
}

async fn mark_settled(database: &Database, tx: &mut Tx, orders: &[OrderId]) -> Result<(), StoreError> {
    const MARK: Sql = Sql {
        postgres: "UPDATE payments SET due_at = NULL WHERE purchase_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
             AND due_at IS NOT NULL AND state NOT IN ('created', 'authorised', 'unknown')",
        sqlite: "UPDATE payments SET due_at = NULL WHERE purchase_id IN (SELECT value FROM json_each($1)) \
             AND due_at IS NOT NULL AND state NOT IN ('created', 'authorised', 'unknown')",
    };
    sqlx::query(database.sql(MARK)).bind(moves::list(orders)).execute(&mut **tx).await?;
    Ok(())
}

/// What became of the units of a late payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retaken {
    /// The order is paid; the gate has to be told that `{order}:2` is sold.
    Committed,
    /// Not enough is left, or the buyer has reached the limit: the money is owed back.
    Refused,
    /// The gate is of a life that is over: try again.
    EpochMoved,
    /// Settled by somebody else.
    Nothing,
}

/// Money came after the units had gone back: takes them again, at the gate first, or owes the money back.
///
/// The gate is asked while the order is locked, because it does not remember a second hold that has ended: two workers
/// that ask one after the other would take twice. This happens rarely enough for a transaction that waits for the gate.
pub async fn take_again(
    database: &Database,
    gate: &dyn StockGate,
    order: OrderId,
    now: Timestamp,
) -> Result<Retaken, StoreError> {
    let mut tx = database.begin().await?;
    let all = moves::lock_order(database, &mut tx, order).await?;
    let payments = lock_all(database, &mut tx, &[order]).await?;
    let Some(first) = all.first() else { return Ok(Retaken::Nothing) };
    if decide(first, all.get(1), &payments, now) != Decision::Late {
        return Ok(Retaken::Nothing);
    }
    let take = late(&mut tx, first).await?;
    let key = queue_key_in(&mut tx, &first.sale).await?;
    // Nothing is sold after the end, and the queue of a closed sale is not kept.
    let taken = if is_closed(&mut tx, &first.sale).await? {
        ReservationOutcome::SoldOut
    } else {
        gate.reacquire(&key, &take, now).await?
    };
    let has_room = has_room(database, &mut tx, &take, &first.sale).await?;
    if queue_key_in(&mut tx, &first.sale).await? != key {
        return Ok(Retaken::EpochMoved);
    }
    if taken == ReservationOutcome::Reserved && has_room && all.len() == 1 {
        sell_second(database, &mut tx, first, &take, now).await?;
        mark_settled(database, &mut tx, &[order]).await?;
        database.commit(tx).await?;
        return Ok(Retaken::Committed);
    }
    owe_back(database, &mut tx, first, &payments, now).await?;
    mark_settled(database, &mut tx, &[order]).await?;
    database.commit(tx).await?;
    if taken == ReservationOutcome::Reserved {
        gate.end_holds(&key, &[HoldEnd { hold: take.hold, ending: HoldEnding::Released }]).await?;
    }
    Ok(Retaken::Refused)
}

async fn is_closed(tx: &mut Tx, sale: &SaleId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT closed_at FROM sales WHERE id = $1").bind(sale.as_str()).fetch_one(&mut **tx).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.is_some())
}

/// What the gate is asked for.
async fn late(tx: &mut Tx, hold: &HoldRow) -> Result<Reservation, StoreError> {
    let rows = sqlx::query(
        "SELECT o.number, s.per_buyer_limit, l.item, l.quantity FROM orders o JOIN sales s ON s.id = o.sale \
         JOIN order_lines l ON l.order_id = o.id WHERE o.id = $1 ORDER BY l.item",
    )
    .bind(hold.id.order.to_string())
    .fetch_all(&mut **tx)
    .await?;
    let first = rows.first().ok_or_else(|| bad("order without lines"))?;
    let lines = rows.iter().map(|row| {
        Ok(Line {
            item: row.try_get::<&str, _>(2)?.parse().map_err(|_| bad("item"))?,
            quantity: u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| bad("quantity"))?,
        })
    });
    Ok(Reservation {
        hold: HoldId::reacquired(hold.id.order),
        place: Place {
            buyer: hold.buyer.ok_or_else(|| bad("buyer"))?,
            number: super::numbers::unsigned(first.try_get(0)?),
        },
        limit: u32::try_from(first.try_get::<i64, _>(1)?).unwrap_or(u32::MAX),
        lines: lines.collect::<Result<_, StoreError>>()?,
    })
}

/// Locks the items and the buyer, and tells whether the units are free and within the limit.
async fn has_room(database: &Database, tx: &mut Tx, take: &Reservation, sale: &SaleId) -> Result<bool, StoreError> {
    const ITEMS: Sql = Sql {
        postgres: "SELECT i.total - i.held - i.sold - l.quantity FROM items i \
                   JOIN order_lines l ON l.sale = i.sale AND l.item = i.id WHERE l.order_id = $1 \
                   ORDER BY i.sale, i.id FOR UPDATE OF i",
        sqlite: "SELECT i.total - i.held - i.sold - l.quantity FROM items i \
                 JOIN order_lines l ON l.sale = i.sale AND l.item = i.id WHERE l.order_id = $1",
    };
    const BUYER: Sql = Sql {
        postgres: "SELECT units FROM buyers WHERE sale = $1 AND buyer = $2 FOR UPDATE",
        sqlite: "SELECT units FROM buyers WHERE sale = $1 AND buyer = $2",
    };
    let left = sqlx::query(database.sql(ITEMS)).bind(take.hold.order.to_string()).fetch_all(&mut **tx).await?;
    let bought = sqlx::query(database.sql(BUYER))
        .bind(sale.as_str())
        .bind(take.place.buyer.to_string())
        .fetch_one(&mut **tx)
        .await?
        .try_get::<i64, _>(0)?;
    let mut enough = bought.saturating_add(i64::from(quantity(&take.lines))) <= i64::from(take.limit);
    for row in &left {
        enough &= row.try_get::<i64, _>(0)? >= 0;
    }
    Ok(enough)
}

/// Sells locked, free units straight away under the order's second hold.
async fn sell_second(
    database: &Database,
    tx: &mut Tx,
    first: &HoldRow,
    take: &Reservation,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE items SET sold = sold + l.quantity FROM order_lines AS l WHERE l.order_id = $1 \
         AND items.sale = l.sale AND items.id = l.item",
    )
    .bind(take.hold.order.to_string())
    .execute(&mut **tx)
    .await?;
    sqlx::query("UPDATE buyers SET units = units + $3 WHERE sale = $1 AND buyer = $2")
        .bind(first.sale.as_str())
        .bind(take.place.buyer.to_string())
        .bind(i64::from(quantity(&take.lines)))
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "INSERT INTO holds (id, order_id, sale, buyer, state, deadline, created_at, gate_told) \
         VALUES ($1, $2, $3, $4, 'committed', $5, $5, 0)",
    )
    .bind(take.hold.to_string())
    .bind(take.hold.order.to_string())
    .bind(first.sale.as_str())
    .bind(take.place.buyer.to_string())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    moves::order_state(database, tx, &[take.hold.order], OrderState::Paid, now).await?;
    outbox::append(database, tx, &[paid_event(&HoldRow { id: take.hold, ..first.clone() }, now)]).await
}

/// Owes the buyer the money, and marks the second hold as one that must never be placed.
async fn owe_back(
    database: &Database,
    tx: &mut Tx,
    first: &HoldRow,
    payments: &[PaymentRow],
    now: Timestamp,
) -> Result<(), StoreError> {
    let order = first.id.order;
    let captured: Vec<_> = payments.iter().filter(|payment| payment.state == PaymentState::Captured).collect();
    for payment in &captured {
        refunds::owe(database, tx, &first.sale, payment, (RefundReason::LatePayment, now)).await?;
    }
    let owes = captured.iter().any(|payment| payment.captured > 0);
    let state = if owes { OrderState::RefundPending } else { OrderState::Refunded };
    moves::order_state(database, tx, &[order], state, now).await?;
    sqlx::query(
        "INSERT INTO holds (id, order_id, sale, buyer, state, deadline, created_at) \
         VALUES ($1, $2, $3, '', 'released', $4, $4) ON CONFLICT DO NOTHING",
    )
    .bind(HoldId::reacquired(order).to_string())
    .bind(order.to_string())
    .bind(first.sale.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sale::{Currency, Money, order::Intent};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn hold(state: HoldState, deadline_ms: i64) -> HoldRow {
        HoldRow {
            id: HoldId::of(OrderId::derive(NOW, &[])),
            sale: "s".parse().unwrap(),
            buyer: None,
            state,
            deadline: Timestamp::from_millis(deadline_ms),
        }
    }

    fn payment(attempt: u32, state: PaymentState) -> PaymentRow {
        PaymentRow {
            id: PaymentId::derive(NOW, &[&attempt.to_be_bytes()]),
            order: OrderId::derive(NOW, &[]),
            sale: "s".parse().unwrap(),
            attempt,
            method: String::new(),
            money: Money { amount: 1, currency: Currency::parse("KRW").unwrap() },
            captured: i64::from(state == PaymentState::Captured),
            state,
            intent: Some(Intent::Capture),
            void_for: None,
            last: false,
            provider_id: Some("ch".to_owned()),
            polls: 0,
            changed_at: NOW,
        }
    }

    #[test]
    fn an_order_follows_its_payments() {
        use Decision as D;
        use HoldState as H;
        use PaymentState as P;
        let voided = |reason| PaymentRow { void_for: Some(reason), ..payment(1, P::Voided) };
        let last = PaymentRow { last: true, ..payment(1, P::Declined) };
        let first = payment(1, P::Captured).id;
        let expired = D::Release(H::Expired, OrderState::Expired);
        let rows = [
            (hold(H::Paying, 2_000), vec![payment(1, P::Captured)], D::Commit(first)),
            (hold(H::Paying, 500), vec![payment(1, P::Captured)], D::Commit(first)),
            (hold(H::Held, 2_000), vec![payment(1, P::Captured)], D::Commit(first)),
            (hold(H::Paying, 2_000), vec![payment(1, P::Captured), payment(2, P::Created)], D::Commit(first)),
            (hold(H::Paying, 2_000), vec![last.clone()], D::Release(H::Released, OrderState::PaymentFailed)),
            (hold(H::Paying, 2_000), vec![payment(1, P::Declined)], D::TryAgain),
            (hold(H::Paying, 1_000), vec![payment(1, P::Declined)], expired),
            (hold(H::Held, 2_000), vec![payment(1, P::Declined)], D::Nothing),
            (hold(H::Paying, 500), vec![voided(VoidFor::Deadline)], expired),
            (hold(H::Paying, 2_000), vec![voided(VoidFor::Cancel)], D::Release(H::Released, OrderState::Cancelled)),
            (hold(H::Paying, 2_000), vec![payment(1, P::Voided)], D::TryAgain),
            (hold(H::Paying, 500), vec![payment(1, P::Unknown)], D::Nothing),
            (hold(H::Paying, 500), vec![payment(1, P::Authorised)], D::Nothing),
            (hold(H::Expired, 500), vec![payment(1, P::Captured)], D::Late),
            (hold(H::Released, 500), vec![payment(1, P::Captured)], D::Late),
            (hold(H::Released, 500), vec![payment(1, P::RefundPending)], D::Nothing),
            (hold(H::Released, 500), vec![last], D::Nothing),
            (hold(H::Committed, 500), vec![payment(1, P::Captured)], D::Nothing),
        ];
        for (hold, payments, expected) in rows {
            assert_eq!(decide(&hold, None, &payments, NOW), expected, "{hold:?} {payments:?}");
        }
        let second = HoldRow { id: HoldId::reacquired(OrderId::derive(NOW, &[])), ..hold(H::Committed, 0) };
        assert_eq!(decide(&hold(H::Expired, 0), Some(&second), &[payment(1, P::Captured)], NOW), D::Nothing);
    }
}
