//! Attempts to pay: asked for by the buyer, carried out by the payment worker, recorded here.
//!
//! A result only moves an attempt forward. What it means for the units and the order is decided in
//! [`settle`](super::settle), apart, so that the worker that talks to the provider never touches stock.

use std::collections::{BTreeMap, HashMap, HashSet};

use sale::{
    Currency, Event, EventKind, HoldId, HoldState, Money, OrderId, OrderState, PaymentState, SaleId, Timestamp,
    ids::{PaymentId, charge_key},
    order::{Intent, VoidFor},
};
use serde_json::json;
use sqlx::{Row as _, any::AnyRow};

use super::{
    Database, Sql, Tx,
    moves::{self, bad, list, order_id},
    outbox,
};
use crate::{
    StoreError,
    payments::{Charge, ChargeState},
};

/// How long who is next has for a step before somebody looks whether it was taken: the log for bringing a request to a
/// worker, the worker for its call, the log again for bringing the end to the units.
///
/// One time for all of them, because `due_at` is indexed: as long as a step leaves it alone, PostgreSQL writes the new
/// row beside the old one and no index (a heap-only tuple).
const PATIENCE_MS: i64 = 15_000;

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

/// The attempts of these orders that are open, the first one first.
pub async fn open_of(database: &Database, orders: &[OrderId]) -> Result<Vec<PaymentRow>, StoreError> {
    const READ: Sql = Sql {
        postgres: select_payments!(
            "WHERE p.order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
             AND p.state IN ('created', 'authorised', 'unknown') ORDER BY p.order_id, p.attempt"
        ),
        sqlite: select_payments!(
            "WHERE p.order_id IN (SELECT value FROM json_each($1)) \
             AND p.state IN ('created', 'authorised', 'unknown') ORDER BY p.order_id, p.attempt"
        ),
    };
    let rows = sqlx::query(database.sql(READ)).bind(list(orders)).fetch_all(database.reader()).await?;
    rows.iter().map(read_row).collect()
}

/// These attempts, whether open or not.
pub async fn load_all(database: &Database, ids: &[PaymentId]) -> Result<Vec<PaymentRow>, StoreError> {
    const READ: Sql = Sql {
        postgres: select_payments!("WHERE p.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"),
        sqlite: select_payments!("WHERE p.id IN (SELECT value FROM json_each($1))"),
    };
    let rows = sqlx::query(database.sql(READ)).bind(list(ids)).fetch_all(database.reader()).await?;
    rows.iter().map(read_row).collect()
}

/// How long payments of a sale take from the request to the money, in milliseconds: the median of its newest orders.
pub async fn median_ms(database: &Database, sale: &SaleId) -> Result<Option<i64>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.changed_at - p.created_at FROM \
           (SELECT id FROM orders WHERE sale = $1 ORDER BY created_at DESC, id LIMIT 200) AS o \
         JOIN payments p ON p.order_id = o.id WHERE p.state = 'captured'",
    )
    .bind(sale.as_str())
    .fetch_all(database.reader())
    .await?;
    let mut took = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    took.sort_unstable();
    Ok(took.get(took.len() / 2).copied())
}

/// All attempts of these orders, locked until the transaction ends.
pub(super) async fn lock_all(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<Vec<PaymentRow>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: select_payments!(
            "WHERE p.order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) ORDER BY p.order_id, p.attempt \
             FOR UPDATE OF p"
        ),
        sqlite: select_payments!(
            "WHERE p.order_id IN (SELECT value FROM json_each($1)) ORDER BY p.order_id, p.attempt"
        ),
    };
    let rows = sqlx::query(database.sql(LOCK)).bind(list(orders)).fetch_all(&mut **tx).await?;
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
    let earlier = lock_all(database, &mut tx, &[choice.order]).await?;
    let state = OrderState::parse(order.try_get(1)?).ok_or_else(|| bad("order state"))?;
    if let Some(refused) = refuse(hold.state, hold.deadline, state, &earlier, now) {
        return Ok(refused);
    }
    let sale: SaleId = order.try_get::<&str, _>(0)?.parse().map_err(|_| bad("sale"))?;
    let attempt = earlier.last().map_or(0, |payment| payment.attempt).saturating_add(1);
    let id = PaymentId::derive(now, &[choice.order.to_string().as_bytes(), &attempt.to_be_bytes()]);
    sqlx::query(
        "INSERT INTO payments (id, order_id, attempt, idempotency_key, method, amount, currency, state, due_at, \
         created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'created', $8, $9, $9)",
    )
    .bind(id.to_string())
    .bind(choice.order.to_string())
    .bind(i64::from(attempt))
    .bind(choice.idempotency_key)
    .bind(choice.method)
    .bind(order.try_get::<i64, _>(2)?)
    .bind(order.try_get::<&str, _>(3)?)
    .bind(now.plus_millis(PATIENCE_MS).as_millis())
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

