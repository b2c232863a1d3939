//! The line in this process's memory: the default, for one process.
//!
//! It forgets everything when the process ends, and says so: a fresh one holds no life of any sale and answers
//! [`StoreError::Lost`] until it is filled from the database, exactly as Redis does after a restart. One lock per sale
//! makes every method atomic.

mod place;
mod stock;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sale::{BuyerId, ItemId, SaleId, Term, Timestamp, sale::Place};

use super::life::Life;
use crate::{
    StoreError,
    queue_store::{
        Batch, Called, Carried, End, Enter, Entered, HoldsFrom, Join, Joined, Observation, Published, Queue, QueueKey,
        Seat, Snapshot, SomeHolds, StockGate, Take, Taken,
    },
};

/// Sales by id; each with the life it has, if any.
#[derive(Debug, Default)]
pub struct MemoryQueueStore {
    sales: Mutex<HashMap<SaleId, Arc<Mutex<Option<Life>>>>>,
}

impl MemoryQueueStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn sale(&self, sale: &SaleId) -> Arc<Mutex<Option<Life>>> {
        Arc::clone(self.sales.lock().entry(sale.clone()).or_default())
    }

    /// Runs one step in the life that the caller names.
    fn live<T>(&self, key: &QueueKey, step: impl FnOnce(&mut Life) -> T) -> Result<T, StoreError> {
        let Some(sale) = self.sales.lock().get(&key.sale).map(Arc::clone) else { return Err(StoreError::Lost) };
        let mut life = sale.lock();
        match life.as_mut() {
            Some(life) if (life.epoch, life.nonce) == (key.epoch, key.nonce) => Ok(step(life)),
            _ => Err(StoreError::Lost),
        }
    }
}

fn unknown_item(item: &ItemId) -> StoreError {
    StoreError::unexpected("queue store", format!("no item {item} in this sale"))
}

#[async_trait]
impl Queue for MemoryQueueStore {
    async fn life(&self, sale: &SaleId) -> Result<QueueKey, StoreError> {
        let found = self.sales.lock().get(sale).map(Arc::clone);
        let life = found.and_then(|found| found.lock().as_ref().map(|life| (life.epoch, life.nonce)));
        let (epoch, nonce) = life.ok_or(StoreError::Lost)?;
        Ok(QueueKey { sale: sale.clone(), epoch, nonce })
    }

    async fn join(
        &self,
        key: &QueueKey,
        asks: &[Join],
        ceiling: u64,
        now: Timestamp,
    ) -> Result<Vec<Joined>, StoreError> {
        self.live(key, |life| life.join(asks, ceiling, now))
    }

    async fn standing(
        &self,
        key: &QueueKey,
        asks: &[(BuyerId, Carried)],
        now: Timestamp,
    ) -> Result<Vec<Seat>, StoreError> {
        self.live(key, |life| life.standing(asks, now))
    }

    async fn call(&self, key: &QueueKey, batch: Batch, _now: Timestamp) -> Result<Called, StoreError> {
        self.live(key, |life| life.call(batch))
    }

    async fn sweep(&self, key: &QueueKey, now: Timestamp) -> Result<u64, StoreError> {
        self.live(key, |life| life.sweep(now))
    }

    async fn enter(&self, key: &QueueKey, asks: &[Enter], now: Timestamp) -> Result<Vec<Entered>, StoreError> {
        self.live(key, |life| life.enter(asks, now))
    }

    async fn leave(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Result<Vec<Seat>, StoreError> {
        self.live(key, |life| life.leave(places, now))
    }

    async fn observe(&self, key: &QueueKey, nth: u64) -> Result<Observation, StoreError> {
        self.live(key, |life| life.observe(nth))
    }

    async fn settle(&self, key: &QueueKey) -> Result<(), StoreError> {
        self.live(key, Life::settle)
    }

    async fn publish(&self, key: &QueueKey, term: Term, frame: Bytes) -> Result<Published, StoreError> {
        self.live(key, |life| life.publish(term, frame))
    }

    async fn frame(&self, key: &QueueKey) -> Result<Option<Bytes>, StoreError> {
        self.live(key, |life| life.frame.clone())
    }

    async fn departed(&self, key: &QueueKey, seen: u64) -> Result<Vec<u64>, StoreError> {
        let skip = usize::try_from(seen).unwrap_or(usize::MAX);
        self.live(key, |life| life.departed.iter().skip(skip).copied().collect())
    }

    async fn rebuild(&self, key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError> {
        let sale = self.sale(&key.sale);
        let mut life = sale.lock();
        match life.as_ref().map(|life| (life.epoch, life.nonce)) {
            Some(own) if own == (key.epoch, key.nonce) => {}
            Some((epoch, _)) if epoch >= key.epoch => return Err(StoreError::Lost),
            _ => *life = Some(Life::begin(key, snapshot, now)),
        }
        Ok(())
    }
}

#[async_trait]
impl StockGate for MemoryQueueStore {
    async fn take(&self, key: &QueueKey, asks: &[Take], now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        self.live(key, |life| life.take(asks, now))?
    }

    async fn retake(&self, key: &QueueKey, ask: &Take, now: Timestamp) -> Result<Taken, StoreError> {
        self.live(key, |life| life.retake(ask, now))?
    }

    async fn end(&self, key: &QueueKey, ends: &[End]) -> Result<(), StoreError> {
        self.live(key, |life| life.end(ends))
    }

    async fn restock(&self, key: &QueueKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError> {
        self.live(key, |life| life.restock(item, total, version))
    }

    async fn some_holds(&self, key: &QueueKey, from: &HoldsFrom) -> Result<SomeHolds, StoreError> {
        self.live(key, |life| life.some_holds(from))
    }

    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError> {
        self.sales.lock().remove(sale);
        Ok(())
    }
}
