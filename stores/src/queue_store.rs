//! Port: one store for a sale's queue and its stock gate.
//!
//! [`Queue`] and [`StockGate`] share a store because a pass is consumed together with the units. Adapters: Redis, and
//! this process's memory; `OPENRUN_QUEUE_URL` selects one ([`connect`]). Both pass the contract tests of
//! `stores/tests/contract.rs` and the model test `stores/tests/model.rs`, which are integration tests because they run
//! against real servers.

mod epoch_state;
mod memory;
mod queue;
mod redis;
mod stock_gate;
mod url;

use sale::{Epoch, EpochNonce, SaleId};

pub use self::{
    memory::MemoryQueueStore,
    queue::{
        CallBatch, CallOutcome, EnterOutcome, EnterRequest, JoinOutcome, JoinRequest, Observation, PublishOutcome,
        Queue, Snapshot, SnapshotHold, SnapshotPass, StockCount, TicketClaims, TicketStatus,
    },
    redis::RedisQueueStore,
    stock_gate::{GateHold, HoldEnd, HoldEnding, HoldsCursor, HoldsPage, Reservation, ReservationOutcome, StockGate},
    url::{QueueUrlError, connect},
};

/// Both ports of one store.
pub trait SaleQueueStore: Queue + StockGate {}

impl<T: Queue + StockGate> SaleQueueStore for T {}

/// Names the queue of one sale in one epoch of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueueKey {
    pub sale: SaleId,
    pub epoch: Epoch,
    pub nonce: EpochNonce,
}

/// Joins within this many milliseconds share one recorded time of joining, so that a queue of a million does not store
/// a million of them.
const JOIN_TIME_RESOLUTION_MS: i64 = 100;

/// Call windows that one sweep ends at most, so that one step does not block the store for long.
const MAX_SWEPT: usize = 1_000;

/// Holds that one step reads, approximately, so that neither the store nor the database that looks them up is blocked
/// for long.
const HOLDS_PER_PAGE: usize = 500;
