//! The outbox: events committed together with their cause.

use sale::{Event, Timestamp};
use serde_json::json;
use sqlx::Row as _;

use super::{Database, Sql, Tx};
use crate::StoreError;

/// Writes events down in the transaction of their cause. One that is written already stays as it is.
pub async fn append(database: &Database, tx: &mut Tx, events: &[Event]) -> Result<(), StoreError> {
    const APPEND: Sql = Sql {
        postgres: "INSERT INTO outbox (event_id, kind, order_id, body) \
                   SELECT r.event_id, r.kind, r.order_id, r.body \
                   FROM json_to_recordset($1::json) AS r(event_id text, kind text, order_id text, body text) \
                   ON CONFLICT (event_id) DO NOTHING",
        sqlite: "INSERT INTO outbox (event_id, kind, order_id, body) \
                 SELECT value ->> 'event_id', value ->> 'kind', value ->> 'order_id', value ->> 'body' \
                 FROM json_each($1) WHERE true ON CONFLICT (event_id) DO NOTHING",
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
    Ok(())
}

/// The oldest unpublished events with their row ids.
pub async fn unpublished(database: &Database, limit: i64) -> Result<Vec<(i64, Event)>, StoreError> {
    let rows = sqlx::query("SELECT id, body FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1")
        .bind(limit)
        .fetch_all(database.reader())
        .await?;
    rows.into_iter()
        .map(|row| {
            let body: String = row.try_get(1)?;
            let event = Event::parse(body.as_bytes())
                .ok_or_else(|| StoreError::unexpected("database", "an outbox row that is no event"))?;
            Ok((row.try_get(0)?, event))
        })
        .collect()
}

/// Marks events as safe on the log.
pub async fn mark_published(database: &Database, ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
    const MARK: Sql = Sql {
        postgres: "UPDATE outbox SET published_at = $2 \
                   WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json))",
        sqlite: "UPDATE outbox SET published_at = $2 WHERE id IN (SELECT value FROM json_each($1))",
    };
    sqlx::query(database.sql(MARK))
        .bind(serde_json::json!(ids).to_string())
        .bind(now.as_millis())
        .execute(database.writer())
        .await?;
    Ok(())
}
