//! A queue for each test, on the adapter of the case.

use std::sync::Arc;

use rstest_reuse::template;
use sale::{
    BuyerId, EpochNonce, HoldId, ItemId, OrderId, PassId, SaleId, Timestamp,
    sale::{Line as OrderLine, Place},
};
use stores::queue_store::{
    self, CallBatch, CallOutcome, EnterOutcome, EnterRequest, JoinOutcome, JoinRequest, Observation, QueueKey,
    Reservation, SaleQueueStore, Snapshot, StockCount, TicketClaims, TicketStatus,
};

/// Enough for every test but those about the allocation of numbers.
pub(crate) const ALLOCATED_UP_TO: u64 = 1_000;
pub(crate) const LIMIT: u32 = 4;
/// When the passes of the tests expire, in milliseconds of [`at`].
pub(crate) const PASS_EXPIRES: i64 = 600_000;

pub(crate) struct Fixture {
    pub(crate) queue: Arc<dyn SaleQueueStore>,
    pub(crate) key: QueueKey,
}

pub(crate) fn memory() -> Arc<dyn SaleQueueStore> {
    queue_store::connect("memory:").unwrap()
}

/// Sales have random names, so that tests can share the server.
#[expect(clippy::disallowed_methods, reason = "tests read the addresses of engines from the environment")]
pub(crate) fn live_redis() -> Arc<dyn SaleQueueStore> {
    let url = std::env::var("OPENRUN_TEST_QUEUE_URL")
        .expect("OPENRUN_TEST_QUEUE_URL must name a Redis to test with, like redis://127.0.0.1:6379");
    queue_store::connect(&url).unwrap()
}

/// A test of every adapter.
#[template]
#[rstest::rstest]
#[case::memory(crate::fixture::memory())]
#[case::live_redis(crate::fixture::live_redis())]
pub(crate) fn every_queue(#[case] queue: Arc<dyn SaleQueueStore>) {}

pub(crate) fn random_sale() -> SaleId {
    format!("test-{:032x}", rand::random::<u128>()).parse().unwrap()
}

/// A moment of the tests' time, in milliseconds.
pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_780_000_000_000 + millis)
}

pub(crate) fn buyer(n: u8) -> BuyerId {
    BuyerId::from_bytes([n; 16])
}

pub(crate) fn hold(n: u8) -> HoldId {
    HoldId::first(OrderId::derive(at(0), &[&[n]]))
}

pub(crate) fn pass(n: u8) -> PassId {
    PassId::derive(at(0), &[&[n]])
}

pub(crate) fn item(name: &str) -> ItemId {
    name.parse().unwrap()
}

pub(crate) fn units(name: &str, quantity: u32) -> OrderLine {
    OrderLine { item: item(name), quantity }
}

pub(crate) fn count(name: &str, free: i64, held: i64, sold: i64) -> StockCount {
    StockCount { item: item(name), free, held, sold }
}

/// A nonce that differs for each epoch.
pub(crate) fn nonce(epoch: i64) -> EpochNonce {
    EpochNonce::from_bits(!epoch)
}

/// The outcome of a first join.
pub(crate) fn new(number: u64, joined_at: Timestamp) -> JoinOutcome {
    JoinOutcome::New { number, joined_at }
}

pub(crate) fn waiting() -> TicketStatus {
    TicketStatus::Waiting
}

/// The outcome of entering with a pass until [`PASS_EXPIRES`].
pub(crate) fn admitted() -> EnterOutcome {
    EnterOutcome::Admitted { expires_at: at(PASS_EXPIRES) }
}

impl Fixture {
    /// A first epoch with ten pairs.
    pub(crate) async fn open(queue: Arc<dyn SaleQueueStore>) -> Self {
        Self::with(queue, 1, &Snapshot { stock: vec![count("pair", 10, 0, 0)], ..Snapshot::default() }).await
    }

    pub(crate) async fn with(queue: Arc<dyn SaleQueueStore>, epoch: i64, snapshot: &Snapshot) -> Self {
        let key = QueueKey { sale: random_sale(), epoch, nonce: nonce(epoch) };
        queue.rebuild(&key, snapshot, at(0)).await.unwrap();
        Self { queue, key }
    }

