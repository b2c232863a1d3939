//! Attempts to pay: asked for by the buyer, carried out by the payment worker, recorded here.
//!
//! A result only moves an attempt forward. What it means for the units and the order is decided in
//! [`settle`](super::settle), apart, so that the worker that talks to the provider never touches stock.

use sale::{
    Currency, Event, EventKind, HoldId, HoldState, Money, OrderId, OrderState, PaymentState, SaleId, Timestamp,
    ids::{PaymentId, charge_key},
    order::{Intent, VoidFor},
};
use sqlx::{Row as _, any::AnyRow};

use super::{
    Database, Sql, Tx,
    moves::{self, bad, order_id},
    outbox,
};
use crate::{
    StoreError,
    payments::{Charge, ChargeState},
};

/// How long the log has for bringing a request to a worker before the poller takes it.
const LOG_PATIENCE_MS: i64 = 15_000;

/// An attempt as its row says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    pub id: PaymentId,
    pub order: OrderId,
    pub sale: SaleId,
    pub attempt: u32,
    pub method: String,
    pub money: Money,
    pub state: PaymentState,
    pub intent: Option<Intent>,
    pub void_for: Option<VoidFor>,
    /// Declined for good: no other attempt is allowed.
    pub last: bool,
    /// When the provider was first called.
    pub sent_at: Option<Timestamp>,
    /// How often it was asked since.
    pub asked: u32,
    pub changed_at: Timestamp,
}

impl PaymentRow {
    /// The key of every call about this attempt.
    pub fn key(&self) -> String {
        charge_key(self.order, self.attempt)
    }
}

/// The columns that [`read_row`] reads, in its order.
macro_rules! select_payments {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.order_id, o.sale, p.attempt, p.method, p.amount, p.currency, p.state, p.intent, p.void_for, ",
            "p.final, p.sent_at, p.asked, p.changed_at FROM payments p JOIN orders o ON o.id = p.order_id ",
            $rest
        )
    };
}

fn read_row(row: &AnyRow) -> Result<PaymentRow, StoreError> {
    Ok(PaymentRow {
        id: PaymentId::parse(row.try_get(0)?).ok_or_else(|| bad("payment id"))?,
        order: order_id(row.try_get(1)?)?,
        sale: row.try_get::<&str, _>(2)?.parse().map_err(|_| bad("sale"))?,
        attempt: u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| bad("attempt"))?,
        method: row.try_get(4)?,
        money: Money {
            amount: row.try_get(5)?,
            currency: Currency::parse(row.try_get(6)?).ok_or_else(|| bad("currency"))?,
        },
        state: PaymentState::parse(row.try_get(7)?).ok_or_else(|| bad("payment state"))?,
        intent: row.try_get::<Option<&str>, _>(8)?.and_then(Intent::parse),
        void_for: row.try_get::<Option<&str>, _>(9)?.and_then(VoidFor::parse),
        last: row.try_get::<i64, _>(10)? != 0,
        sent_at: row.try_get::<Option<i64>, _>(11)?.map(Timestamp::from_millis),
        asked: u32::try_from(row.try_get::<i64, _>(12)?).unwrap_or(u32::MAX),
        changed_at: Timestamp::from_millis(row.try_get(13)?),
    })
}

/// One attempt.
pub async fn load(database: &Database, id: PaymentId) -> Result<Option<PaymentRow>, StoreError> {
    let row =
        sqlx::query(select_payments!("WHERE p.id = $1")).bind(id.to_string()).fetch_optional(database.reader()).await?;
    row.map(|row| read_row(&row)).transpose()
}

/// The attempt that a provider's key names.
pub async fn of_key(database: &Database, key: &str) -> Result<Option<PaymentRow>, StoreError> {
    let Some((order, attempt)) = sale::ids::parse_charge_key(key) else { return Ok(None) };
    Ok(of_order(database, order).await?.into_iter().find(|payment| payment.attempt == attempt))
}

/// All attempts of an order, the first one first.
pub async fn of_order(database: &Database, order: OrderId) -> Result<Vec<PaymentRow>, StoreError> {
    let rows = sqlx::query(select_payments!("WHERE p.order_id = $1 ORDER BY p.attempt"))
        .bind(order.to_string())
        .fetch_all(database.reader())
        .await?;
    rows.iter().map(read_row).collect()
}

