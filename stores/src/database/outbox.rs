//! The outbox: events committed in the transaction of their cause.

use sale::{Event, Timestamp};
use serde_json::json;

use super::{
    Database, Sql, Tx,
    inbox::ConsumerGroup,
    row::{row, unsigned},
};
use crate::StoreError;

/// Ten times as many events as stop the calling of tickets.
const MOST_COUNTED: i64 = 100_000;

/// An event as its row in the outbox holds it. The relay publishes it without parsing it, so that a process of an earlier
/// version forwards what a later one wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRecord {
    /// The order's id: the key on the log.
    pub order: String,
    /// The event as JSON.
    pub body: String,
    /// The W3C `traceparent` of its cause; empty when there is none.
    pub trace: String,
}

/// Appends events in the transaction of their cause, and notifies the readers. The guarded states of the cause make sure that
/// each is appended once.
///
/// Each carries the trace of the request that placed its order as a W3C `traceparent`, whose span is the event's own.
pub async fn append(database: &Database, tx: &mut Tx, events: &[Event]) -> Result<(), StoreError> {
    const APPEND: Sql = Sql {
        postgres: "INSERT INTO outbox (event_id, kind, order_id, body, trace) \
                   SELECT r.event_id, r.kind, r.order_id, r.body, coalesce(( \
                     SELECT '00-' || o.trace || '-' || substr(replace(r.event_id, '-', ''), 17) || '-01' \
                     FROM orders o WHERE o.id = r.order_id AND o.trace <> ''), '') \
                   FROM json_to_recordset($1::json) AS r(event_id text, kind text, order_id text, body text)",
        sqlite: "INSERT INTO outbox (event_id, kind, order_id, body, trace) \
                 SELECT r.value ->> 'event_id', r.value ->> 'kind', r.value ->> 'order_id', r.value ->> 'body', coalesce(( \
                   SELECT '00-' || o.trace || '-' || substr(replace(r.value ->> 'event_id', '-', ''), 17) || '-01' \
                   FROM orders o WHERE o.id = r.value ->> 'order_id' AND o.trace <> ''), '') \
                 FROM json_each($1) AS r",
    };
    if events.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = events
        .iter()
        .map(
            |event| json!({"event_id": event.id, "kind": event.kind, "order_id": event.order, "body": event.to_json()}),
        )
        .collect();
    sqlx::query(database.sql(APPEND)).bind(serde_json::Value::from(rows).to_string()).execute(&mut **tx).await?;
    database.outbox_notifier().notify();
    Ok(())
}

row! {
    struct OutboxRow {
        id: i64,
        order_id: String,
        body: String,
        trace: String,
    }
}

impl OutboxRow {
    fn with_id(self) -> (i64, OutboxRecord) {
        (self.id, OutboxRecord { order: self.order_id, body: self.body, trace: self.trace })
    }
}

/// The oldest unpublished rows, with their ids.
pub async fn unpublished(database: &Database, limit: i64) -> Result<Vec<(i64, OutboxRecord)>, StoreError> {
    let rows: Vec<OutboxRow> =
        sqlx::query_as("SELECT id, order_id, body, trace FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1")
            .bind(limit)
            .fetch_all(database.reader())
            .await?;
    Ok(rows.into_iter().map(OutboxRow::with_id).collect())
}

/// The rows after the one with the id `after`: the embedded log. On SQLite ids are in the order of the commits, because
/// there is one writer; on PostgreSQL a smaller id may appear after a larger one, so this would skip it.
pub async fn after(database: &Database, after: i64, limit: i64) -> Result<Vec<(i64, OutboxRecord)>, StoreError> {
    const AFTER: &str = "SELECT id, order_id, body, trace FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
    let rows: Vec<OutboxRow> = sqlx::query_as(AFTER).bind(after).bind(limit).fetch_all(database.reader()).await?;
    Ok(rows.into_iter().map(OutboxRow::with_id).collect())
}

/// Removes published events. Marking them would rewrite each row and its indexes.
pub async fn remove(database: &Database, ids: &[i64]) -> Result<(), StoreError> {
    const REMOVE: Sql = Sql {
        postgres: "DELETE FROM outbox \
                   WHERE id = ANY (ARRAY(SELECT value::bigint FROM json_array_elements_text($1::json)))",
        sqlite: "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each($1))",
    };
    sqlx::query(database.sql(REMOVE)).bind(json!(ids).to_string()).execute(database.writer()).await?;
    Ok(())
}

/// Whether more than `limit` events are unpublished.
pub async fn is_longer_than(database: &Database, limit: i64) -> Result<bool, StoreError> {
    const BEYOND: &str = "SELECT 1 FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT 1 OFFSET $1";
    Ok(sqlx::query(BEYOND).bind(limit).fetch_optional(database.reader()).await?.is_some())
}

/// The number of unpublished events, counted up to [`MOST_COUNTED`].
pub async fn unpublished_count(database: &Database) -> Result<u64, StoreError> {
    // In the order of the index, because PostgreSQL would read every removed row that is not vacuumed yet.
    const COUNT: &str = "SELECT COUNT(*) FROM \
                         (SELECT id FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1) AS waiting";
    Ok(unsigned(sqlx::query_scalar(COUNT).bind(MOST_COUNTED).fetch_one(database.reader()).await?))
}

/// Marks the events that every group has read from the embedded log as published: with either log, unpublished events are
/// those still to be handled.
pub async fn mark_read_by_all(database: &Database, now: Timestamp) -> Result<(), StoreError> {
    const MARK: &str = "UPDATE outbox SET published_at = $1 WHERE published_at IS NULL AND id <= \
                        (SELECT CASE WHEN count(*) < $2 THEN 0 ELSE min(outbox_id) END FROM log_cursors)";
    sqlx::query(MARK)
        .bind(now.as_millis())
        .bind(i64::try_from(ConsumerGroup::ALL.len()).unwrap_or(i64::MAX))
        .execute(database.writer())
        .await?;
    Ok(())
}

/// Removes rows of the embedded log that every group had read before `before`, of the oldest thousand, so that one call
/// never blocks the database for long. Returns how many; call it again until that is 0.
pub async fn prune(database: &Database, before: Timestamp) -> Result<u64, StoreError> {
    const PRUNE: &str = "DELETE FROM outbox WHERE published_at < $1 AND id IN \
                         (SELECT id FROM outbox ORDER BY id LIMIT 1000)";
    let pruned = sqlx::query(PRUNE).bind(before.as_millis()).execute(database.writer()).await?;
    Ok(pruned.rows_affected())
}
