//! The inbox: which events a consumer group has handled, written in the transaction of their effect.

use std::collections::HashSet;

use sale::{Timestamp, ids::EventId};

use super::{Database, Tx, parameters, row::column, sql::Sql};
use crate::StoreError;

/// A consumer group of the event log; each group reads every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsumerGroup {
    Payments,
    Stock,
    Mail,
}

impl ConsumerGroup {
    pub const ALL: &'static [Self] = &[Self::Payments, Self::Stock, Self::Mail];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Stock => "stock",
            Self::Mail => "mail",
        }
    }
}

/// Which of these events the group has handled before.
pub async fn seen(
    database: &Database,
    tx: &mut Tx,
    group: ConsumerGroup,
    events: &[EventId],
) -> Result<HashSet<EventId>, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT e.event_id FROM json_array_elements_text($2::json) AS e(event_id) \
                   WHERE (SELECT true FROM inbox i WHERE i.consumer = $1 AND i.event_id = e.event_id)",
        sqlite: "SELECT value AS event_id FROM json_each($2) \
                 WHERE (SELECT true FROM inbox i WHERE i.consumer = $1 AND i.event_id = value)",
    };
    let rows = sqlx::query(database.sql(READ))
        .bind(group.as_str())
        .bind(parameters::list(events))
        .fetch_all(&mut **tx)
        .await?;
    Ok(column(&rows, "event_id")?)
}

/// Records, in the transaction of their effect, that the group has handled these events.
pub async fn add_all(
    database: &Database,
    tx: &mut Tx,
    group: ConsumerGroup,
    events: &[EventId],
    now: Timestamp,
) -> Result<(), StoreError> {
    const ADD: Sql = Sql {
        postgres: "INSERT INTO inbox (consumer, event_id, at) SELECT $1, value, $3 \
                   FROM json_array_elements_text($2::json) AS e(value) ORDER BY value ON CONFLICT DO NOTHING",
        sqlite: "INSERT INTO inbox (consumer, event_id, at) SELECT $1, value, $3 FROM json_each($2) WHERE true \
                 ON CONFLICT DO NOTHING",
    };
    sqlx::query(database.sql(ADD))
        .bind(group.as_str())
        .bind(parameters::list(events))
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether the group has handled the event, for effects outside the database.
pub async fn contains(database: &Database, group: ConsumerGroup, event: EventId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM inbox WHERE consumer = $1 AND event_id = $2")
        .bind(group.as_str())
        .bind(event.to_string())
        .fetch_optional(database.reader())
        .await?;
    Ok(row.is_some())
}

/// Records that the group has handled the event.
pub async fn add(database: &Database, group: ConsumerGroup, event: EventId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO inbox (consumer, event_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(group.as_str())
        .bind(event.to_string())
        .bind(now.as_millis())
        .execute(database.writer())
        .await?;
    Ok(())
}
