//! Settling: orders follow their payments. The rows that decide are read under locks, and the decision is written in the
//! same transaction.
//!
//! It may be triggered by any event, repeatedly and in any order: only the first time there is something to move.

use std::collections::HashMap;

use sale::{
    Event, EventKind, HoldId, HoldState, OrderId, PaymentState, Timestamp,
    ids::{EventId, PaymentId},
    order::{RefundReason, VoidFor},
};

use super::{
    Database, Tx,
    hold_transitions::{self, HoldRow, UnitMove},
    holds,
    inbox::{self, ConsumerGroup},
    order_transitions::{OrderTransition, move_orders},
    outbox, parameters,
    payments::{PaymentRow, lock_all},
    refunds,
    sql::{Sql, sql},
};
use crate::StoreError;

/// Why an order is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub order: OrderId,
    /// The events that trigger it, which are added to the inbox with the effect. Empty when no event does.
    pub events: Vec<EventId>,
}

/// What settling does to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Nothing,
    /// The units are sold for this attempt; other captured attempts are refunded.
    Commit(PaymentId),
    /// They are sold for this attempt already; other captured attempts are refunded.
    KeepSold(PaymentId),
    /// The units are freed.
    Release(Unpaid),
    /// The hold is held again: the buyer may make another attempt.
    HoldAgain,
    /// Money was captured after the units were freed: nothing moves here, see [`LatePayment`](super::late_payment::LatePayment).
    Late,
}

/// Why an order ends without payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpaid {
    /// Declined for good.
    Declined,
    /// Its buyer has cancelled.
    Cancelled,
    /// Its deadline has passed.
    Expired,
}

impl Unpaid {
    const ALL: [Self; 3] = [Self::Declined, Self::Cancelled, Self::Expired];

    const fn transition(self) -> (HoldState, OrderTransition) {
        match self {
            Self::Declined => (HoldState::Released, OrderTransition::PAYMENT_FAILED),
            Self::Cancelled => (HoldState::Released, OrderTransition::CANCELLED),
            Self::Expired => (HoldState::Expired, OrderTransition::EXPIRED),
        }
    }
}

/// An order with its locked rows.
#[derive(Debug)]
pub struct LockedOrder {
    /// The current hold.
    pub hold: HoldRow,
    /// All attempts, the first one first.
    pub payments: Vec<PaymentRow>,
    events: Vec<EventId>,
}

/// Locked orders, for a decision on each.
#[derive(Debug)]
pub struct Settling {
    tx: Tx,
    orders: Vec<LockedOrder>,
}

/// Locks the holds and payments of these orders, but for those whose events have all been handled. No order may occur twice.
pub async fn lock(database: &Database, causes: &[Cause]) -> Result<Settling, StoreError> {
    let mut tx = database.begin().await?;
    let ids: Vec<_> = causes.iter().map(|cause| cause.order).collect();
    let mut holds: HashMap<OrderId, Vec<HoldRow>> = HashMap::new();
    for hold in hold_transitions::lock_holds(database, &mut tx, &ids).await? {
        holds.entry(hold.id.order).or_default().push(hold);
    }
    let events: Vec<_> = causes.iter().flat_map(|cause| cause.events.iter().copied()).collect();
    let seen = inbox::seen(database, &mut tx, ConsumerGroup::Stock, &events).await?;
    let is_new = |cause: &&Cause| cause.events.is_empty() || !cause.events.iter().all(|event| seen.contains(event));
    let unhandled: Vec<_> = causes.iter().filter(is_new).filter(|cause| holds.contains_key(&cause.order)).collect();
    let ids: Vec<_> = unhandled.iter().map(|cause| cause.order).collect();
    let mut payments: HashMap<OrderId, Vec<PaymentRow>> = HashMap::new();
    for payment in lock_all(database, &mut tx, &ids).await? {
        payments.entry(payment.order).or_default().push(payment);
    }
    let locked = unhandled.into_iter().filter_map(|cause| {
        Some(LockedOrder {
            hold: hold_transitions::current_hold(holds.get(&cause.order)?)?.clone(),
            payments: payments.remove(&cause.order).unwrap_or_default(),
            events: cause.events.clone(),
        })
    });
    let orders = locked.collect();
    Ok(Settling { tx, orders })
}

impl Settling {
    pub fn orders(&self) -> &[LockedOrder] {
        &self.orders
    }

    /// Applies one decision to each of the orders, in their order, and commits.
    pub async fn carry_out(
        self,
        database: &Database,
        decisions: &[Decision],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.tx;
        let mut moves = Moves::default();
        for (order, decision) in self.orders.iter().zip(decisions) {
            if let Decision::Commit(paid_by) | Decision::KeepSold(paid_by) = decision {
                refuse_others(database, &mut tx, order, (*paid_by, now)).await?;
            }
            moves.add(order, *decision);
        }
        moves.carry_out(database, &mut tx, now).await?;
        database.commit(tx).await
    }
}

