//! Refunds: written down with the move that owes them, carried out until the provider has confirmed.
//!
//! A refusal and a silence are two things. After [`MOST_REFUSALS`] refusals a person has to look at it; a silent provider
//! is asked with the same key again, less and less often, without end.

use std::collections::HashSet;

use sale::{
    Currency, Event, EventKind, HoldState, Money, OrderId, PaymentState, SaleId, Timestamp,
    ids::{PaymentId, charge_key},
    order::{RefundReason, RefundState},
    refund::{PaidLine, RefundLine, spread},
};
use serde_json::json;

use super::{
    Database, Sql, Tx,
    cases::{self, CaseKind, NewCase},
    hold_transitions,
    money_moves::{self, MoneyMove, MoveKind},
    order_transitions::{OrderTransition, move_orders},
    outbox, parameters,
    payments::PaymentRow,
    row::{corrupt_row, row},
};
use crate::{
    StoreError,
    payments::{ChargeRef, RefundProgress},
};

/// How often a provider may refuse a refund before a person has to look at it.
const MOST_REFUSALS: u32 = 30;
/// How long to wait after a refusal, while the provider works on it, and after the first silence.
const FIRST_WAIT_MS: i64 = 10_000;
/// The longest wait for a provider that is silent.
const LONGEST_WAIT_MS: i64 = 300_000;

/// A refund to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRow {
    /// Also the key of the provider's call: `refund:{payment}:{n}`.
    pub id: String,
    pub payment: PaymentId,
    pub order: OrderId,
    /// The charge that is given back.
    pub charge: ChargeRef,
    pub money: Money,
    pub reason: String,
    pub refusals: u32,
    pub silences: u32,
}

/// What the provider said to a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundAnswer {
    Progress {
        provider_ref: Option<String>,
        progress: RefundProgress,
    },
    /// Nothing, or not in time. It is never a refusal.
    Silence,
}