/// All attempts of an order, locked until the transaction ends.
pub(super) async fn lock_of(database: &Database, tx: &mut Tx, order: OrderId) -> Result<Vec<PaymentRow>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: select_payments!("WHERE p.order_id = $1 ORDER BY p.attempt FOR UPDATE OF p"),
        sqlite: select_payments!("WHERE p.order_id = $1 ORDER BY p.attempt"),
    };
    let rows = sqlx::query(database.sql(LOCK)).bind(order.to_string()).fetch_all(&mut **tx).await?;
    rows.iter().map(read_row).collect()
}

/// A buyer's choice.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    pub order: OrderId,
    pub idempotency_key: &'a str,
    pub method: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paying {
    Requested,
    /// Asked for before with the same key.
    Existing,
    /// The same key came with another method.
    KeyReused,
    HoldExpired,
    InProgress,
    AlreadyPaid,
    NotFound,
}

/// Writes an attempt to pay and its event in one transaction.
pub async fn pay(database: &Database, choice: Choice<'_>, now: Timestamp) -> Result<Paying, StoreError> {
    let mut tx = database.begin().await?;
    let holds = moves::lock_order(database, &mut tx, choice.order).await?;
    let row = sqlx::query("SELECT sale, state, amount, currency FROM orders WHERE id = $1")
        .bind(choice.order.to_string())
        .fetch_optional(&mut *tx)
        .await?;
    let (Some(hold), Some(order)) = (holds.first(), row) else { return Ok(Paying::NotFound) };
    if let Some(known) = same_key(&mut tx, choice).await? {
        return Ok(known);
    }
    let earlier = lock_of(database, &mut tx, choice.order).await?;
    let state = OrderState::parse(order.try_get(1)?).ok_or_else(|| bad("order state"))?;
    if let Some(refused) = refuse(hold.state, hold.deadline, state, &earlier, now) {
        return Ok(refused);
    }
    let sale: SaleId = order.try_get::<&str, _>(0)?.parse().map_err(|_| bad("sale"))?;
    let attempt = earlier.last().map_or(0, |payment| payment.attempt).saturating_add(1);
    let id = PaymentId::derive(now, &[choice.order.to_string().as_bytes(), &attempt.to_be_bytes()]);
    sqlx::query(
        "INSERT INTO payments (id, order_id, attempt, idempotency_key, method, amount, currency, state, ask_at, \
         created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'created', $8, $9, $9)",
    )
    .bind(id.to_string())
    .bind(choice.order.to_string())
    .bind(i64::from(attempt))
    .bind(choice.idempotency_key)
    .bind(choice.method)
    .bind(order.try_get::<i64, _>(2)?)
    .bind(order.try_get::<&str, _>(3)?)
    .bind(now.plus_millis(LOG_PATIENCE_MS).as_millis())
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    moves::hold_state(database, &mut tx, &[hold.id], HoldState::Paying).await?;
    moves::order_state(database, &mut tx, &[choice.order], OrderState::PaymentProcessing, now).await?;
    let event = Event::about(EventKind::PaymentRequested, &sale, choice.order, now, attempt);
    outbox::append(database, &mut tx, &[event]).await?;
    database.commit(tx).await?;
    Ok(Paying::Requested)
}

async fn same_key(tx: &mut Tx, choice: Choice<'_>) -> Result<Option<Paying>, StoreError> {
    let row = sqlx::query("SELECT method FROM payments WHERE order_id = $1 AND idempotency_key = $2")
        .bind(choice.order.to_string())
        .bind(choice.idempotency_key)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let same = row.try_get::<&str, _>(0)? == choice.method;
    Ok(Some(if same { Paying::Existing } else { Paying::KeyReused }))
}

