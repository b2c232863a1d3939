//! The stock worker: lets units and orders follow what became of payments and deadlines, in the database first, then at
//! the gate.
//!
//! Events bring the news fast; the loop finds whatever an event did not bring. Every move is guarded by the state that it
//! leaves, so several workers, repeated events and events out of order change nothing.

mod aside;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt as _, future::BoxFuture};
use sale::{Event, EventKind, OrderId, SaleId, Timestamp, ids::EventId};
use stores::{
    StoreError,
    database::{
        Database, epochs,
        holds::{self, DeadlineOutcome, Due},
        settle::Cause,
    },
    events::{Handler, Progress},
    failpoint::{self, Point},
    periodic::Periodic,
    queue_store::{HoldEnd, SaleQueueStore},
};
use tokio_util::sync::CancellationToken;

use self::aside::Aside;
use crate::settle::{self, LateMoney, Settled};

/// How often deadlines are checked; an expired unit is somebody else's chance.
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// Orders moved in one transaction, or in one run of the loop.
const BATCH: i64 = 200;
/// How long a charge may take to be called back after the deadline before its order counts as unknown.
const VOID_GRACE_MS: i64 = 3_000;

/// How long an event whose order cannot move yet waits to be delivered again.
const RETRY_AFTER_MS: u64 = 500;

pub struct StockWorker {
    database: Database,
    queue: Arc<dyn SaleQueueStore>,
    aside: Aside,
}

impl StockWorker {
    pub fn new(database: Database, queue: Arc<dyn SaleQueueStore>) -> Self {
        Self { aside: Aside::new(database.clone()), database, queue }
    }