/// An attempt that is about to be sent.
#[derive(Clone, Debug)]
pub struct Sending {
    pub id: PaymentId,
    pub order: OrderId,
    /// When the provider will have answered if it ever does: the hold does not end before.
    pub answer_by: Timestamp,
    /// Until when nobody else asks, should the caller die.
    pub ask_at: Timestamp,
}

/// Notes that the provider is about to be called for the first time, and moves the holds' deadlines behind the time that
/// it needs for an answer. Of several callers only one is told yes: that one calls.
pub async fn mark_sent(database: &Database, all: &[Sending], now: Timestamp) -> Result<Vec<bool>, StoreError> {
    const MARK: Sql = Sql {
        postgres: "UPDATE payments SET sent_at = $2, due_at = greatest(due_at, r.ask_at), asked = 0, changed_at = $2 \
                   FROM json_to_recordset($1::json) AS r(id text, hold text, ask_at bigint) \
                   WHERE payments.id = r.id AND state = 'created' AND sent_at IS NULL AND intent IS NULL \
                   AND EXISTS (SELECT 1 FROM holds h WHERE h.id = r.hold AND h.state = 'paying') RETURNING payments.id",
        sqlite: "UPDATE payments SET sent_at = $2, due_at = max(due_at, r.value ->> 'ask_at'), asked = 0, changed_at = $2 \
                 FROM json_each($1) AS r \
                 WHERE payments.id = r.value ->> 'id' AND state = 'created' AND sent_at IS NULL AND intent IS NULL \
                 AND EXISTS (SELECT 1 FROM holds h WHERE h.id = r.value ->> 'hold' AND h.state = 'paying') \
                 RETURNING payments.id",
    };
    const EXTEND: Sql = Sql {
        postgres: "UPDATE holds SET deadline = r.answer_by \
                   FROM json_to_recordset($1::json) AS r(hold text, answer_by bigint) \
                   WHERE holds.id = r.hold AND deadline < r.answer_by",
        sqlite: "UPDATE holds SET deadline = r.value ->> 'answer_by' FROM json_each($1) AS r \
                 WHERE holds.id = r.value ->> 'hold' AND deadline < r.value ->> 'answer_by'",
    };
    let mut tx = database.begin().await?;
    let holds: Vec<_> = all.iter().map(|sending| HoldId::of(sending.order)).collect();
    moves::lock_holds(database, &mut tx, &holds).await?;
    let row = |sending: &Sending| {
        json!({
            "id": sending.id.to_string(), "hold": HoldId::of(sending.order).to_string(),
            "ask_at": sending.ask_at.as_millis(), "answer_by": sending.answer_by.as_millis(),
        })
    };
    // In the order that others lock them in: the statement takes the rows as they come.
    let mut sorted: Vec<_> = all.iter().collect();
    sorted.sort_unstable_by_key(|sending| (sending.order, sending.id));
    let rows: Vec<_> = sorted.into_iter().map(row).collect();
    let marked =
        sqlx::query(database.sql(MARK)).bind(moves::rows(&rows)).bind(now.as_millis()).fetch_all(&mut *tx).await?;
    let marked = marked.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<HashSet<_>, _>>()?;
    let is_marked: Vec<_> = all.iter().map(|sending| marked.contains(&sending.id.to_string())).collect();
    let extended: Vec<_> = rows.into_iter().zip(&is_marked).filter(|(_, is)| **is).map(|(row, _)| row).collect();
    if !extended.is_empty() {
        sqlx::query(database.sql(EXTEND)).bind(moves::rows(&extended)).execute(&mut *tx).await?;
        database.commit(tx).await?;
    }
    Ok(is_marked)
}

/// Takes attempts whose time to ask has come; until `next` no other worker takes them.
pub async fn claim_due(
    database: &Database,
    now: Timestamp,
    next: Timestamp,
    limit: i64,
) -> Result<Vec<PaymentId>, StoreError> {
    const CLAIM: Sql = Sql {
        postgres: "UPDATE payments SET due_at = $2, asked = asked + 1 WHERE id IN ( \
                     SELECT id FROM payments WHERE due_at <= $1 AND state IN ('created', 'authorised', 'unknown') \
                     ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id",
        sqlite: "UPDATE payments SET due_at = $2, asked = asked + 1 WHERE id IN ( \
                   SELECT id FROM payments WHERE due_at <= $1 AND state IN ('created', 'authorised', 'unknown') \
                   ORDER BY due_at LIMIT $3) RETURNING id",
    };
    let rows = sqlx::query(database.sql(CLAIM))
        .bind(now.as_millis())
        .bind(next.as_millis())
        .bind(limit)
        .fetch_all(database.writer())
        .await?;
    rows.iter().map(|row| PaymentId::parse(row.try_get(0)?).ok_or_else(|| bad("payment id"))).collect()
}

