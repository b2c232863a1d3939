//! A waiting room shows new frames while its database does not answer.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use sale::{Frame, SaleId, testing::SaleBuilder};
use stores::{
    queue_store::{MemoryQueueStore, Queue as _, SaleQueueStore},
    testing,
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waiting_room::sale_queues::SaleQueues;

/// Many times the interval of refreshes, and a small part of what a read waits for a connection.
const SOON: Duration = Duration::from_secs(1);

#[tokio::test]
async fn frames_do_not_wait_for_the_database() {
    let fresh = testing::sqlite().await;
    let store = Arc::new(MemoryQueueStore::new());
    let id: SaleId = "shoes".parse().unwrap();
    let sale = SaleBuilder::new(id.clone(), fresh.database.now()).build();
    let key = testing::create_sale(&fresh.database, store.as_ref(), &sale).await;
    let queue_store: Arc<dyn SaleQueueStore> = store.clone();
    let tracker = TaskTracker::new();
    let queues = Arc::new(SaleQueues::new(fresh.database.clone(), queue_store, tracker.clone()));
    let mut frames = queues.open(&id).await.unwrap().cache.subscribe();

    let reader = fresh.database.reader();
    let connections = (0..reader.options().get_max_connections()).map(|_| reader.acquire());
    let _all_taken = join_all(connections).await;
    // From here on time passes only while everything waits, so no machine is too slow.
    tokio::time::pause();
    let (refreshing, reloading) = (Arc::clone(&queues), Arc::clone(&queues));
    tracker.spawn(async move { refreshing.keep_fresh(CancellationToken::new()).await });
    tracker.spawn(async move { reloading.keep_reloaded(CancellationToken::new()).await });

    for tick in 1..=10 {
        let published = Instant::now();
        let frame = Frame { tick, serving: tick, ..Frame::empty(id.clone()) };
        store.publish(&key, 1, serde_json::to_vec(&frame).unwrap().into()).await.unwrap();
        frames.wait_for(|encoded| encoded.frame.serving == tick).await.unwrap();
        let waited = published.elapsed();
        assert!(waited < SOON, "frame {tick} was shown after {waited:?}");
    }
}