    /// Ends holds at their deadlines and synchronises the gates, until `stop`.
    pub fn run(&self, stop: CancellationToken) -> BoxFuture<'_, ()> {
        self.run_until(stop).boxed()
    }

    async fn run_until(&self, stop: CancellationToken) {
        let mut periodic = Periodic::every(CHECK_EVERY, "the stock worker", &stop);
        while periodic.is_due().await {
            periodic.record(self.run_once().await);
        }
    }

    /// Handles everything that is due, once. A step that fails does not keep the others from being done.
    pub async fn run_once(&self) -> Result<(), StoreError> {
        let results =
            [self.expire_overdue().await, self.void_overdue().await, self.sweep_stuck().await, self.sync_gates().await];
        results.into_iter().collect()
    }

    /// Ends the holds whose deadline has passed and that nobody is paying for.
    pub async fn expire_overdue(&self) -> Result<(), StoreError> {
        loop {
            let now = self.database.now();
            let lapsed = holds::lapsed(&self.database, due(now, &self.aside.orders(now))).await?;
            let expire = |orders| holds::expire(&self.database, orders, now);
            let expired = self.aside.isolate(&lapsed, |order| *order, expire).await?;
            let is_last = i64::try_from(lapsed.len()).is_ok_and(|found| found < BATCH);
            // No hold is expired when another worker has locked them all.
            if is_last || expired.iter().sum::<usize>() == 0 {
                return Ok(());
            }
        }
    }

    /// Voids the charges whose deadline has passed.
    pub async fn void_overdue(&self) -> Result<(), StoreError> {
        let (mut ended, now) = (Vec::new(), self.database.now());
        for order in holds::overdue_payments(&self.database, due(now, &self.aside.orders(now))).await? {
            let enforce = |_| holds::enforce_payment_deadline(&self.database, order, now, VOID_GRACE_MS);
            let outcome = self.aside.isolate(&[order], |order| *order, enforce).await?;
            if outcome.contains(&DeadlineOutcome::Settle) {
                ended.push(Cause { order, events: Vec::new() });
            }
        }
        self.settle(&ended).await.map(drop)
    }

    /// Settles the orders whose payment ended some time ago and whose event has not been delivered.
    pub async fn sweep_stuck(&self) -> Result<(), StoreError> {
        let now = self.database.now();
        let stuck = holds::unsettled(&self.database, due(now, &self.aside.orders(now))).await?;
        let unique: BTreeSet<_> = stuck.into_iter().collect();
        let causes: Vec<_> = unique.into_iter().map(|order| Cause { order, events: Vec::new() }).collect();
        self.settle(&causes).await.map(drop)
    }

    /// Settles the orders of these causes; returns those that have to be tried again. An order that fails does not stop the
    /// others.
    async fn settle(&self, causes: &[Cause]) -> Result<HashSet<OrderId>, StoreError> {
        let late = self.aside.isolate(causes, |cause| cause.order, |causes| self.settle_together(causes)).await?;
        let (mut waiting, mut result) = (HashSet::new(), Ok(()));
        for order in late.into_iter().flatten() {
            match self.aside.isolate(&[order], |order| *order, |_| self.reacquire(order)).await {
                Ok(is_settled) if is_settled.contains(&false) => _ = waiting.insert(order),
                Ok(_) => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        result.map(|()| waiting)
    }

    /// Settles the orders of these causes in one transaction; returns those whose money came late.
    async fn settle_together(&self, causes: &[Cause]) -> Result<Vec<OrderId>, StoreError> {
        let outcomes = settle::settle(&self.database, causes, self.database.now()).await?;
        let mut has_moved = false;
        let mut ends: BTreeMap<SaleId, Vec<HoldEnd>> = BTreeMap::new();
        let mut late = Vec::new();
        for (cause, settled) in causes.iter().zip(outcomes) {
            match settled {
                Settled::Nothing => {}
                Settled::Moved(end) => {
                    has_moved = true;
                    if let Some((sale, end)) = end {
                        ends.entry(sale).or_default().push(end);
                    }
                }
                Settled::Late => late.push(cause.order),
            }
        }
        if has_moved {
            failpoint::reached(Point::StockCommitted);
            for (sale, ends) in ends {
                self.sync_gate(sale, &ends).await;
            }
        }
        Ok(late)
    }

    /// Money came after the units had gone back: the buyer gets units again if there are any, or the money.
    async fn reacquire(&self, order: OrderId) -> Result<bool, StoreError> {
        match settle::reacquire(&self.database, self.queue.as_ref(), order, self.database.now()).await {
            Ok(LateMoney::EpochMoved) | Err(StoreError::Lost) => Ok(false),
            Ok(LateMoney::Sold) => {
                self.sync_gates_of(&[order]).await;
                Ok(true)
            }
            Ok(LateMoney::OwedBack | LateMoney::Nothing) => Ok(true),
            Err(trouble) => Err(trouble),
        }
    }

    /// Applies the ends of these orders' holds at their gates. An error is left to the loop.
    async fn sync_gates_of(&self, orders: &[OrderId]) {
        match holds::pending_sync_of(&self.database, orders).await {
            Ok(pending) => {
                for (sale, ends) in pending {
                    self.sync_gate(sale, &ends).await;
                }
            }
            Err(trouble) => tracing::debug!(orders = orders.len(), "the gates are synchronised later: {trouble}"),
        }
    }

    /// Applies at every gate the ends of holds that it does not know yet.
    pub async fn sync_gates(&self) -> Result<(), StoreError> {
        let mut result = Ok(());
        for sale in holds::sales_to_sync(&self.database).await? {
            match holds::pending_sync(&self.database, &sale, BATCH).await {
                Ok(ends) => {
                    failpoint::reached(Point::HoldReleased);
                    self.sync_gate(sale, &ends).await;
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }

    /// Applies ends of holds at one gate. An error is left to the loop, and does not keep the other gates waiting.
    async fn sync_gate(&self, sale: SaleId, ends: &[HoldEnd]) {
        let synced = async {
            let Some(key) = epochs::queue_key(&self.database, &sale).await? else { return Ok(()) };
            self.queue.end_holds(&key, ends).await?;
            holds::mark_synced(&self.database, &key, ends).await
        };
        if let Err(trouble) = synced.await {
            tracing::debug!(%sale, "the gate is synchronised later: {trouble}");
        }
    }
}

const fn due(now: Timestamp, except: &[OrderId]) -> Due<'_> {
    Due { now, limit: BATCH, except }
}

#[async_trait]
impl Handler for StockWorker {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        let mut settle: BTreeMap<OrderId, Vec<EventId>> = BTreeMap::new();
        let mut ended: BTreeSet<OrderId> = BTreeSet::new();
        for event in batch {
            match event.kind {
                EventKind::PaymentSettled => settle.entry(event.order).or_default().push(event.id),
                EventKind::HoldEnded => _ = ended.insert(event.order),
                EventKind::OrderPlaced
                | EventKind::OrderPaid
                | EventKind::OrderFailed
                | EventKind::PaymentRequested
                | EventKind::RefundRequested => {}
            }
        }
        let causes: Vec<_> = settle.into_iter().map(|(order, events)| Cause { order, events }).collect();
        let waiting = self.settle(&causes).await?;
        self.sync_gates_of(&ended.into_iter().collect::<Vec<_>>()).await;
        failpoint::reached(Point::EffectDone);
        let first = batch.iter().position(|event| waiting.contains(&event.order));
        Ok(first.map_or(Progress::Done, |done| Progress::Again { done, after_ms: RETRY_AFTER_MS }))
    }
}