/// Owes what was captured of an attempt, once.
pub(super) async fn owe(
    database: &Database,
    tx: &mut Tx,
    sale: &SaleId,
    payment: &PaymentRow,
    (reason, now): (RefundReason, Timestamp),
) -> Result<(), StoreError> {
    let owes = payment.captured > 0;
    let moved = sqlx::query(
        "UPDATE payments SET state = $2, due_at = NULL, changed_at = $3 WHERE id = $1 AND state = 'captured'",
    )
    .bind(payment.id.to_string())
    .bind(if owes { PaymentState::RefundPending } else { PaymentState::Refunded }.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if moved.rows_affected() == 0 || !owes {
        return Ok(());
    }
    let id = insert(tx, payment, reason, now).await?;
    insert_lines(database, tx, &id, payment).await?;
    let event = Event::about(EventKind::RefundRequested, sale, payment.order, now, payment.attempt);
    outbox::append(database, tx, &[event]).await
}

/// Writes the refund of a whole payment.
async fn insert(tx: &mut Tx, payment: &PaymentRow, reason: RefundReason, now: Timestamp) -> Result<String, StoreError> {
    const N: i64 = 1;
    let id = format!("refund:{}:{N}", payment.id);
    sqlx::query(
        "INSERT INTO refunds (id, payment_id, n, amount, currency, reason, requested_by, request_key, state, due_at, \
         created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, 'rules', $7, 'pending', $8, $8, $8)",
    )
    .bind(id.as_str())
    .bind(payment.id.to_string())
    .bind(N)
    .bind(payment.captured)
    .bind(payment.money.currency.as_str())
    .bind(reason.as_str())
    .bind(format!("owed:{}", payment.id))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

row! {
    struct LineColumns {
        order_id: OrderId,
        line_no: u32,
        quantity: u32,
        unit_amount: i64,
        refunded: i64,
    }
}

/// Spreads a refund over the lines that its payment paid for.
async fn insert_lines(database: &Database, tx: &mut Tx, refund: &str, payment: &PaymentRow) -> Result<(), StoreError> {
    // What was captured twice is given back of the second payment: each has lines of its own to give back.
    const LINES: &str = "SELECT l.order_id, l.line_no, l.quantity, l.unit_amount, ( \
            SELECT CAST(coalesce(sum(r.amount), 0) AS BIGINT) FROM refund_lines r \
            JOIN refunds f ON f.id = r.refund_id AND f.payment_id = $1 \
            WHERE r.order_id = l.order_id AND r.line_no = l.line_no) AS refunded \
        FROM ( \
            SELECT o.order_id, o.line_no, o.quantity, o.unit_amount \
            FROM payment_parts p JOIN order_lines o ON o.order_id = p.order_id WHERE p.payment_id = $1) AS l \
        ORDER BY l.order_id, l.line_no";
    const INSERT: Sql = Sql {
        postgres: "INSERT INTO refund_lines (refund_id, order_id, line_no, quantity, amount) \
                   SELECT $1, r.order_id, r.line_no, r.quantity, r.amount \
                   FROM json_to_recordset($2::json) AS r(order_id text, line_no bigint, quantity bigint, amount bigint)",
        sqlite: "INSERT INTO refund_lines (refund_id, order_id, line_no, quantity, amount) \
                 SELECT $1, value ->> 'order_id', value ->> 'line_no', value ->> 'quantity', value ->> 'amount' \
                 FROM json_each($2)",
    };
    let found: Vec<LineColumns> = sqlx::query_as(LINES).bind(payment.id.to_string()).fetch_all(&mut **tx).await?;
    let lines: Vec<_> = found.into_iter().map(PaidLine::from).collect();
    let parts = spread(payment.captured, &lines).ok_or_else(|| corrupt_row("sum of a payment's lines"))?;
    let row = |part: &RefundLine| {
        json!({
            "order_id": part.order, "line_no": part.line_no, "quantity": part.quantity, "amount": part.amount,
        })
    };
    let rows = parameters::rows(&parts.iter().map(row).collect::<Vec<_>>());
    sqlx::query(database.sql(INSERT)).bind(refund).bind(rows).execute(&mut **tx).await?;
    Ok(())
}

impl From<LineColumns> for PaidLine {
    fn from(row: LineColumns) -> Self {
        Self {
            order: row.order_id,
            line_no: row.line_no,
            quantity: row.quantity,
            unit_amount: row.unit_amount,
            refunded: row.refunded,
        }
    }
}

row! {
    struct Columns {
        id: String,
        payment_id: PaymentId,
        purchase_id: OrderId,
        attempt: u32,
        // Only what was confirmed can be given back, and that has an id.
        provider_id: String,
        amount: i64,
        currency: Currency,
        reason: String,
        refusals: u32,
        silences: u32,
    }
}

macro_rules! select_refunds {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.payment_id, p.purchase_id, p.attempt, p.provider_id, r.amount, r.currency, r.reason, ",
            "r.refusals, r.silences FROM refunds r JOIN payments p ON p.id = r.payment_id ",
            $rest
        )
    };
}

impl From<Columns> for RefundRow {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            payment: row.payment_id,
            order: row.purchase_id,
            charge: ChargeRef { key: charge_key(row.purchase_id, row.attempt), provider_id: row.provider_id },
            money: Money { amount: row.amount, currency: row.currency },
            reason: row.reason,
            refusals: row.refusals,
            silences: row.silences,
        }
    }
}

/// Takes refunds whose time has come; until `next` no other worker takes them.
pub async fn claim_due(
    database: &Database,
    now: Timestamp,
    next: Timestamp,
    limit: i64,
) -> Result<Vec<RefundRow>, StoreError> {
    const CLAIM: Sql = Sql {
        postgres: "UPDATE refunds SET due_at = $2 WHERE id IN ( \
                     SELECT id FROM refunds WHERE due_at <= $1 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
                   RETURNING id",
        sqlite: "UPDATE refunds SET due_at = $2 WHERE id IN ( \
                   SELECT id FROM refunds WHERE due_at <= $1 ORDER BY due_at LIMIT $3) RETURNING id",
    };
    const READ: Sql = Sql {
        postgres: select_refunds!("WHERE r.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"),
        sqlite: select_refunds!("WHERE r.id IN (SELECT value FROM json_each($1))"),
    };
    let claimed: Vec<String> = sqlx::query_scalar(database.sql(CLAIM))
        .bind(now.as_millis())
        .bind(next.as_millis())
        .bind(limit)
        .fetch_all(database.writer())
        .await?;
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let ids = parameters::list(claimed);
    let rows: Vec<Columns> = sqlx::query_as(database.sql(READ)).bind(ids).fetch_all(database.reader()).await?;
    Ok(rows.into_iter().map(RefundRow::from).collect())
}

