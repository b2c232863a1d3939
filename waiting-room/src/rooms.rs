//! The rooms of this process: found by name, kept fresh many times a second.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};
use futures::future::join_all;
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

use crate::room::Room;

/// How often the frame is fetched while nothing changes, so that twenty thousand pages have heard of a change within a
/// quarter of a second.
const QUIET_TICK: Duration = Duration::from_millis(50);
/// How often while frames change all the time: every one is told to every page that listens.
const BUSY_TICK: Duration = Duration::from_millis(100);
/// How often a sale's row is read again.
const RELOAD_AFTER: Duration = Duration::from_millis(500);
/// A name that was not found is looked up again after this long.
const MISSING_FOR: Duration = Duration::from_millis(500);
/// Names remembered as not found; more are looked up each time.
const MOST_MISSING: usize = 10_000;

pub struct Rooms {
    database: Database,
    queue: Arc<dyn SaleQueueStore>,
    tracker: TaskTracker,
    /// Where rooms are opened: what lives as long as they do must not wait behind the requests of a connection's thread.
    home: Handle,
    /// Replaced as a whole when a room is added: every request reads it, and few sales are added.
    by_id: ArcSwap<HashMap<SaleId, Arc<Room>>>,
    missing: Mutex<HashMap<SaleId, Instant>>,
}

impl Rooms {
    /// Rooms that live on the runtime that this is called on.
    pub fn new(database: Database, queue: Arc<dyn SaleQueueStore>, tracker: TaskTracker) -> Self {
        let home = Handle::current();
        Self { database, queue, tracker, home, by_id: ArcSwap::default(), missing: Mutex::default() }
    }

    pub fn queue_store(&self) -> &Arc<dyn SaleQueueStore> {
        &self.queue
    }

    /// The rooms of the sales that this process has met.
    pub fn here(&self) -> Guard<Arc<HashMap<SaleId, Arc<Room>>>> {
        self.by_id.load()
    }

    /// The room of a sale; 404 when there is no such sale.
    pub async fn room(&self, id: &SaleId) -> Result<Arc<Room>, ApiError> {
        if let Some(room) = self.here().get(id) {
            return Ok(Arc::clone(room));
        }
        let now = monotonic();
        if self.missing.lock().get(id).is_some_and(|since| now.duration_since(*since) < MISSING_FOR) {
            return Err(ErrorCode::SaleNotFound.into());
        }
        let opening = open(self.database.clone(), Arc::clone(&self.queue), id.clone(), self.tracker.clone());
        let opened = self.home.spawn(opening).await.map_err(|_| ErrorCode::StoreUnavailable)?;
        let Some(room) = opened? else {
            let mut missing = self.missing.lock();
            missing.retain(|_, since| now.duration_since(*since) < MISSING_FOR);
            if missing.len() < MOST_MISSING {
                missing.insert(id.clone(), now);
            }
            return Err(ErrorCode::SaleNotFound.into());
        };
        self.by_id.rcu(|rooms| {
            let mut rooms = HashMap::clone(rooms);
            rooms.entry(id.clone()).or_insert_with(|| Arc::clone(&room));
            rooms
        });
        // Somebody else may have been first.
        Ok(self.here().get(id).map_or(room, Arc::clone))
    }

    /// Keeps every room fresh until `stop`.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        let mut reloaded = monotonic();
        let mut periodic = Periodic::every(QUIET_TICK, "the lines as they are shown", &stop);
        while periodic.is_due().await {
            let rooms: Vec<_> = self.here().values().cloned().collect();
            let reload = monotonic().duration_since(reloaded) >= RELOAD_AFTER;
            if reload {
                reloaded = monotonic();
            }
            let refreshed = join_all(rooms.iter().map(|room| async move {
                let reloaded = if reload { room.reload().await } else { Ok(()) };
                // The frame is fetched also when the database is away: it is what people look at.
                let is_new = room.refresh().await;
                reloaded.and(is_new)
            }))
            .await;
            let busy = refreshed.iter().any(|room| matches!(room, Ok(true)));
            if busy {
                periodic.pause_for(BUSY_TICK);
            }
            periodic.record(refreshed.into_iter().try_for_each(|room| room.map(|_| ())));
        }
    }
}

/// The room of a sale with its first frame; `None` when there is no such sale.
async fn open(
    database: Database,
    queue: Arc<dyn SaleQueueStore>,
    id: SaleId,
    tracker: TaskTracker,
) -> Result<Option<Arc<Room>>, StoreError> {
    let Some(known) = sales::load(&database, &id).await? else { return Ok(None) };
    let room = Arc::new(Room::new(database, queue, known, &tracker));
    // Before anybody else finds it: without the leader's frame it says less than people were told by others, and a place
    // would seem to rise.
    if let Err(fault) = room.refresh().await {
        tracing::debug!(sale = %id, %fault, "the first frame comes later");
    }
    Ok(Some(room))
}
