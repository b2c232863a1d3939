//! Claiming attempts: which worker calls the provider for which attempt.
//!
//! A charge is created before anything is written here, because that moves no money. It is confirmed only after its id was
//! committed by [`mark_sent`].

use std::collections::{HashMap, HashSet};

use sale::{HoldId, HoldState, OrderId, Timestamp, ids::PaymentId};
use serde_json::json;

use super::super::{
    Database, Tx, hold_transitions, parameters,
    row::column,
    sql::{Sql, sql},
};
use crate::StoreError;

/// An attempt whose charge is about to be confirmed.
#[derive(Clone, Debug)]
pub struct Sending {
    pub id: PaymentId,
    pub order: OrderId,
    /// The provider's id of the charge that was created.
    pub provider_id: String,
    /// The latest time of an answer of the provider; the hold does not end before.
    pub answer_by: Timestamp,
    /// When another worker polls it, should the caller have stopped.
    pub poll_at: Timestamp,
}

/// Commits the ids of charges that are about to be confirmed, and extends the deadlines of their holds to the time that the
/// provider needs for an answer. Of several callers with one attempt, in one batch or in several, exactly one gets `true`:
/// the one whose charge was committed. It alone confirms.
pub async fn mark_sent(database: &Database, all: &[Sending], now: Timestamp) -> Result<Vec<bool>, StoreError> {
    const MARK: Sql = Sql {
        postgres: "UPDATE payments SET state = 'created', provider_id = r.provider_id, sent_at = $2, \
                     due_at = greatest(due_at, r.poll_at), polls = 0, changed_at = $2 \
                   FROM json_to_recordset($1::json) AS r(id text, provider_id text, poll_at bigint) \
                   WHERE payments.id = r.id AND state IN ('created', 'unknown') AND sent_at IS NULL AND intent IS NULL \
                   RETURNING payments.id",
        sqlite: "UPDATE payments SET state = 'created', provider_id = r.value ->> 'provider_id', sent_at = $2, \
                   due_at = max(due_at, r.value ->> 'poll_at'), polls = 0, changed_at = $2 \
                 FROM json_each($1) AS r \
                 WHERE payments.id = r.value ->> 'id' AND state IN ('created', 'unknown') AND sent_at IS NULL \
                 AND intent IS NULL RETURNING payments.id",
    };
    let mut tx = database.begin().await?;
    let orders: Vec<_> = all.iter().map(|sending| sending.order).collect();
    let holds = hold_transitions::lock_holds(database, &mut tx, &orders).await?;
    let paying: HashMap<_, _> =
        holds.iter().filter(|hold| hold.state == HoldState::Paying).map(|hold| (hold.id.order, hold)).collect();
    let mut seen = HashSet::new();
    let is_first = |sending: &&Sending| paying.contains_key(&sending.order) && seen.insert(sending.id);
    let mut sorted: Vec<_> = all.iter().filter(is_first).collect();
    // In key order, as every transaction locks them: the statement updates the rows in this order.
    sorted.sort_unstable_by_key(|sending| (sending.order, sending.id));
    let rows: Vec<_> = sorted
        .iter()
        .map(|sending| {
            json!({"id": sending.id.to_string(), "provider_id": sending.provider_id, "poll_at": sending.poll_at.as_millis()})
        })
        .collect();
    let marked: Vec<String> = sqlx::query_scalar(database.sql(MARK))
        .bind(parameters::rows(&rows))
        .bind(now.as_millis())
        .fetch_all(&mut *tx)
        .await?;
    let mut marked: HashSet<_> = marked.into_iter().collect();
    if !marked.is_empty() {
        let ours = sorted.into_iter().filter(|sending| marked.contains(&sending.id.to_string()));
        let early: Vec<_> = ours
            .filter_map(|sending| {
                let hold = paying.get(&sending.order)?;
                (hold.deadline < sending.answer_by).then_some((sending, hold.id))
            })
            .collect();
        extend(database, &mut tx, &early, now).await?;
        database.commit(tx).await?;
    }
    // The charge of the first caller was committed; for the others the attempt is taken.
    Ok(all.iter().map(|sending| marked.remove(&sending.id.to_string())).collect())
}

/// Extends the deadlines of these locked holds to the provider's answer, for one attempt of a purchase: repeated attempts do
/// not keep the units any longer.
async fn extend(
    database: &Database,
    tx: &mut Tx,
    early: &[(&Sending, HoldId)],
    now: Timestamp,
) -> Result<(), StoreError> {
    const EXTEND: Sql = Sql {
        postgres: "UPDATE holds SET deadline = r.answer_by \
                   FROM json_to_recordset($1::json) AS r(order_id text, n bigint, answer_by bigint) \
                   WHERE holds.order_id = r.order_id AND holds.n = r.n AND NOT EXISTS ( \
                     SELECT 1 FROM payments p WHERE p.purchase_id = r.order_id AND p.extended_at IS NOT NULL) \
                   RETURNING holds.order_id",
        sqlite: "UPDATE holds SET deadline = r.value ->> 'answer_by' FROM json_each($1) AS r \
                 WHERE holds.order_id = r.value ->> 'order_id' AND holds.n = r.value ->> 'n' AND NOT EXISTS ( \
                   SELECT 1 FROM payments p WHERE p.purchase_id = r.value ->> 'order_id' AND p.extended_at IS NOT NULL) \
                 RETURNING holds.order_id",
    };
    const NOTE: Sql = Sql {
        postgres: "UPDATE payments SET extended_at = $3 FROM json_to_recordset($1::json) AS r(id text, order_id text) \
                   WHERE payments.id = r.id \
                   AND r.order_id = ANY (ARRAY(SELECT json_array_elements_text($2::json)))",
        sqlite: "UPDATE payments SET extended_at = $3 FROM json_each($1) AS r WHERE payments.id = r.value ->> 'id' \
                 AND r.value ->> 'order_id' IN (SELECT value FROM json_each($2))",
    };
    if early.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = early
        .iter()
        .map(|(sending, hold)| {
            json!({
                "id": sending.id.to_string(), "order_id": hold.order, "n": hold.n,
                "answer_by": sending.answer_by.as_millis(),
            })
        })
        .collect();
    let rows = parameters::rows(&rows);
    let extended: Vec<String> =
        sqlx::query_scalar(database.sql(EXTEND)).bind(rows.as_str()).fetch_all(&mut **tx).await?;
    if extended.is_empty() {
        return Ok(());
    }
    sqlx::query(database.sql(NOTE))
        .bind(rows)
        .bind(parameters::list(extended))
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Claims up to `limit` attempts that are due to be polled. Until `next` no other worker claims them.
pub async fn claim_due(
    database: &Database,
    now: Timestamp,
    next: Timestamp,
    limit: i64,
) -> Result<Vec<PaymentId>, StoreError> {
    const CLAIM: Sql = sql!(
        "UPDATE payments SET due_at = $2, polls = polls + 1 WHERE id IN ( \
           SELECT p.id FROM payments p WHERE p.due_at <= $1 AND p.state IN @open ORDER BY p.due_at LIMIT $3 \
           @skip_locked(p)) RETURNING id"
    );
    let claimed = sqlx::query(database.sql(CLAIM))
        .bind(now.as_millis())
        .bind(next.as_millis())
        .bind(limit)
        .fetch_all(database.writer())
        .await?;
    Ok(column(&claimed, "id")?)
}