/// The moves of all orders of one transaction, gathered so that each kind of move is one statement.
#[derive(Default)]
struct Moves<'a> {
    sold: Vec<&'a HoldRow>,
    released: Vec<(Unpaid, &'a HoldRow)>,
    held_again: Vec<HoldId>,
    settled: Vec<OrderId>,
    events: Vec<EventId>,
}

impl<'a> Moves<'a> {
    fn add(&mut self, order: &'a LockedOrder, decision: Decision) {
        match decision {
            Decision::Late => return,
            Decision::Nothing | Decision::KeepSold(_) => {}
            Decision::Commit(_) => self.sold.push(&order.hold),
            Decision::Release(unpaid) => self.released.push((unpaid, &order.hold)),
            Decision::HoldAgain => self.held_again.push(order.hold.id),
        }
        self.settled.push(order.hold.id.order);
        self.events.extend(&order.events);
    }

    /// Locks are taken in the order of [`hold_transitions`]: all orders before all items.
    async fn carry_out(self, database: &Database, tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
        let sold: Vec<_> = self.sold.iter().map(|hold| hold.id).collect();
        let mut units: Vec<_> = sold.iter().map(|id| (*id, UnitMove::Sell)).collect();
        let mut events: Vec<_> = self.sold.iter().map(|hold| paid_event(hold, hold.id, now)).collect();
        move_all(database, tx, &sold, (HoldState::Committed, OrderTransition::SOLD), now).await?;
        move_all(database, tx, &self.held_again, (HoldState::Held, OrderTransition::HELD_AGAIN), now).await?;
        for unpaid in Unpaid::ALL {
            let alike: Vec<_> = self.released.iter().filter(|(why, _)| *why == unpaid).map(|(_, hold)| *hold).collect();
            let back: Vec<_> = alike.iter().map(|hold| hold.id).collect();
            move_all(database, tx, &back, unpaid.transition(), now).await?;
            units.extend(back.into_iter().map(|id| (id, UnitMove::Release)));
            events.extend(alike.into_iter().flat_map(|hold| hold_transitions::failed_events(hold, now)));
        }
        outbox::append(database, tx, &events).await?;
        mark_settled(database, tx, &self.settled).await?;
        inbox::add_all(database, tx, ConsumerGroup::Stock, &self.events, now).await?;
        // Last, because concurrent placements of the same items wait from here to the commit.
        hold_transitions::move_units(database, tx, &units).await
    }
}

async fn move_all(
    database: &Database,
    tx: &mut Tx,
    holds: &[HoldId],
    (to, transition): (HoldState, OrderTransition),
    now: Timestamp,
) -> Result<(), StoreError> {
    if holds.is_empty() {
        return Ok(());
    }
    let orders: Vec<_> = holds.iter().map(|id| id.order).collect();
    hold_transitions::move_holds(database, tx, holds, (HoldState::LIVE, to)).await?;
    move_orders(database, tx, &orders, transition, now).await
}

/// The event of a hold whose units are sold. The gate is synced without an event, because nobody waits for sold units.
pub(super) fn paid_event(of: &HoldRow, hold: HoldId, now: Timestamp) -> Event {
    Event::about(EventKind::OrderPaid, &of.sale, hold.order, now, hold.n.saturating_sub(1))
}

/// An order is paid once: other open attempts are voided, other captured ones are refunded.
async fn refuse_others(
    database: &Database,
    tx: &mut Tx,
    order: &LockedOrder,
    (paid_by, now): (PaymentId, Timestamp),
) -> Result<(), StoreError> {
    if order.payments.iter().any(|payment| payment.state.is_open()) {
        holds::void_open(database, tx, order.hold.id.order, VoidFor::Deadline, now).await?;
    }
    let is_other = |payment: &&PaymentRow| payment.id != paid_by && payment.state == PaymentState::Captured;
    for payment in order.payments.iter().filter(is_other) {
        refunds::owe(database, tx, &order.hold.sale, payment, (RefundReason::SecondCharge, now)).await?;
    }
    Ok(())
}

pub(super) async fn mark_settled(database: &Database, tx: &mut Tx, orders: &[OrderId]) -> Result<(), StoreError> {
    const MARK: Sql = sql!(
        "UPDATE payments SET due_at = NULL WHERE purchase_id @in($1) AND (due_at IS NOT NULL) IS TRUE AND state NOT IN @open"
    );
    sqlx::query(database.sql(MARK)).bind(parameters::list(orders)).execute(&mut **tx).await?;
    Ok(())
}
