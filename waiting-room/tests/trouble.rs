//! What two processes say of one line while its store is lost and filled again: nobody's place seems to rise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use sale::{
    Epoch, Frame, SaleId,
    frame::Trouble,
    sale::Place,
    standing::ahead,
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
    room::Room,
    standing::{Standing, of_status},
};

/// The number of the buyer whose place is watched.
const MINE: u64 = 9;
const JOINED: u64 = 10;

/// A line with its leader, and two processes that show it.
struct Door {
    fresh: Fresh,
    queue: Arc<MemoryQueueStore>,
    sale: SaleId,
    rooms: [Room; 2],
}

impl Door {
    async fn open() -> Self {
        let fresh = testing::sqlite().await;
        let queue = Arc::new(MemoryQueueStore::new());
        let sale: SaleId = "shoes".parse().unwrap();
        let now = fresh.database.now();
        testing::create_sale(&fresh.database, queue.as_ref(), &SaleBuilder::new(sale.clone(), now).build()).await;
        let known = sales::load(&fresh.database, &sale).await.unwrap().unwrap();
        let room = || {
            let queue: Arc<dyn SaleQueueStore> = queue.clone();
            Room::new(fresh.database.clone(), queue, known.clone(), &TaskTracker::new())
        };
        let rooms = [room(), room()];
        let door = Self { fresh, queue, sale, rooms };
        for n in 1..=JOINED {
            door.rooms[0].joins.submit(JoinRequest { buyer: buyer(n), ticket: None }).await.unwrap();
        }
        door
    }

    /// The life that the database counts now.
    async fn key(&self) -> QueueKey {
        epochs::queue_key(&self.fresh.database, &self.sale).await.unwrap().unwrap()
    }

    /// The leader of a life calls up to this number and tells of it.
    async fn serve(&self, epoch: Epoch, serving: u64, trouble: Option<Trouble>) {
        let (key, now) = (self.key().await, self.fresh.database.now());
        let fence = CallBatch { term: 1, seq: serving, calls: JOINED, up_to: serving, until: now.plus_seconds(60) };
        self.queue.call(&key, fence, now).await.unwrap();
        let seen = self.queue.observe(&key, 1).await.unwrap();
        let mut frame = Frame {
            epoch,
            trouble,
            tick: serving + 1,
            serving: seen.serving,
            last_number: seen.last_number,
            waiting: seen.waiting,
            rate_per_minute: 600,
            ..Frame::empty(self.sale.clone())
        };
        frame.histogram.live = seen.histogram;
        self.queue.publish(&key, 1, serde_json::to_vec(&frame).unwrap().into()).await.unwrap();
    }

    /// The store is lost and filled again; the two processes do not know of it yet.
    async fn lose(&self) {
        let loss = Loss { sale: self.sale.clone(), epoch: 1, found: 0, last_complete_at: None };
        assert_eq!(testing::restore_queue(&self.fresh.database, self.queue.as_ref(), &loss).await.epoch, 2);
    }

    /// What one process says of my place.
    fn standing(&self, room: usize) -> Standing {
        let now = self.fresh.database.now();
        let ticket = ticket(&self.sale, Place { buyer: buyer(MINE), number: MINE }, 1, now);
        of_status(&ticket, TicketStatus::Waiting, &self.rooms[room], now)
    }

    fn frame(&self, room: usize) -> Frame {
        self.rooms[room].edition().shown.frame.clone()
    }
}

#[tokio::test]
async fn no_place_rises_while_a_store_is_lost_and_filled_again() {
    let door = Door::open().await;
    door.serve(1, 2, None).await;
    for room in &door.rooms {
        room.refresh().await.unwrap();
    }
    // The first process still hears of this call, the second does not.
    door.serve(1, 7, None).await;
    door.rooms[0].refresh().await.unwrap();
    assert_eq!([door.standing(0).ahead, door.standing(1).ahead], [Some(1), Some(6)]);
    assert!(door.standing(0).eta_seconds.is_some());

    door.lose().await;
    for nth in 0..2 {
        assert!(matches!(door.rooms[nth].refresh().await, Err(StoreError::Lost)));
        let frame = door.frame(nth);
        assert_eq!((frame.epoch, frame.trouble, frame.rate_per_minute), (1, Some(Trouble::Restoring), 0));
        assert!(ahead(&frame, MINE).is_some(), "what was heard last is shown");
        let standing = door.standing(nth);
        assert_eq!((standing.ahead, standing.eta_seconds), (None, None), "and is not told as if it were known");
    }

    // The new life is known before its leader has said anything: others are only now coming back.
    for nth in 0..2 {
        door.rooms[nth].reload().await.unwrap();
        door.rooms[nth].refresh().await.unwrap();
        let frame = door.frame(nth);
        assert_eq!((frame.epoch, frame.trouble), (2, Some(Trouble::Restoring)));
        assert_eq!(door.standing(nth).ahead, None);
    }

    // The leader counts everybody who may come back, the same in all processes.
    door.serve(2, 8, Some(Trouble::Restoring)).await;
    for nth in 0..2 {
        door.rooms[nth].refresh().await.unwrap();
        assert_eq!(door.frame(nth).trouble, Some(Trouble::Restoring));
    }
    assert_eq!(door.standing(0).ahead, door.standing(1).ahead);
    assert!(door.standing(0).ahead.is_some());
}
