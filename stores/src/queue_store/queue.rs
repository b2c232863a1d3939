//! The queue of a sale: the trait, and the requests and outcomes of each of its steps.
//!
//! Invariants: a buyer has one place; a number is given once; a call takes the lowest waiting numbers of that moment; a
//! ticket is admitted once. Every method is one atomic step over a slice of requests, and its outcomes are in the order
//! of the requests. Every method returns [`StoreError::Lost`] when the store does not hold the epoch and nonce of its key.

mod call;
mod enter;
mod join;
mod observation;
mod snapshot;
mod ticket_status;

use async_trait::async_trait;
use bytes::Bytes;
use sale::{BuyerId, SaleId, Term, Timestamp, sale::Place};

pub use self::{
    call::{CallBatch, CallOutcome, PublishOutcome},
    enter::{EnterOutcome, EnterRequest},
    join::{JoinOutcome, JoinRequest, TicketClaims},
    observation::{Observation, StockCount},
    snapshot::{Snapshot, SnapshotHold, SnapshotPass},
    ticket_status::TicketStatus,
};
use super::QueueKey;
use crate::StoreError;

#[async_trait]
pub trait Queue: Send + Sync {
    /// The key of the epoch that the store holds for a sale, with every part in place.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the store holds no epoch, only a part of one, or one that was written before the
    /// server last started.
    async fn current_key(&self, sale: &SaleId) -> Result<QueueKey, StoreError>;

    /// Finds each buyer's place or gives the next number, in the order of the requests. No number above
    /// `allocated_up_to` is given. A finished place (left, expired, consumed, or admitted with a pass that ran out
    /// unused) is replaced by a new number; so is a place of this epoch that the store does not hold.
    async fn join(
        &self,
        key: &QueueKey,
        requests: &[JoinRequest],
        allocated_up_to: u64,
        now: Timestamp,
    ) -> Result<Vec<JoinOutcome>, StoreError>;

    /// Returns the status of these tickets. Side effects: a late ticket is requeued at the front, once, and a ticket of
    /// an earlier epoch is requeued at its own number. A ticket that is no longer its buyer's place counts as left.
    async fn standing(
        &self,
        key: &QueueKey,
        requests: &[(BuyerId, TicketClaims)],
        now: Timestamp,
    ) -> Result<Vec<TicketStatus>, StoreError>;

    /// Calls the lowest waiting numbers. Within a term `seq` only rises: a repeated `seq` returns the stored outcome,
    /// an earlier one calls nobody.
    async fn call(&self, key: &QueueKey, batch: CallBatch, now: Timestamp) -> Result<CallOutcome, StoreError>;

    /// Ends call windows that have run out, about a thousand at a time (called becomes late, or expired the second
    /// time), and unused passes whose time is over; returns how many windows ended. Only this step, and not the time on
    /// a ticket or pass, decides who still counts: clocks differ and requests are slow, and a buyer who was counted out
    /// here is not admitted any more.
    async fn sweep(&self, key: &QueueKey, now: Timestamp) -> Result<u64, StoreError>;

    /// Admits called tickets.
    async fn enter(
        &self,
        key: &QueueKey,
        requests: &[EnterRequest],
        now: Timestamp,
    ) -> Result<Vec<EnterOutcome>, StoreError>;

    /// Gives places up and returns the status of each before. An unused pass ends with its place, a used one stays
    /// used. A number of an earlier epoch can be given up without being requeued first.
    async fn leave(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Result<Vec<TicketStatus>, StoreError>;

    /// Reads what the admission leader decides by, including the number of the `nth` waiting ticket (from 1). The result
    /// does not depend on the time.
    async fn observe(&self, key: &QueueKey, nth: u64) -> Result<Observation, StoreError>;

    /// Ends the grace period in which holders of earlier tickets return. A new epoch counts every number between the
    /// highest called and the highest allocated one as waiting, because a shown place must not rise when holders return;
    /// from this step on only the returned ones count. Later ones are requeued but not counted. Idempotent.
    async fn end_grace_period(&self, key: &QueueKey) -> Result<(), StoreError>;

    /// Stores the frame of the leader of `term`, for every process to fetch.
    async fn publish(&self, key: &QueueKey, term: Term, frame: Bytes) -> Result<PublishOutcome, StoreError>;

    /// The stored frame; `None` before the first.
    async fn frame(&self, key: &QueueKey) -> Result<Option<Bytes>, StoreError>;

    /// The numbers above `serving` that were given up in this epoch, in the order of their leaving, without the first
    /// `seen` of them. Every process reads them, because the frame alone would show a ticket that left as waiting.
    async fn departed(&self, key: &QueueKey, seen: u64) -> Result<Vec<u64>, StoreError>;

    /// Fills the new epoch of `key` and switches the store to it as the last step. Does nothing when the store already
    /// holds that epoch.
    ///
    /// # Errors
    /// [`StoreError::Lost`] when the store holds a later epoch, or the same one with another nonce.
    async fn rebuild(&self, key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError>;
}