/// What a call to the provider told.
#[derive(Clone, Debug)]
pub enum Told {
    Charge(Charge),
    /// It never heard of this charge, or will refuse it from now on: no money can move.
    VoidedBeforehand,
    /// No answer, or not in time.
    Nothing,
}

/// An answer on its way into the row of its attempt.
#[derive(Clone, Debug)]
pub struct Answer {
    pub id: PaymentId,
    pub order: OrderId,
    pub told: Told,
    /// When to ask about the attempt again if this brought it no further.
    pub ask_at: Timestamp,
}

/// Where an attempt stands after an answer was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It ended; `payment.settled` is written.
    Ended,
    /// It moved on to this, and there is a next step.
    Moved(Box<PaymentRow>),
    /// Nothing new: ask again later.
    Same,
    /// The provider speaks of another amount: a person has to look at it.
    Mismatch,
}

/// What an answer changes.
struct Change {
    row: PaymentRow,
    provider_id: Option<String>,
    due: Due,
    moved: bool,
}

/// When somebody looks at an attempt again.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// Nobody carries on with it: then.
    At(Timestamp),
    /// It moved, and somebody carries on with it: as before, but no later than then.
    By(Timestamp),
    /// It ended before.
    AsItIs,
}

impl Due {
    const fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) | Self::By(at) => Some(at),
            Self::AsItIs => None,
        }
    }
}

/// Records what the provider told of several attempts, all in one transaction. Only forward moves count, whatever order
/// the answers come in. Whatever is authorised by now gets its intent here, once: to be captured while its hold is being
/// paid for, to be called back otherwise.
pub async fn record(database: &Database, answers: &[Answer], now: Timestamp) -> Result<Vec<Recorded>, StoreError> {
    let mut tx = database.begin().await?;
    let orders: Vec<_> = answers.iter().map(|answer| answer.order).collect();
    let locked = lock_all(database, &mut tx, &orders).await?;
    let mut rows: HashMap<PaymentId, PaymentRow> = locked.into_iter().map(|row| (row.id, row)).collect();
    let mut changes: BTreeMap<PaymentId, Change> = BTreeMap::new();
    let mut recorded = Vec::with_capacity(answers.len());
    for answer in answers {
        let Some(row) = rows.get_mut(&answer.id) else {
            recorded.push(Recorded::Same);
            continue;
        };
        if let Told::Charge(charge) = &answer.told
            && charge.money != row.money
        {
            mismatch(database, &mut tx, row, now).await?;
            recorded.push(Recorded::Mismatch);
            continue;
        }
        let (state, last) = forward(row.state, row.last, &answer.told);
        let moved = (state, last) != (row.state, row.last);
        (row.state, row.last) = (state, last);
        let provider_id = if let Told::Charge(charge) = &answer.told { Some(charge.provider_id.clone()) } else { None };
        // Two answers about one attempt are one change, to where both lead.
        let moved_by_any = moved || changes.get(&row.id).is_some_and(|change| change.moved);
        let due = match state {
            PaymentState::Created | PaymentState::Unknown => Due::At(answer.ask_at),
            _ if moved_by_any => Due::By(now.plus_millis(PATIENCE_MS)),
            PaymentState::Authorised => Due::At(answer.ask_at),
            _ => Due::AsItIs,
        };
        changes.insert(row.id, Change { row: row.clone(), provider_id, due, moved: moved_by_any });
        recorded.push(match (moved, state.is_open()) {
            (true, false) => Recorded::Ended,
            (true, true) => Recorded::Moved(Box::new(row.clone())),
            (false, _) => Recorded::Same,
        });
    }
    let changes: Vec<_> = changes.into_values().collect();
    let intents = write(database, &mut tx, &changes, now).await?;
    let ended = changes.iter().filter(|change| change.moved && !change.row.state.is_open());
    let events: Vec<_> = ended.map(|change| settled_event(&change.row, now)).collect();
    outbox::append(database, &mut tx, &events).await?;
    database.commit(tx).await?;
    for outcome in &mut recorded {
        if let Recorded::Moved(row) = outcome {
            row.intent = intents.get(&row.id).copied().or(row.intent);
        }
    }
    Ok(recorded)
}

