//! Port: the event log.
//!
//! At least once, in order per order id. Events carry ids and no state, so a repeated or early one changes nothing.

use std::sync::Arc;

use async_trait::async_trait;
use sale::Event;
use tokio_util::sync::CancellationToken;

use crate::StoreError;

/// Who reads the log; each group sees every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    Payments,
    Stock,
    Mail,
}

impl Group {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Stock => "stock",
            Self::Mail => "mail",
        }
    }
}

/// How far a handler got with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// The first `done` events are; give the rest again after a while.
    Again {
        done: usize,
        after_ms: u64,
    },
}

#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles an ordered batch. An `Err` gives the whole batch again after a while.
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError>;
}

#[async_trait]
pub trait EventLog: Send + Sync {
    /// Puts events on the log and returns when they are safe there. The relay calls it with rows of the outbox.
    async fn append(&self, events: &[Event]) -> Result<(), StoreError>;

    /// Reads the log for `group` until `stop`, batch after batch. What is no event of ours goes to the group's dead
    /// letters; so does an event whose handling failed too often.
    async fn subscribe(
        &self,
        group: Group,
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), StoreError>;

    /// Whether the outbox has to be relayed; not when the outbox itself is the log.
    fn needs_relay(&self) -> bool;
}
