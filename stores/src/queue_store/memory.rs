//! The queue store in this process's memory: the default, for one process.
//!
//! It is empty when the process starts and returns [`StoreError::Lost`] for every sale until it is filled from the
//! database, exactly as Redis does after a restart. One lock per sale makes every method atomic.

mod stock;
mod tickets;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sale::{BuyerId, ItemId, SaleId, Term, Timestamp, sale::Place};

use super::epoch_state::EpochState;
use crate::{
    StoreError,
    queue_store::{
        CallBatch, CallOutcome, EnterOutcome, EnterRequest, HoldEnd, HoldsCursor, HoldsPage, JoinOutcome, JoinRequest,
        Observation, PublishOutcome, Queue, QueueKey, Reservation, ReservationOutcome, Snapshot, StockGate,
        TicketClaims, TicketStatus,
    },
};

/// Sales by id, each with the state of its epoch, if it has one.
#[derive(Debug, Default)]
pub struct MemoryQueueStore {
    sales: Mutex<HashMap<SaleId, Arc<Mutex<Option<EpochState>>>>>,
}

impl MemoryQueueStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn sale(&self, sale: &SaleId) -> Arc<Mutex<Option<EpochState>>> {
        Arc::clone(self.sales.lock().entry(sale.clone()).or_default())
    }

    /// Runs one step in the epoch of `key`.
    fn in_epoch<T>(&self, key: &QueueKey, step: impl FnOnce(&mut EpochState) -> T) -> Result<T, StoreError> {
        let Some(sale) = self.sales.lock().get(&key.sale).map(Arc::clone) else { return Err(StoreError::Lost) };
        let mut state = sale.lock();
        match state.as_mut() {
            Some(state) if (state.epoch, state.nonce) == (key.epoch, key.nonce) => Ok(step(state)),
            _ => Err(StoreError::Lost),
        }
    }
}

fn unknown_item(item: &ItemId) -> StoreError {
    StoreError::unexpected("queue store", format!("no item {item} in this sale"))
}

#[async_trait]
impl Queue for MemoryQueueStore {
    async fn current_key(&self, sale: &SaleId) -> Result<QueueKey, StoreError> {
        let found = self.sales.lock().get(sale).map(Arc::clone);
        let current = found.and_then(|found| found.lock().as_ref().map(|state| (state.epoch, state.nonce)));
        let (epoch, nonce) = current.ok_or(StoreError::Lost)?;
        Ok(QueueKey { sale: sale.clone(), epoch, nonce })
    }

    async fn join(
        &self,
        key: &QueueKey,
        requests: &[JoinRequest],
        allocated_up_to: u64,
        now: Timestamp,
    ) -> Result<Vec<JoinOutcome>, StoreError> {
        self.in_epoch(key, |state| state.join(requests, allocated_up_to, now))
    }

    async fn standing(
        &self,
        key: &QueueKey,
        requests: &[(BuyerId, TicketClaims)],
        now: Timestamp,
    ) -> Result<Vec<TicketStatus>, StoreError> {
        self.in_epoch(key, |state| state.standing(requests, now))
    }

    async fn call(&self, key: &QueueKey, batch: CallBatch, _now: Timestamp) -> Result<CallOutcome, StoreError> {
        self.in_epoch(key, |state| state.call(batch))
    }

    async fn sweep(&self, key: &QueueKey, now: Timestamp) -> Result<u64, StoreError> {
        self.in_epoch(key, |state| state.sweep(now))
    }

    async fn enter(
        &self,
        key: &QueueKey,
        requests: &[EnterRequest],
        now: Timestamp,
    ) -> Result<Vec<EnterOutcome>, StoreError> {
        self.in_epoch(key, |state| state.enter(requests, now))
    }

    async fn leave(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Result<Vec<TicketStatus>, StoreError> {
        self.in_epoch(key, |state| state.leave(places, now))
    }

    async fn observe(&self, key: &QueueKey, nth: u64) -> Result<Observation, StoreError> {
        self.in_epoch(key, |state| state.observe(nth))
    }

    async fn end_grace_period(&self, key: &QueueKey) -> Result<(), StoreError> {
        self.in_epoch(key, EpochState::end_grace_period)
    }

    async fn publish(&self, key: &QueueKey, term: Term, frame: Bytes) -> Result<PublishOutcome, StoreError> {
        self.in_epoch(key, |state| state.publish(term, frame))
    }

    async fn frame(&self, key: &QueueKey) -> Result<Option<Bytes>, StoreError> {
        self.in_epoch(key, |state| state.frame.clone())
    }

    async fn departed(&self, key: &QueueKey, seen: u64) -> Result<Vec<u64>, StoreError> {
        let skip = usize::try_from(seen).unwrap_or(usize::MAX);
        self.in_epoch(key, |state| state.departed.iter().skip(skip).copied().collect())
    }

    async fn rebuild(&self, key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError> {
        let sale = self.sale(&key.sale);
        let mut state = sale.lock();
        match state.as_ref().map(|state| (state.epoch, state.nonce)) {
            Some(current) if current == (key.epoch, key.nonce) => {}
            Some((epoch, _)) if epoch >= key.epoch => return Err(StoreError::Lost),
            _ => *state = Some(EpochState::begin(key, snapshot, now)),
        }
        Ok(())
    }
}

#[async_trait]
impl StockGate for MemoryQueueStore {
    async fn reserve(
        &self,
        key: &QueueKey,
        requests: &[Reservation],
        now: Timestamp,
    ) -> Result<Vec<ReservationOutcome>, StoreError> {
        self.in_epoch(key, |state| state.reserve(requests, now))?
    }

    async fn reacquire(
        &self,
        key: &QueueKey,
        request: &Reservation,
        now: Timestamp,
    ) -> Result<ReservationOutcome, StoreError> {
        self.in_epoch(key, |state| state.reacquire(request, now))?
    }

    async fn end_holds(&self, key: &QueueKey, ends: &[HoldEnd]) -> Result<(), StoreError> {
        self.in_epoch(key, |state| state.end_holds(ends))
    }

    async fn restock(&self, key: &QueueKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError> {
        self.in_epoch(key, |state| state.restock(item, total, version))
    }

    async fn holds_page(&self, key: &QueueKey, from: &HoldsCursor) -> Result<HoldsPage, StoreError> {
        self.in_epoch(key, |state| state.holds_page(from))
    }

    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError> {
        self.sales.lock().remove(sale);
        Ok(())
    }
}