    /// Begins the next epoch of the same sale.
    pub(crate) async fn begin_next_epoch(&mut self, snapshot: &Snapshot, now: Timestamp) {
        self.key.epoch += 1;
        self.key.nonce = nonce(self.key.epoch);
        self.queue.rebuild(&self.key, snapshot, now).await.unwrap();
    }

    pub(crate) async fn join(&self, n: u8, now: Timestamp) -> JoinOutcome {
        self.join_with(n, None, now).await
    }

    pub(crate) async fn join_with(&self, n: u8, ticket: Option<TicketClaims>, now: Timestamp) -> JoinOutcome {
        let requests = [JoinRequest { buyer: buyer(n), ticket }];
        self.queue.join(&self.key, &requests, ALLOCATED_UP_TO, now).await.unwrap().remove(0)
    }

    /// Buyers 1 to `n` join in order.
    pub(crate) async fn join_first(&self, n: u8) {
        let requests: Vec<_> = (1..=n).map(|n| JoinRequest { buyer: buyer(n), ticket: None }).collect();
        let joined = self.queue.join(&self.key, &requests, ALLOCATED_UP_TO, at(0)).await.unwrap();
        let numbers: Vec<_> = (1..=n).map(|n| new(n.into(), at(0))).collect();
        assert_eq!(joined, numbers);
    }

    pub(crate) async fn standing(&self, n: u8, number: u64, now: Timestamp) -> TicketStatus {
        self.standing_of(n, TicketClaims { number, epoch: self.key.epoch }, now).await
    }

    pub(crate) async fn standing_of(&self, n: u8, carried: TicketClaims, now: Timestamp) -> TicketStatus {
        self.queue.standing(&self.key, &[(buyer(n), carried)], now).await.unwrap().remove(0)
    }

    /// Calls with no limit by number, in the first term.
    pub(crate) async fn call(&self, seq: u64, calls: u64, until: Timestamp) -> CallOutcome {
        let batch = CallBatch { term: 1, seq, calls, up_to: u64::MAX >> 11, until };
        self.queue.call(&self.key, batch, at(0)).await.unwrap()
    }

    /// Enters with a pass until [`PASS_EXPIRES`].
    pub(crate) async fn enter(&self, n: u8, number: u64, now: Timestamp) -> EnterOutcome {
        self.enter_until(n, number, now, at(PASS_EXPIRES)).await
    }

    pub(crate) async fn enter_until(&self, n: u8, number: u64, now: Timestamp, expires_at: Timestamp) -> EnterOutcome {
        let place = Place { buyer: buyer(n), number };
        let request = EnterRequest { place, ticket_epoch: self.key.epoch, pass: pass(n), expires_at };
        self.queue.enter(&self.key, &[request], now).await.unwrap().remove(0)
    }

    pub(crate) async fn leave(&self, n: u8, number: u64, now: Timestamp) -> TicketStatus {
        let place = Place { buyer: buyer(n), number };
        self.queue.leave(&self.key, &[place], now).await.unwrap().remove(0)
    }

    pub(crate) async fn observe(&self, nth: u64) -> Observation {
        self.queue.observe(&self.key, nth).await.unwrap()
    }

    /// Buyers 1 to `n` join, are called and enter.
    pub(crate) async fn admit_first(&self, n: u8) {
        self.join_first(n).await;
        self.call(1, n.into(), at(120_000)).await;
        for n in 1..=n {
            assert_eq!(self.enter(n, n.into(), at(1)).await, admitted());
        }
    }

    pub(crate) async fn stock(&self) -> Vec<StockCount> {
        self.observe(1).await.stock
    }
}

/// A reservation of buyer `n`, with number `n` and hold `n`.
pub(crate) fn reservation(n: u8, lines: &[OrderLine]) -> Reservation {
    Reservation {
        hold: hold(n),
        place: Place { buyer: buyer(n), number: n.into() },
        lines: lines.to_vec(),
        limit: LIMIT,
    }
}
