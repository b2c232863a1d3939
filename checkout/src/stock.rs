//! The stock worker: lets units and orders follow what became of payments and deadlines, in the database first, then at
//! the gate.
//!
//! Events bring the news fast; the loop finds whatever an event did not bring. Every move is guarded by the state that it
//! leaves, so several workers, repeated events and events out of order change nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sale::{Event, EventKind, OrderId, SaleId, ids::EventId};
use stores::{
    StoreError,
    database::{
        Database, epochs,
        holds::{self, DeadlineOutcome},
        settle::Cause,
    },
    events::{Handler, Progress},
    failpoint::{self, Point},
    periodic::Periodic,
    queue_store::{HoldEnd, SaleQueueStore},
};
use tokio_util::sync::CancellationToken;

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
}

impl StockWorker {
    pub fn new(database: Database, queue: Arc<dyn SaleQueueStore>) -> Self {
        Self { database, queue }
    }

    /// Ends holds at their deadlines and synchronises the gates, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut periodic = Periodic::every(CHECK_EVERY, "the stock worker", &stop);
        while periodic.is_due().await {
            periodic.record(self.run_once().await);
        }
    }

    /// Handles everything that is due, once.
    pub async fn run_once(&self) -> Result<(), StoreError> {
        self.expire_overdue().await?;
        self.void_overdue().await?;
        self.sweep_stuck().await?;
        self.sync_gates().await
    }

    /// Ends the holds whose deadline has passed and that nobody is paying for.
    pub async fn expire_overdue(&self) -> Result<(), StoreError> {
        while holds::expire(&self.database, self.database.now(), BATCH).await? == usize::try_from(BATCH).unwrap_or(0) {}
        Ok(())
    }

    /// Voids the charges whose deadline has passed.
    pub async fn void_overdue(&self) -> Result<(), StoreError> {
        let mut ended = Vec::new();
        for order in holds::overdue_payments(&self.database, self.database.now(), BATCH).await? {
            let outcome =
                holds::enforce_payment_deadline(&self.database, order, self.database.now(), VOID_GRACE_MS).await?;
            if outcome == DeadlineOutcome::Settle {
                ended.push(Cause { order, events: Vec::new() });
            }
        }
        self.settle(&ended).await.map(|_| ())
    }

    /// Settles the orders whose payment ended some time ago and whose event has not been delivered.
    pub async fn sweep_stuck(&self) -> Result<(), StoreError> {
        let stuck = holds::unsettled(&self.database, self.database.now(), BATCH).await?;
        let unique: BTreeSet<_> = stuck.into_iter().collect();
        let causes: Vec<_> = unique.into_iter().map(|order| Cause { order, events: Vec::new() }).collect();
        self.settle(&causes).await.map(|_| ())
    }

    /// Settles the orders of these causes; returns those that have to be tried again.
    async fn settle(&self, causes: &[Cause]) -> Result<HashSet<OrderId>, StoreError> {
        if causes.is_empty() {
            return Ok(HashSet::new());
        }
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
        let mut waiting = HashSet::new();
        for order in late {
            if !self.reacquire(order).await? {
                waiting.insert(order);
            }
        }
        Ok(waiting)
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
        for sale in holds::sales_to_sync(&self.database).await? {
            let ends = holds::pending_sync(&self.database, &sale, BATCH).await?;
            failpoint::reached(Point::HoldReleased);
            self.sync_gate(sale, &ends).await;
        }
        Ok(())
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
