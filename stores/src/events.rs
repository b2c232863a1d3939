//! Port: the event log.
//!
//! Delivers at least once, in order per order id. Events carry ids and no state, so a repeated or early event changes
//! nothing. Adapters: Kafka, and the outbox table; `OPENRUN_EVENTS_URL` selects one ([`connect`]). Both pass the contract
//! tests of `stores/tests/events.rs`, which are integration tests because they run against real brokers.

mod kafka;
mod local;
mod message;
mod partition_queues;
mod reader;
mod retry_policy;
mod url;

use std::sync::Arc;

use async_trait::async_trait;
use sale::Event;
use tokio_util::sync::CancellationToken;

pub use self::{
    kafka::KafkaLog,
    local::LocalLog,
    retry_policy::RetryPolicy,
    url::{Cluster, EventsUrl, EventsUrlError},
};
pub use crate::database::{inbox::ConsumerGroup, outbox::OutboxRecord};
use crate::{StoreError, database::Database};

/// How far a handler got with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// The first `done` events are done; deliver the rest again after `after_ms`. An event that is the first of the rest
    /// too often goes to the dead letters.
    Again {
        done: usize,
        after_ms: u64,
    },
    /// The first `done` events are done; the one after them cannot be handled, however often it comes, and goes to the
    /// dead letters.
    GiveUp {
        done: usize,
        reason: &'static str,
    },
}

#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles an ordered batch. Events of one order are delivered one after another, batches of other orders
    /// concurrently.
    ///
    /// # Errors
    /// When a store fails; the whole batch is delivered again later, as often as it takes.
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError>;
}

#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends rows of the outbox to the log and returns when they are durable there.
    ///
    /// # Errors
    /// Some records may be appended; append all of them again.
    async fn append(&self, records: &[OutboxRecord]) -> Result<(), StoreError>;

    /// Reads the log for `group` until `stop`, batch by batch; retries while the log is unavailable. Unknown messages go
    /// to the group's dead letters, and so do events that were given up or deferred too often.
    async fn subscribe(
        &self,
        group: ConsumerGroup,
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), StoreError>;

    /// Whether the relay has to publish the outbox; not when the outbox itself is the log.
    fn needs_relay(&self) -> bool;
}

/// The log at `url`. An unreachable Kafka is no error here: its users retry.
///
/// # Errors
/// When librdkafka refuses the settings.
pub fn connect(url: &EventsUrl, database: &Database) -> Result<Arc<dyn EventLog>, StoreError> {
    let retry = RetryPolicy::default();
    Ok(match url {
        EventsUrl::Local => Arc::new(LocalLog::new(database.clone(), retry)),
        EventsUrl::Kafka(cluster) => Arc::new(KafkaLog::new(cluster.clone(), database.clone(), retry)?),
    })
}
