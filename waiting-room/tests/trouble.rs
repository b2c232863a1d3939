//! What two processes show of one queue while its store is lost and restored: `ahead` never rises.
#![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]

use std::sync::Arc;

use sale::{
    Epoch, Frame, SaleId,
    frame::Trouble,
    sale::Place,
    testing::{SaleBuilder, buyer, ticket},
};
use stores::{
    StoreError,
    database::{
        epochs::{self, Loss},
        sales,
    },
    queue_store::{CallBatch, JoinRequest, MemoryQueueStore, Queue as _, QueueKey, SaleQueueStore, TicketStatus},
    testing::{self, Fresh},
};
use tokio_util::task::TaskTracker;
use waiting_room::{
    sale_queue::{QueueCache, SaleQueue},
    standing::{Standing, of_status},
};

/// The number of the buyer whose standing is compared.
const NUMBER: u64 = 9;
const JOINED: u64 = 10;

/// A sale with its leader, and the queues of two processes.
struct Fixture {
    fresh: Fresh,
    queue_store: Arc<MemoryQueueStore>,
    sale: SaleId,
    queues: [SaleQueue; 2],
}

impl Fixture {
    async fn new() -> Self {
        let fresh = testing::sqlite().await;
        let queue_store = Arc::new(MemoryQueueStore::new());
        let sale: SaleId = "shoes".parse().unwrap();
        let now = fresh.database.now();
        testing::create_sale(&fresh.database, queue_store.as_ref(), &SaleBuilder::new(sale.clone(), now).build()).await;
        let stocked = sales::load(&fresh.database, &sale).await.unwrap().unwrap();
        let queue = || {
            let queue_store: Arc<dyn SaleQueueStore> = queue_store.clone();
            SaleQueue::new(fresh.database.clone(), queue_store, stocked.clone(), &TaskTracker::new())
        };
        let queues = [queue(), queue()];
        let fixture = Self { fresh, queue_store, sale, queues };
        for n in 1..=JOINED {
            fixture.queues[0].joins.submit(JoinRequest { buyer: buyer(n), ticket: None }).await.unwrap();
        }
        fixture
    }

    /// The key of the epoch that the database is in.
    async fn key(&self) -> QueueKey {
        epochs::queue_key(&self.fresh.database, &self.sale).await.unwrap().unwrap()
    }

    /// The leader of an epoch calls up to this number and publishes its frame.
    async fn serve(&self, epoch: Epoch, serving: u64, trouble: Option<Trouble>) {
        let (key, now) = (self.key().await, self.fresh.database.now());
        let batch = CallBatch { term: 1, seq: serving, calls: JOINED, up_to: serving, until: now.plus_seconds(60) };
        self.queue_store.call(&key, batch, now).await.unwrap();
        let observed = self.queue_store.observe(&key, 1).await.unwrap();
        let mut frame = Frame {
            epoch,
            trouble,
            tick: serving + 1,
            serving: observed.serving,
            last_number: observed.last_number,
            waiting: observed.waiting,
            rate_per_minute: 600,
            ..Frame::empty(self.sale.clone())
        };
        frame.histogram.live = observed.histogram;
        self.queue_store.publish(&key, 1, serde_json::to_vec(&frame).unwrap().into()).await.unwrap();
    }

    /// The store is lost and restored; the two processes do not know of it yet.
    async fn lose(&self) {
        let key = epochs::queue_key(&self.fresh.database, &self.sale).await.unwrap().unwrap();
        let loss = Loss { key, found: 0, last_complete_at: None };
        assert_eq!(testing::restore_queue(&self.fresh.database, self.queue_store.as_ref(), &loss).await.epoch, 2);
    }

    fn cache(&self, process: usize) -> &QueueCache {
        &self.queues[process].cache
    }

    /// What one process shows to the buyer.
    fn standing(&self, process: usize) -> Standing {
        let now = self.fresh.database.now();
        let ticket = ticket(&self.sale, Place { buyer: buyer(NUMBER), number: NUMBER }, 1, now);
        of_status(&ticket, TicketStatus::Waiting, self.cache(process), now)
    }

    fn frame(&self, process: usize) -> Frame {
        self.cache(process).snapshot().encoded.frame.clone()
    }
}

#[tokio::test]
async fn ahead_never_rises_while_a_store_is_lost_and_restored() {
    let fixture = Fixture::new().await;
    fixture.serve(1, 2, None).await;
    for process in 0..2 {
        fixture.cache(process).refresh().await.unwrap();
    }
    // The first process fetches the frame of this call, the second does not.
    fixture.serve(1, 7, None).await;
    fixture.cache(0).refresh().await.unwrap();
    assert_eq!([fixture.standing(0).ahead, fixture.standing(1).ahead], [Some(1), Some(6)]);
    assert!(fixture.standing(0).eta_seconds.is_some());

    fixture.lose().await;
    for process in 0..2 {
        assert!(matches!(fixture.cache(process).refresh().await, Err(StoreError::Lost)));
        let frame = fixture.frame(process);
        assert_eq!((frame.epoch, frame.trouble, frame.rate_per_minute), (1, Some(Trouble::Restoring), 0));
        assert!(fixture.cache(process).snapshot().ahead(NUMBER).is_some(), "the page shows the last frame");
        let standing = fixture.standing(process);
        assert_eq!(
            (standing.ahead, standing.eta_seconds),
            (None, None),
            "the API does not return it as an upper bound"
        );
    }

    // The new epoch is known before its leader has published a frame: other buyers are only now returning.
    for process in 0..2 {
        fixture.cache(process).reload().await.unwrap();
        fixture.cache(process).refresh().await.unwrap();
        let frame = fixture.frame(process);
        assert_eq!((frame.epoch, frame.trouble), (2, Some(Trouble::Restoring)));
        assert_eq!(fixture.standing(process).ahead, None);
    }

    // The leader's frame counts everybody who may return, and is the same in every process.
    fixture.serve(2, 8, Some(Trouble::Restoring)).await;
    for process in 0..2 {
        fixture.cache(process).refresh().await.unwrap();
        assert_eq!(fixture.frame(process).trouble, Some(Trouble::Restoring));
    }
    assert_eq!(fixture.standing(0).ahead, fixture.standing(1).ahead);
    assert!(fixture.standing(0).ahead.is_some());
}