fn settled_event(payment: &PaymentRow, now: Timestamp) -> Event {
    metrics::counter!("openrun_payments_total", "state" => payment.state.as_str()).increment(1);
    let nth = payment.attempt.saturating_mul(16).saturating_add(payment.state as u32);
    Event::about(EventKind::PaymentSettled, &payment.sale, payment.order, now, nth)
}

/// Writes the changes down and tells the intents that stand now.
async fn write(
    database: &Database,
    tx: &mut Tx,
    changes: &[Change],
    now: Timestamp,
) -> Result<HashMap<PaymentId, Intent>, StoreError> {
    const WRITE: Sql = Sql {
        postgres: "UPDATE payments SET state = r.state, final = r.final, \
                     due_at = CASE WHEN r.soon = 1 THEN least(payments.due_at, r.due_at) \
                       ELSE coalesce(r.due_at, payments.due_at) END, \
                     provider_id = coalesce(r.provider_id, payments.provider_id), \
                     changed_at = CASE WHEN r.moved = 1 THEN $2 ELSE changed_at END, \
                     intent = CASE WHEN intent IS NULL AND r.state = 'authorised' THEN \
                       CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = r.hold AND h.state = 'paying') \
                       THEN 'capture' ELSE 'void' END ELSE intent END \
                   FROM json_to_recordset($1::json) AS r(id text, hold text, state text, final bigint, due_at bigint, \
                     provider_id text, moved bigint, soon bigint) \
                   WHERE payments.id = r.id RETURNING payments.id, payments.intent",
        sqlite: "UPDATE payments SET state = r.value ->> 'state', final = r.value ->> 'final', \
                   due_at = CASE WHEN r.value ->> 'soon' = 1 \
                     THEN min(coalesce(payments.due_at, r.value ->> 'due_at'), r.value ->> 'due_at') \
                     ELSE coalesce(r.value ->> 'due_at', payments.due_at) END, \
                   provider_id = coalesce(r.value ->> 'provider_id', payments.provider_id), \
                   changed_at = CASE WHEN r.value ->> 'moved' = 1 THEN $2 ELSE changed_at END, \
                   intent = CASE WHEN intent IS NULL AND r.value ->> 'state' = 'authorised' THEN \
                     CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.id = r.value ->> 'hold' AND h.state = 'paying') \
                     THEN 'capture' ELSE 'void' END ELSE intent END \
                 FROM json_each($1) AS r WHERE payments.id = r.value ->> 'id' RETURNING id, intent",
    };
    if changes.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            json!({
                "id": change.row.id.to_string(), "hold": HoldId::of(change.row.order).to_string(),
                "state": change.row.state.as_str(), "final": i64::from(change.row.last),
                "due_at": change.due.at().map(Timestamp::as_millis), "provider_id": change.provider_id,
                "moved": i64::from(change.moved), "soon": i64::from(matches!(change.due, Due::By(_))),
            })
        })
        .collect();
    let written =
        sqlx::query(database.sql(WRITE)).bind(moves::rows(&rows)).bind(now.as_millis()).fetch_all(&mut **tx).await?;
    let mut intents = HashMap::new();
    for row in &written {
        let id = PaymentId::parse(row.try_get(0)?).ok_or_else(|| bad("payment id"))?;
        if let Some(intent) = row.try_get::<Option<&str>, _>(1)?.and_then(Intent::parse) {
            intents.insert(id, intent);
        }
    }
    Ok(intents)
}

/// The state after an answer. Captured money is believed whatever was known before; everything else moves only an
/// attempt that is still open.
fn forward(state: PaymentState, last: bool, told: &Told) -> (PaymentState, bool) {
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
async fn mismatch(database: &Database, tx: &mut Tx, payment: &PaymentRow, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE payments SET due_at = NULL, changed_at = $2 WHERE id = $1")
        .bind(payment.id.to_string())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    moves::order_state(database, tx, &[payment.order], OrderState::NeedsReview, now).await
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
            let answer = Told::Charge(charge(told));
            assert_eq!(forward(before, false, &answer).0, after, "{before:?} told {told:?}");
        }
        assert_eq!(forward(P::Created, false, &Told::Nothing).0, P::Unknown);
        assert_eq!(forward(P::Authorised, false, &Told::Nothing).0, P::Authorised);
        assert_eq!(forward(P::Unknown, false, &Told::VoidedBeforehand).0, P::Voided);
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