/// Why a new attempt is not allowed, if it is not.
fn refuse(
    hold: HoldState,
    deadline: Timestamp,
    order: OrderState,
    earlier: &[PaymentRow],
    now: Timestamp,
) -> Option<Paying> {
    let is_over = |payment: &PaymentRow| {
        payment.state == PaymentState::Voided || (payment.state == PaymentState::Declined && !payment.last)
    };
    let took_money = |payment: &PaymentRow| payment.state == PaymentState::Captured;
    match hold {
        HoldState::Committed => Some(Paying::AlreadyPaid),
        HoldState::Paying if earlier.iter().any(took_money) => Some(Paying::AlreadyPaid),
        HoldState::Paying => Some(Paying::InProgress),
        HoldState::Released | HoldState::Expired if order == OrderState::Paid => Some(Paying::AlreadyPaid),
        HoldState::Released | HoldState::Expired => Some(Paying::HoldExpired),
        HoldState::Held if deadline <= now => Some(Paying::HoldExpired),
        HoldState::Held if !earlier.iter().all(is_over) => Some(Paying::InProgress),
        HoldState::Held => None,
    }
}

/// Notes that the provider is about to be called for the first time, and moves the hold's deadline behind the time that
/// it needs for an answer. Only one caller is told yes: that one calls.
pub async fn mark_sent(
    database: &Database,
    payment: &PaymentRow,
    answer_by: Timestamp,
    ask_at: Timestamp,
) -> Result<bool, StoreError> {
    const EXTEND: Sql = Sql {
        postgres: "UPDATE holds SET deadline = greatest(deadline, $2) WHERE id = $1 AND state = 'paying'",
        sqlite: "UPDATE holds SET deadline = max(deadline, $2) WHERE id = $1 AND state = 'paying'",
    };
    let mut tx = database.begin().await?;
    let extended = sqlx::query(database.sql(EXTEND))
        .bind(HoldId::of(payment.order).to_string())
        .bind(answer_by.as_millis())
        .execute(&mut *tx)
        .await?;
    if extended.rows_affected() == 0 {
        return Ok(false);
    }
    let marked = sqlx::query(
        "UPDATE payments SET sent_at = $2, ask_at = $3, asked = 0, changed_at = $2 \
         WHERE id = $1 AND state = 'created' AND sent_at IS NULL AND intent IS NULL",
    )
    .bind(payment.id.to_string())
    .bind(database.now().as_millis())
    .bind(ask_at.as_millis())
    .execute(&mut *tx)
    .await?;
    if marked.rows_affected() == 0 {
        return Ok(false);
    }
    database.commit(tx).await?;
    Ok(true)
}

/// Takes attempts whose time to ask has come; until `next` no other worker takes them.
pub async fn claim_due(
    database: &Database,
    now: Timestamp,
    next: Timestamp,
    limit: i64,
) -> Result<Vec<PaymentId>, StoreError> {
    const CLAIM: Sql = Sql {
        postgres: "UPDATE payments SET ask_at = $2, asked = asked + 1 WHERE id IN ( \
                     SELECT id FROM payments WHERE ask_at <= $1 ORDER BY ask_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
                   RETURNING id",
        sqlite: "UPDATE payments SET ask_at = $2, asked = asked + 1 WHERE id IN ( \
                   SELECT id FROM payments WHERE ask_at <= $1 ORDER BY ask_at LIMIT $3) RETURNING id",
    };
    let rows = sqlx::query(database.sql(CLAIM))
        .bind(now.as_millis())
        .bind(next.as_millis())
        .bind(limit)
        .fetch_all(database.writer())
        .await?;
    rows.iter().map(|row| PaymentId::parse(row.try_get(0)?).ok_or_else(|| bad("payment id"))).collect()
}

/// Decides what becomes of an authorised charge: captured while its hold is being paid, called back otherwise. What was
/// decided before stays.
pub async fn decide_intent(database: &Database, payment: &PaymentRow) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE payments SET intent = CASE WHEN EXISTS (SELECT 1 FROM holds WHERE id = $2 AND state = 'paying') \
         THEN 'capture' ELSE 'void' END WHERE id = $1 AND intent IS NULL AND state = 'authorised'",
    )
    .bind(payment.id.to_string())
    .bind(HoldId::of(payment.order).to_string())
    .execute(database.writer())
    .await?;
    Ok(())
}