/// Which of these refunds, by their ids, are written down here.
pub async fn known(database: &Database, ids: &[String]) -> Result<HashSet<String>, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT id FROM refunds WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "SELECT id FROM refunds WHERE id IN (SELECT value FROM json_each($1))",
    };
    let known: Vec<String> =
        sqlx::query_scalar(database.sql(READ)).bind(parameters::list(ids)).fetch_all(database.reader()).await?;
    Ok(known.into_iter().collect())
}

/// What becomes of a refund after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Done,
    NeedsReview,
    Again { refusals: u32, silences: u32, wait_ms: i64 },
}

fn next(refund: &RefundRow, answer: &RefundAnswer) -> Next {
    let RefundRow { refusals, silences, .. } = *refund;
    match answer {
        RefundAnswer::Progress { progress: RefundProgress::Done, .. } => Next::Done,
        RefundAnswer::Progress { progress: RefundProgress::Pending, .. } => {
            Next::Again { refusals, silences, wait_ms: FIRST_WAIT_MS }
        }
        RefundAnswer::Progress { progress: RefundProgress::Refused { .. }, .. } => {
            let refusals = refusals.saturating_add(1);
            if refusals >= MOST_REFUSALS {
                return Next::NeedsReview;
            }
            Next::Again { refusals, silences, wait_ms: FIRST_WAIT_MS }
        }
        RefundAnswer::Silence => {
            let doubled = FIRST_WAIT_MS.saturating_mul(1_i64.checked_shl(silences.min(16)).unwrap_or(i64::MAX));
            Next::Again { refusals, silences: silences.saturating_add(1), wait_ms: doubled.min(LONGEST_WAIT_MS) }
        }
    }
}

/// Records what the provider said to a refund; says whether a person has to look at it from now on. An order that is
/// paid by another attempt stays as it is.
pub async fn record(
    database: &Database,
    refund: &RefundRow,
    answer: &RefundAnswer,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[refund.order]).await?;
    let next = next(refund, answer);
    if !write(&mut tx, refund, answer, next, now).await? {
        return Ok(false);
    }
    if next == Next::Done {
        give_back(database, &mut tx, refund, now).await?;
    }
    let transition = match next {
        Next::Done => Some(OrderTransition::REFUNDED),
        Next::NeedsReview => Some(OrderTransition::REFUND_REFUSED),
        Next::Again { .. } => None,
    };
    if next == Next::NeedsReview {
        let (kind, subject) = (CaseKind::RefundRefused, refund.id.clone());
        let case = NewCase { kind, subject, order: refund.order, detail: String::new() };
        cases::open(&mut tx, &case, now).await?;
    }
    let is_sold = holds.iter().any(|hold| hold.state == HoldState::Committed);
    if let Some(transition) = transition.filter(|_| !is_sold) {
        move_orders(database, &mut tx, &[refund.order], transition, now).await?;
    }
    database.commit(tx).await?;
    Ok(next == Next::NeedsReview)
}

