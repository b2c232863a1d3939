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
use sale::{BuyerId, Epoch, ItemId, SaleId, Term, Timestamp, sale::Place};

use super::life::Life;
use crate::{
    StoreError,
    gate::{End, HoldsFrom, SomeHolds, StockGate, Take, Taken},
    queue::{
        Batch, Called, Carried, Enter, Entered, Join, Joined, LineKey, Observation, Published, Queue, Seat, Snapshot,
    },
};

/// Sales by id; each with the life it has, if any.
#[derive(Debug, Default)]
pub struct MemoryLine {
    sales: Mutex<HashMap<SaleId, Arc<Mutex<Option<Life>>>>>,
}

impl MemoryLine {
    pub fn new() -> Self {
        Self::default()
    }

    fn sale(&self, sale: &SaleId) -> Arc<Mutex<Option<Life>>> {
        Arc::clone(self.sales.lock().entry(sale.clone()).or_default())
    }

    /// Runs one step in the life that the caller names.
    fn live<T>(&self, line: &LineKey, step: impl FnOnce(&mut Life) -> T) -> Result<T, StoreError> {
        let Some(sale) = self.sales.lock().get(&line.sale).map(Arc::clone) else { return Err(StoreError::Lost) };
        let mut life = sale.lock();
        match life.as_mut() {
            Some(life) if life.epoch == line.epoch => Ok(step(life)),
            _ => Err(StoreError::Lost),
        }
    }
}

fn unknown_item(item: &ItemId) -> StoreError {
    StoreError::unexpected("queue store", format!("no item {item} in this sale"))
}

#[async_trait]
impl Queue for MemoryLine {
    async fn life(&self, sale: &SaleId) -> Result<Epoch, StoreError> {
        let found = self.sales.lock().get(sale).map(Arc::clone);
        found.and_then(|sale| sale.lock().as_ref().map(|life| life.epoch)).ok_or(StoreError::Lost)
    }

    async fn join(
        &self,
        line: &LineKey,
        asks: &[Join],
        ceiling: u64,
        now: Timestamp,
    ) -> Result<Vec<Joined>, StoreError> {
        self.live(line, |life| life.join(asks, ceiling, now))
    }

    async fn standing(
        &self,
        line: &LineKey,
        asks: &[(BuyerId, Carried)],
        now: Timestamp,
    ) -> Result<Vec<Seat>, StoreError> {
        self.live(line, |life| life.standing(asks, now))
    }

    async fn call(&self, line: &LineKey, batch: Batch, _now: Timestamp) -> Result<Called, StoreError> {
        self.live(line, |life| life.call(batch))
    }

    async fn sweep(&self, line: &LineKey, now: Timestamp) -> Result<u64, StoreError> {
        self.live(line, |life| life.sweep(now))
    }

    async fn enter(&self, line: &LineKey, asks: &[Enter], now: Timestamp) -> Result<Vec<Entered>, StoreError> {
        self.live(line, |life| life.enter(asks, now))
    }

    async fn leave(&self, line: &LineKey, places: &[Place], now: Timestamp) -> Result<Vec<Seat>, StoreError> {
        self.live(line, |life| life.leave(places, now))
    }

    async fn observe(&self, line: &LineKey, nth: u64) -> Result<Observation, StoreError> {
        self.live(line, |life| life.observe(nth))
    }

    async fn settle(&self, line: &LineKey) -> Result<(), StoreError> {
        self.live(line, Life::settle)
    }

    async fn publish(&self, line: &LineKey, term: Term, frame: Bytes) -> Result<Published, StoreError> {
        self.live(line, |life| life.publish(term, frame))
    }

    async fn frame(&self, line: &LineKey) -> Result<Option<Bytes>, StoreError> {
        self.live(line, |life| life.frame.clone())
    }

    async fn departed(&self, line: &LineKey, seen: u64) -> Result<Vec<u64>, StoreError> {
        let skip = usize::try_from(seen).unwrap_or(usize::MAX);
        self.live(line, |life| life.departed.iter().skip(skip).copied().collect())
    }

    async fn rebuild(&self, line: &LineKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError> {
        let sale = self.sale(&line.sale);
        let mut life = sale.lock();
        match life.as_ref().map(|life| life.epoch) {
            Some(epoch) if epoch == line.epoch => {}
            Some(epoch) if epoch > line.epoch => return Err(StoreError::Lost),
            _ => *life = Some(Life::begin(line.epoch, snapshot, now)),
        }
        Ok(())
    }
}

#[async_trait]
impl StockGate for MemoryLine {
    async fn take(&self, line: &LineKey, asks: &[Take], now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        self.live(line, |life| life.take(asks, now))?
    }

    async fn retake(&self, line: &LineKey, ask: &Take, now: Timestamp) -> Result<Taken, StoreError> {
        self.live(line, |life| life.retake(ask, now))?
    }

    async fn end(&self, line: &LineKey, ends: &[End]) -> Result<(), StoreError> {
        self.live(line, |life| life.end(ends))
    }

    async fn restock(&self, line: &LineKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError> {
        self.live(line, |life| life.restock(item, total, version))
    }

    async fn some_holds(&self, line: &LineKey, from: &HoldsFrom) -> Result<SomeHolds, StoreError> {
        self.live(line, |life| life.some_holds(from))
    }

    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError> {
        self.sales.lock().remove(sale);
        Ok(())
    }
}
