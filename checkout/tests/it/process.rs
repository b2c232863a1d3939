//! A process of the shop: its own connections, workers and loops. One can be killed while the others go on.

use std::sync::Arc;

use checkout::{payments::PaymentWorker, reconcile::Reconciler, stock::StockWorker};
use sale::Event;
use stores::{
    StoreError,
    database::{Database, outbox},
    events::{Handler as _, OutboxRecord, Progress},
    payments::PaymentProvider,
    queue_store::SaleQueueStore,
};
use tokio_util::task::TaskTracker;

use crate::unreliable::killed_after;

pub(crate) struct Process {
    pub(crate) payments: PaymentWorker,
    pub(crate) stock: StockWorker,
    pub(crate) reconciler: Reconciler,
    database: Database,
    /// What its workers do in batches.
    batches: TaskTracker,
}

impl Process {
    pub(crate) fn new(database: Database, queue: Arc<dyn SaleQueueStore>, provider: Arc<dyn PaymentProvider>) -> Self {
        let batches = TaskTracker::new();
        Self {
            payments: PaymentWorker::new(database.clone(), provider, &batches),
            stock: StockWorker::new(database.clone(), queue.clone()),
            reconciler: Reconciler::new(database.clone(), queue),
            database,
            batches,
        }
    }

    /// Takes events out of the outbox, as the relay does.
    pub(crate) async fn new_events(&self) -> Vec<OutboxRecord> {
        let waiting = outbox::unpublished(&self.database, 100_000).await.unwrap();
        let (ids, records): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        outbox::remove(&self.database, &ids).await.unwrap();
        records
    }

    /// Hands events to both workers.
    pub(crate) async fn hand_over(&self, events: &[Event]) -> Result<(), StoreError> {
        self.payments.handle(events).await?;
        match self.stock.handle(events).await? {
            Progress::Done => Ok(()),
            Progress::Again { .. } | Progress::GiveUp { .. } => Err(StoreError::Lost),
        }
    }

    /// One round of every loop.
    pub(crate) async fn loops(&self) {
        self.payments.poll().await.unwrap();
        self.stock.run_once().await.unwrap();
        self.reconciler.run_once().await.unwrap();
    }

    /// Kills it after so many polls of `work`; says whether `work` had ended before.
    ///
    /// It returns when the database has heard the last of it: what was on its way is done or undone. In a story the
    /// hours go by faster than a slow disk writes, and who looks for what was left behind passes over locked rows.
    pub(crate) async fn killed_after(self, polls: usize, work: impl AsyncFnOnce(&Self)) -> bool {
        let has_ended = killed_after(polls, work(&self)).await.is_some();
        let Self { database, batches, payments, .. } = self;
        drop(payments);
        batches.close();
        batches.wait().await;
        for pool in [database.reader(), database.writer()] {
            while pool.num_idle() < pool.size() as usize {
                tokio::task::yield_now().await;
            }
            pool.close().await;
        }
        has_ended
    }
}
