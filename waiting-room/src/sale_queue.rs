//! The queue of one sale as one process serves it: what it shows from memory, and the batches of requests on their way
//! to the stores.

mod cache;
mod enter_batch;
mod join_batch;
mod number_allocation;

use std::sync::Arc;

use sale::BuyerId;
use stores::{
    batch::Batcher,
    database::{Database, sales::StockedSale},
    queue_store::{JoinOutcome, JoinRequest, SaleQueueStore, TicketClaims, TicketStatus},
};
use tokio_util::task::TaskTracker;

use self::number_allocation::NumberAllocation;
pub use self::{
    cache::QueueCache,
    enter_batch::{PassOutcome, PassRequest},
};

/// Requests of one kind that may wait for the stores at the same time; more are refused with 503.
const MAX_WAITING_REQUESTS: usize = 20_000;

/// The cache of one sale's queue, and a batcher for each step that calls the stores.
pub struct SaleQueue {
    pub cache: Arc<QueueCache>,
    pub joins: Batcher<JoinRequest, JoinOutcome>,
    pub standings: Batcher<(BuyerId, TicketClaims), TicketStatus>,
    pub pass_requests: Batcher<PassRequest, PassOutcome>,
}

impl SaleQueue {
    /// A queue whose batches run on `tracker`. It shows the sale's row until [`QueueCache::refresh`] has fetched a
    /// frame.
    pub fn new(
        database: Database,
        queue_store: Arc<dyn SaleQueueStore>,
        stocked: StockedSale,
        tracker: &TaskTracker,
    ) -> Self {
        let allocation = Arc::new(NumberAllocation::new(&stocked));
        let cache = Arc::new(QueueCache::new(database, queue_store, stocked));
        let (joins, standings, pass_requests) = (Arc::clone(&cache), Arc::clone(&cache), Arc::clone(&cache));
        Self {
            cache,
            joins: Batcher::new("join", tracker, MAX_WAITING_REQUESTS, move |requests| {
                let (cache, allocation) = (Arc::clone(&joins), Arc::clone(&allocation));
                Box::pin(async move { join_batch::join(&cache, &allocation, &requests).await })
            }),
            standings: Batcher::new("standing", tracker, MAX_WAITING_REQUESTS, move |requests| {
                let cache = Arc::clone(&standings);
                Box::pin(async move { cache.queue_store.standing(&cache.key(), &requests, cache.database.now()).await })
            }),
            pass_requests: Batcher::new("enter", tracker, MAX_WAITING_REQUESTS, move |requests| {
                let cache = Arc::clone(&pass_requests);
                Box::pin(async move { enter_batch::enter(&cache, &requests).await })
            }),
        }
    }
}
