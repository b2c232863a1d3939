//! The sale queues of this process: opened on first use, refreshed many times a second.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};
use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use parking_lot::Mutex;
use sale::{SaleId, clock::monotonic};
use stores::{
    StoreError,
    database::{Database, sales},
    periodic::Periodic,
    queue_store::SaleQueueStore,
};
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use web::{ApiError, ErrorCode};

use crate::sale_queue::SaleQueue;

/// How often frames are fetched while none changes: twenty thousand pages show a change within a quarter of a second.
const QUIET_INTERVAL: Duration = Duration::from_millis(50);
/// How often while frames change all the time, because each of them is sent to every open stream.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);
/// How often the rows of sales are read again.
const RELOAD_INTERVAL: Duration = Duration::from_millis(500);
/// How long an unknown id is answered without a look into the database.
const NOT_FOUND_FOR: Duration = Duration::from_millis(500);
/// Unknown ids that are remembered; more are looked up each time.
const MAX_NOT_FOUND: usize = 10_000;

/// The registry of sale queues.
pub struct SaleQueues {
    database: Database,
    queue_store: Arc<dyn SaleQueueStore>,
    tracker: TaskTracker,
    /// Opens queues: their background tasks must not wait behind the requests of a connection's thread.
    runtime: Handle,
    /// Replaced as a whole when a queue is opened: every request reads it, and few sales are opened.
    by_id: ArcSwap<HashMap<SaleId, Arc<SaleQueue>>>,
    /// When each unknown id was last looked up.
    not_found: Mutex<HashMap<SaleId, Instant>>,
}

impl SaleQueues {
    /// An empty registry. Background tasks run on the runtime that this is called on, and on `tracker`.
    pub fn new(database: Database, queue_store: Arc<dyn SaleQueueStore>, tracker: TaskTracker) -> Self {
        let runtime = Handle::current();
        Self { database, queue_store, tracker, runtime, by_id: ArcSwap::default(), not_found: Mutex::default() }
    }

    pub fn queue_store(&self) -> &Arc<dyn SaleQueueStore> {
        &self.queue_store
    }

    /// The queues that this process has opened.
    pub fn opened(&self) -> Guard<Arc<HashMap<SaleId, Arc<SaleQueue>>>> {
        self.by_id.load()
    }

    /// The queue of a sale, opened on first use.
    ///
    /// # Errors
    /// 404 when there is no such sale, 503 when a store is unavailable.
    pub async fn open(&self, id: &SaleId) -> Result<Arc<SaleQueue>, ApiError> {
        if let Some(queue) = self.opened().get(id) {
            return Ok(Arc::clone(queue));
        }
        let now = monotonic();
        if self.not_found.lock().get(id).is_some_and(|looked_up| now.duration_since(*looked_up) < NOT_FOUND_FOR) {
            return Err(ErrorCode::SaleNotFound.into());
        }
        let opening = open(self.database.clone(), Arc::clone(&self.queue_store), id.clone(), self.tracker.clone());
        let opened = self.runtime.spawn(opening).await.map_err(|_| ErrorCode::StoreUnavailable)?;
        let Some(queue) = opened? else {
            let mut not_found = self.not_found.lock();
            not_found.retain(|_, looked_up| now.duration_since(*looked_up) < NOT_FOUND_FOR);
            if not_found.len() < MAX_NOT_FOUND {
                not_found.insert(id.clone(), now);
            }
            return Err(ErrorCode::SaleNotFound.into());
        };
        self.by_id.rcu(|queues| {
            let mut queues = HashMap::clone(queues);
            queues.entry(id.clone()).or_insert_with(|| Arc::clone(&queue));
            queues
        });
        // Another request may have opened it first.
        Ok(self.opened().get(id).map_or(queue, Arc::clone))
    }

    /// Shows new frames in every opened queue until `stop`.
    pub fn keep_fresh(&self, stop: CancellationToken) -> BoxFuture<'_, ()> {
        self.refresh_until(stop).boxed()
    }

    async fn refresh_until(&self, stop: CancellationToken) {
        let mut periodic = Periodic::every(QUIET_INTERVAL, "the refresh of the sale queues", &stop);
        while periodic.is_due().await {
            let queues: Vec<_> = self.opened().values().cloned().collect();
            let refreshed = join_all(queues.iter().map(|queue| queue.cache.refresh())).await;
            let busy = refreshed.iter().any(|queue| matches!(queue, Ok(true)));
            if busy {
                periodic.pause_for(BUSY_INTERVAL);
            }
            periodic.record(refreshed.into_iter().try_for_each(|queue| queue.map(|_| ())));
        }
    }

    /// Reads the rows of every opened queue's sale again until `stop`. Apart from the frames, which a slow database must not
    /// keep waiting: buyers who are called already would be told that they wait.
    pub fn keep_reloaded(&self, stop: CancellationToken) -> BoxFuture<'_, ()> {
        self.reload_until(stop).boxed()
    }

    async fn reload_until(&self, stop: CancellationToken) {
        let mut periodic = Periodic::every(RELOAD_INTERVAL, "the reload of the sales", &stop);
        while periodic.is_due().await {
            let queues: Vec<_> = self.opened().values().cloned().collect();
            let reloaded = join_all(queues.iter().map(|queue| queue.cache.reload())).await;
            periodic.record(reloaded.into_iter().collect::<Result<(), _>>());
        }
    }
}

/// The queue of a sale with its first frame; `None` when there is no such sale.
async fn open(
    database: Database,
    queue_store: Arc<dyn SaleQueueStore>,
    id: SaleId,
    tracker: TaskTracker,
) -> Result<Option<Arc<SaleQueue>>, StoreError> {
    let Some(stocked) = sales::load(&database, &id).await? else { return Ok(None) };
    let queue = Arc::new(SaleQueue::new(database, queue_store, stocked, &tracker));
    // Before any request reads it: without the leader's frame, `ahead` could be higher than another process has shown.
    if let Err(error) = queue.cache.refresh().await {
        tracing::debug!(sale = %id, %error, "cannot fetch the first frame; the next refresh tries again");
    }
    Ok(Some(queue))
}