/// What a call to the provider told.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    Charge(&'a Charge),
    /// It never heard of this charge, or will refuse it from now on: no money can move.
    VoidedBeforehand,
    /// No answer, or not in time.
    Nothing,
}

/// Where an attempt stands after an answer was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It ended; `payment.settled` is written.
    Ended,
    /// It moved on, and there is a next step.
    Moved,
    /// Nothing new: ask again later.
    Same,
    /// The provider speaks of another amount: a person has to look at it.
    Mismatch,
}

/// Records what the provider told. Only forward moves count, whatever order the answers come in. An attempt that is
/// still open is asked about again at `ask_at`, should nobody carry on with it before.
pub async fn record(
    database: &Database,
    id: PaymentId,
    told: Told<'_>,
    ask_at: Timestamp,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    const LOCK: Sql = Sql {
        postgres: select_payments!("WHERE p.id = $1 FOR UPDATE OF p"),
        sqlite: select_payments!("WHERE p.id = $1"),
    };
    let mut tx = database.begin().await?;
    let row = sqlx::query(database.sql(LOCK)).bind(id.to_string()).fetch_optional(&mut *tx).await?;
    let Some(row) = row else { return Ok(Recorded::Same) };
    let payment = read_row(&row)?;
    if let Told::Charge(charge) = told
        && charge.money != payment.money
    {
        return mismatch(database, tx, &payment, now).await;
    }
    let (state, last) = forward(payment.state, payment.last, told);
    let changed = (state, last) != (payment.state, payment.last);
    let ask_at = state.is_open().then_some(ask_at);
    let provider_id = if let Told::Charge(charge) = told { Some(charge.provider_id.as_str()) } else { None };
    sqlx::query(
        "UPDATE payments SET state = $2, final = $3, ask_at = $4, provider_id = coalesce($5, provider_id), \
         settled = CASE WHEN $6 = 1 THEN 0 ELSE settled END, changed_at = CASE WHEN $6 = 1 THEN $7 ELSE changed_at END \
         WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(state.as_str())
    .bind(i64::from(last))
    .bind(ask_at.map(Timestamp::as_millis))
    .bind(provider_id)
    .bind(i64::from(changed))
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    let ended = changed && !state.is_open();
    if ended {
        let nth = payment.attempt.saturating_mul(16).saturating_add(state as u32);
        let event = Event::about(EventKind::PaymentSettled, &payment.sale, payment.order, now, nth);
        outbox::append(database, &mut tx, &[event]).await?;
    }
    database.commit(tx).await?;
    Ok(if ended {
        Recorded::Ended
    } else if changed {
        Recorded::Moved
    } else {
        Recorded::Same
    })
}

/// The state after an answer. Captured money is believed whatever was known before; everything else moves only an
/// attempt that is still open.
fn forward(state: PaymentState, last: bool, told: Told<'_>) -> (PaymentState, bool) {
    let has_money = matches!(state, PaymentState::Captured | PaymentState::RefundPending | PaymentState::Refunded);
    let charge = match told {
        Told::Charge(charge) => charge.state,
        Told::VoidedBeforehand => ChargeState::Voided,
        Told::Nothing if state == PaymentState::Created => return (PaymentState::Unknown, last),
        Told::Nothing => return (state, last),
    };
    match charge {
        _ if has_money => (state, last),
        ChargeState::Captured => (PaymentState::Captured, last),
        _ if !state.is_open() => (state, last),
        ChargeState::Pending if state == PaymentState::Unknown => (PaymentState::Created, last),
        ChargeState::Pending => (state, last),
        ChargeState::Authorised => (PaymentState::Authorised, last),
        ChargeState::Declined { last } => (PaymentState::Declined, last),
        ChargeState::Voided => (PaymentState::Voided, last),
    }
}

/// Another amount or currency than ours: nothing moves by itself any more.
async fn mismatch(
    database: &Database,
    mut tx: Tx,
    payment: &PaymentRow,
    now: Timestamp,
) -> Result<Recorded, StoreError> {
    sqlx::query("UPDATE payments SET ask_at = NULL, changed_at = $2 WHERE id = $1")
        .bind(payment.id.to_string())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    moves::order_state(database, &mut tx, &[payment.order], OrderState::NeedsReview, now).await?;
    database.commit(tx).await?;
    Ok(Recorded::Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(state: ChargeState) -> Charge {
        Charge {
            key: String::new(),
            provider_id: String::new(),
            order: OrderId::derive(Timestamp::from_millis(1), &[]),
            money: Money { amount: 1, currency: Currency::parse("KRW").unwrap() },
            state,
            refunded: 0,
        }
    }

    #[test]
    fn answers_only_move_an_attempt_forward() {
        use ChargeState as C;
        use PaymentState as P;
        let rows = [
            (P::Created, C::Pending, P::Created),
            (P::Created, C::Authorised, P::Authorised),
            (P::Created, C::Captured, P::Captured),
            (P::Created, C::Declined { last: true }, P::Declined),
            (P::Created, C::Voided, P::Voided),
            (P::Unknown, C::Pending, P::Created),
            (P::Unknown, C::Authorised, P::Authorised),
            (P::Authorised, C::Pending, P::Authorised),
            (P::Authorised, C::Voided, P::Voided),
            (P::Captured, C::Authorised, P::Captured),
            (P::Captured, C::Voided, P::Captured),
            (P::Voided, C::Authorised, P::Voided),
            (P::Voided, C::Captured, P::Captured),
            (P::Declined, C::Captured, P::Captured),
            (P::Declined, C::Voided, P::Declined),
            (P::Refunded, C::Captured, P::Refunded),
            (P::RefundPending, C::Captured, P::RefundPending),
        ];
        for (before, told, after) in rows {
            assert_eq!(forward(before, false, Told::Charge(&charge(told))).0, after, "{before:?} told {told:?}");
        }
        assert_eq!(forward(P::Created, false, Told::Nothing).0, P::Unknown);
        assert_eq!(forward(P::Authorised, false, Told::Nothing).0, P::Authorised);
        assert_eq!(forward(P::Unknown, false, Told::VoidedBeforehand).0, P::Voided);
    }

    #[test]
    fn a_new_attempt_needs_a_live_hold_and_no_open_one() {
        let now = Timestamp::from_millis(10);
        let later = now.plus_millis(1);
        let attempt = |state, last| PaymentRow {
            id: PaymentId::derive(now, &[]),
            order: OrderId::derive(now, &[]),
            sale: "s".parse().unwrap(),
            attempt: 1,
            method: String::new(),
            money: charge(ChargeState::Pending).money,
            state,
            intent: None,
            void_for: None,
            last,
            sent_at: None,
            asked: 0,
            changed_at: now,
        };
        let pending = OrderState::PendingPayment;
        let rows = [
            (HoldState::Held, later, pending, vec![], None),
            (HoldState::Held, now, pending, vec![], Some(Paying::HoldExpired)),
            (HoldState::Held, later, pending, vec![attempt(PaymentState::Declined, false)], None),
            (HoldState::Held, later, pending, vec![attempt(PaymentState::Voided, false)], None),
            (HoldState::Held, later, pending, vec![attempt(PaymentState::Unknown, false)], Some(Paying::InProgress)),
            (HoldState::Held, later, pending, vec![attempt(PaymentState::Declined, true)], Some(Paying::InProgress)),
            (HoldState::Paying, later, OrderState::PaymentProcessing, vec![], Some(Paying::InProgress)),
            (HoldState::Paying, now, OrderState::PaymentProcessing, vec![], Some(Paying::InProgress)),
            (HoldState::Committed, later, OrderState::Paid, vec![], Some(Paying::AlreadyPaid)),
            (HoldState::Released, later, OrderState::Cancelled, vec![], Some(Paying::HoldExpired)),
            (HoldState::Expired, later, OrderState::Expired, vec![], Some(Paying::HoldExpired)),
            (HoldState::Expired, later, OrderState::Paid, vec![], Some(Paying::AlreadyPaid)),
        ];
        for (hold, deadline, order, earlier, expected) in rows {
            assert_eq!(refuse(hold, deadline, order, &earlier, now), expected, "{hold:?} {order:?} {earlier:?}");
        }
    }
}
