//! The inbox: which events a group has carried out, written in the transaction of their effect.

use sale::{Timestamp, ids::EventId};

use super::{Database, Tx};
use crate::{StoreError, events::Group};

/// Whether this transaction is the first to carry the event out for its group.
pub async fn first_time(tx: &mut Tx, group: Group, event: EventId, now: Timestamp) -> Result<bool, StoreError> {
    let written = sqlx::query("INSERT INTO inbox (consumer, event_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(group.as_str())
        .bind(event.to_string())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(written.rows_affected() == 1)
}

/// Whether the group has carried the event out, for effects that no transaction can hold.
pub async fn contains(database: &Database, group: Group, event: EventId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM inbox WHERE consumer = $1 AND event_id = $2")
        .bind(group.as_str())
        .bind(event.to_string())
        .fetch_optional(database.reader())
        .await?;
    Ok(row.is_some())
}

/// Writes down that the group has carried the event out.
pub async fn add(database: &Database, group: Group, event: EventId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO inbox (consumer, event_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(group.as_str())
        .bind(event.to_string())
        .bind(now.as_millis())
        .execute(database.writer())
        .await?;
    Ok(())
}
