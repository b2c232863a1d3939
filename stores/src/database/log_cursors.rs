//! Cursors: how far each consumer group has read the embedded log.

use super::Database;
use super::inbox::ConsumerGroup;
use crate::StoreError;

/// The last outbox row that `group` has handled. A new group begins with the oldest unpublished row, so an installation that
/// switches from another log to this one handles nothing twice.
pub async fn open(database: &Database, group: ConsumerGroup) -> Result<i64, StoreError> {
    const OPEN: &str = "INSERT INTO log_cursors (consumer, outbox_id) \
                        SELECT $1, coalesce((SELECT min(id) - 1 FROM outbox WHERE published_at IS NULL), \
                                            (SELECT max(id) FROM outbox), 0) \
                        WHERE true ON CONFLICT (consumer) DO NOTHING";
    sqlx::query(OPEN).bind(group.as_str()).execute(database.writer()).await?;
    let cursor = sqlx::query_scalar("SELECT outbox_id FROM log_cursors WHERE consumer = $1").bind(group.as_str());
    Ok(cursor.fetch_one(database.writer()).await?)
}

/// Records that `group` has handled everything up to the row `to`. A cursor never moves back.
pub async fn advance(database: &Database, group: ConsumerGroup, to: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE log_cursors SET outbox_id = $2 WHERE consumer = $1 AND outbox_id < $2")
        .bind(group.as_str())
        .bind(to)
        .execute(database.writer())
        .await?;
    Ok(())
}