/// Moves a pending refund; false when it is not pending any more.
async fn write(
    tx: &mut Tx,
    refund: &RefundRow,
    answer: &RefundAnswer,
    next: Next,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, refusals, silences, due_at) = match next {
        Next::Done => (RefundState::Done, refund.refusals, refund.silences, None),
        Next::NeedsReview => (RefundState::NeedsReview, refund.refusals.saturating_add(1), refund.silences, None),
        Next::Again { refusals, silences, wait_ms } => {
            (RefundState::Pending, refusals, silences, Some(now.plus_millis(wait_ms)))
        }
    };
    let (provider_ref, failure) = match answer {
        RefundAnswer::Progress { provider_ref, progress: RefundProgress::Refused { reason } } => {
            (provider_ref.as_deref(), Some(reason.as_str()))
        }
        RefundAnswer::Progress { provider_ref, .. } => (provider_ref.as_deref(), None),
        RefundAnswer::Silence => (None, None),
    };
    let moved = sqlx::query(
        "UPDATE refunds SET state = $2, refusals = $3, silences = $4, due_at = $5, \
         provider_ref = coalesce($6, provider_ref), failure = coalesce($7, failure), changed_at = $8 \
         WHERE id = $1 AND state = 'pending'",
    )
    .bind(refund.id.as_str())
    .bind(state.as_str())
    .bind(i64::from(refusals))
    .bind(i64::from(silences))
    .bind(due_at.map(Timestamp::as_millis))
    .bind(provider_ref)
    .bind(failure)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// The money has left: counted on the payment, and written down as a move.
async fn give_back(database: &Database, tx: &mut Tx, refund: &RefundRow, now: Timestamp) -> Result<(), StoreError> {
    let counted = sqlx::query(
        "UPDATE payments SET refunded_amount = refunded_amount + $2, changed_at = $3, \
         state = CASE WHEN refunded_amount + $2 = captured_amount THEN 'refunded' ELSE state END \
         WHERE id = $1 AND state = 'refund_pending'",
    )
    .bind(refund.payment.to_string())
    .bind(refund.money.amount)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if counted.rows_affected() != 1 {
        return Err(StoreError::unexpected("database", format!("{} is of a payment that owes nothing", refund.id)));
    }
    let moved = MoneyMove {
        purchase: refund.order,
        payment: refund.payment,
        refund: Some(refund.id.clone()),
        kind: MoveKind::Refunded,
        money: refund.money,
        cause: refund.reason.clone(),
    };
    money_moves::append(database, tx, &[moved], now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refund(refusals: u32, silences: u32) -> RefundRow {
        let at = Timestamp::from_millis(1);
        let order = OrderId::derive(at, &[]);
        RefundRow {
            id: "refund:x:1".to_owned(),
            payment: PaymentId::of(order, 1),
            order,
            charge: ChargeRef { key: charge_key(order, 1), provider_id: "ch".to_owned() },
            money: Money { amount: 1, currency: Currency::parse("KRW").unwrap() },
            reason: "late_payment".to_owned(),
            refusals,
            silences,
        }
    }

    fn progress(progress: RefundProgress) -> RefundAnswer {
        RefundAnswer::Progress { provider_ref: None, progress }
    }

    #[test]
    fn refusals_come_to_a_person_and_silence_never_does() {
        let refused = || progress(RefundProgress::Refused { reason: "no".to_owned() });
        let again = |refusals, silences, wait_ms| Next::Again { refusals, silences, wait_ms };
        let rows = [
            (refund(0, 0), progress(RefundProgress::Done), Next::Done),
            (refund(29, 99), progress(RefundProgress::Done), Next::Done),
            (refund(3, 4), progress(RefundProgress::Pending), again(3, 4, 10_000)),
            (refund(0, 7), refused(), again(1, 7, 10_000)),
            (refund(28, 0), refused(), again(29, 0, 10_000)),
            (refund(29, 0), refused(), Next::NeedsReview),
            (refund(29, 0), RefundAnswer::Silence, again(29, 1, 10_000)),
            (refund(0, 1), RefundAnswer::Silence, again(0, 2, 20_000)),
            (refund(0, 4), RefundAnswer::Silence, again(0, 5, 160_000)),
            (refund(0, 5), RefundAnswer::Silence, again(0, 6, 300_000)),
            (refund(0, u32::MAX), RefundAnswer::Silence, again(0, u32::MAX, 300_000)),
        ];
        for (refund, answer, expected) in rows {
            assert_eq!(next(&refund, &answer), expected, "{refund:?} {answer:?}");
        }
    }
}
