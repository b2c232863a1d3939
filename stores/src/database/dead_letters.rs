//! Dead letters: messages that a consumer group could not handle, with the reason.

use sale::Timestamp;

use super::{Database, inbox::ConsumerGroup, row::row};
use crate::StoreError;

row! {
    /// A message that a group has given up.
    #[derive(Clone, PartialEq, Eq)]
    pub struct DeadLetter {
        pub group: String,
        /// Its position on the log: `{topic}/{partition}/{offset}` or `outbox/{row}`.
        pub place: String,
        pub body: Vec<u8>,
        pub reason: String,
        pub at: Timestamp,
    }
}

/// Inserts a dead letter. Does nothing for a position that has one.
pub async fn insert(
    database: &Database,
    group: ConsumerGroup,
    place: &str,
    body: &[u8],
    reason: &str,
) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO dead_letters (consumer, place, body, reason, at) VALUES ($1, $2, $3, $4, $5) \
                        ON CONFLICT (consumer, place) DO NOTHING";
    sqlx::query(INSERT)
        .bind(group.as_str())
        .bind(place)
        .bind(body)
        .bind(reason)
        .bind(database.now().as_millis())
        .execute(database.writer())
        .await?;
    Ok(())
}

/// The newest dead letters, of all groups.
pub async fn list(database: &Database, limit: i64) -> Result<Vec<DeadLetter>, StoreError> {
    const LIST: &str =
        "SELECT consumer AS \"group\", place, body, reason, at FROM dead_letters ORDER BY id DESC LIMIT $1";
    Ok(sqlx::query_as(LIST).bind(limit).fetch_all(database.reader()).await?)
}
