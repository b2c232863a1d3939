//! Dead letters: what a group could not handle, kept with the reason until a person has looked at it.

use sale::Timestamp;

use super::{Database, inbox::ConsumerGroup, row::row};
use crate::StoreError;

row! {
    /// A message that a group gave up.
    #[derive(Clone, PartialEq, Eq)]
    pub struct DeadLetter {
        pub group: String,
        /// Where on the log it lies: `{topic}/{partition}/{offset}` or `outbox/{row}`.
        pub place: String,
        pub body: Vec<u8>,
        pub reason: String,
        pub at: Timestamp,
    }
}

/// Buries a message. One that is buried already stays as it is.
pub async fn insert(
    database: &Database,
    group: ConsumerGroup,
    place: &str,
    body: &[u8],
    reason: &str,
) -> Result<(), StoreError> {
    const BURY: &str = "INSERT INTO dead_letters (consumer, place, body, reason, at) VALUES ($1, $2, $3, $4, $5) \
                        ON CONFLICT (consumer, place) DO NOTHING";
    sqlx::query(BURY)
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
