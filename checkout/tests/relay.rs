//! The relay, with a log that can be in trouble.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use checkout::relay::Relay;
use rstest::rstest;
use sale::{Event, EventKind, OrderId, Timestamp};
use stores::{
    StoreError,
    database::{log_cursors, outbox},
    events::{ConsumerGroup, EventLog, Handler, LocalLog, OutboxRecord, RetryPolicy},
    testing::{Fresh, live_postgres, sqlite},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const SOON: Duration = Duration::from_secs(20);

/// A log that remembers what it was given, as long as it is up.
struct FakeLog {
    up: AtomicBool,
    bodies: watch::Sender<Vec<String>>,
}

impl FakeLog {
    fn new(up: bool) -> Arc<Self> {
        Arc::new(Self { up: AtomicBool::new(up), bodies: watch::Sender::default() })
    }

    /// Waits until it holds so many records.
    async fn holds(&self, count: usize) -> Vec<String> {
        let mut bodies = self.bodies.subscribe();
        timeout(SOON, bodies.wait_for(|bodies| bodies.len() >= count)).await.unwrap().unwrap().clone()
    }
}

#[async_trait]
impl EventLog for FakeLog {
    async fn append(&self, records: &[OutboxRecord]) -> Result<(), StoreError> {
        if !self.up.load(Ordering::Relaxed) {
            return Err(StoreError::unexpected("event log", "down"));
        }
        self.bodies.send_modify(|bodies| bodies.extend(records.iter().map(|record| record.body.clone())));
        Ok(())
    }

    async fn subscribe(&self, _: ConsumerGroup, _: Arc<dyn Handler>, _: CancellationToken) -> Result<(), StoreError> {
        Ok(())
    }

    fn needs_relay(&self) -> bool {
        true
    }
}

struct Running {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    fn start(fresh: &Fresh, log: Arc<dyn EventLog>, process: &str) -> Self {
        let relay = Relay::new(fresh.database.clone(), log, process);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let token = stop.clone();
        tracker.spawn(async move { relay.run(token).await });
        tracker.close();
        Self { tracker, stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(SOON, self.tracker.wait()).await.unwrap();
    }
}

fn events(numbers: std::ops::Range<u32>) -> Vec<Event> {
    let at = Timestamp::from_millis(1_780_000_000_000);
    let order = OrderId::derive(at, &[b"order"]);
    numbers.map(|nth| Event::about(EventKind::OrderPlaced, &"sneaker".parse().unwrap(), order, at, nth)).collect()
}

fn bodies(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::to_json).collect()
}

async fn write(fresh: &Fresh, events: &[Event]) {
    let mut tx = fresh.database.begin().await.unwrap();
    outbox::append(&fresh.database, &mut tx, events).await.unwrap();
    tx.commit().await.unwrap();
}

/// Waits until nothing is left to do.
async fn all_published(fresh: &Fresh) {
    let drained = async {
        while !outbox::unpublished(&fresh.database, 1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, drained).await.unwrap();
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn the_relay_carries_the_outbox_in_its_order_and_once(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let log = FakeLog::new(true);
    let events = events(0..1_200);
    write(&fresh, &events[..1_100]).await;
    let relay = Running::start(&fresh, Arc::clone(&log) as _, "one");
    log.holds(1_100).await;
    write(&fresh, &events[1_100..]).await;
    assert_eq!(log.holds(1_200).await, bodies(&events));
    all_published(&fresh).await;
    relay.stop().await;
    assert_eq!(log.holds(0).await.len(), 1_200);
    assert!(outbox::after(&fresh.database, 0, 1).await.unwrap().is_empty(), "what is on the log is not kept twice");
}

#[tokio::test]
async fn the_relay_waits_for_a_log_that_is_down() {
    let (fresh, log) = (sqlite().await, FakeLog::new(false));
    let events = events(0..10);
    write(&fresh, &events).await;
    let relay = Running::start(&fresh, Arc::clone(&log) as _, "one");
    // It takes the lease before it tries, so from then on it is at work.
    let tried = async {
        while sqlx::query("SELECT 1 FROM leases").fetch_optional(fresh.database.reader()).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, tried).await.unwrap();
    assert_eq!(outbox::unpublished(&fresh.database, 100).await.unwrap().len(), 10);
    log.up.store(true, Ordering::Relaxed);
    assert_eq!(log.holds(10).await, bodies(&events));
    relay.stop().await;
}

#[tokio::test]
async fn when_a_relay_stops_the_next_one_takes_over_at_once() {
    let (fresh, first, second) = (sqlite().await, FakeLog::new(true), FakeLog::new(true));
    let one = Running::start(&fresh, Arc::clone(&first) as _, "one");
    write(&fresh, &events(0..1)).await;
    first.holds(1).await;
    let other = Running::start(&fresh, Arc::clone(&second) as _, "other");
    all_published(&fresh).await;
    one.stop().await;
    write(&fresh, &events(1..2)).await;
    assert_eq!(second.holds(1).await, bodies(&events(1..2)));
    other.stop().await;
}

#[tokio::test]
async fn with_the_embedded_log_a_row_counts_as_published_when_all_groups_are_done_with_it() {
    let fresh = sqlite().await;
    let database = &fresh.database;
    let log = Arc::new(LocalLog::new(database.clone(), RetryPolicy::default()));
    for group in ConsumerGroup::ALL {
        log_cursors::open(database, *group).await.unwrap();
    }
    write(&fresh, &events(0..3)).await;
    let relay = Running::start(&fresh, log, "one");
    log_cursors::advance(database, ConsumerGroup::Payments, 3).await.unwrap();
    log_cursors::advance(database, ConsumerGroup::Stock, 3).await.unwrap();
    log_cursors::advance(database, ConsumerGroup::Mail, 2).await.unwrap();
    let one_left = async {
        while outbox::unpublished(database, 10).await.unwrap().len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, one_left).await.unwrap();
    log_cursors::advance(database, ConsumerGroup::Mail, 3).await.unwrap();
    all_published(&fresh).await;
    relay.stop().await;
}

#[tokio::test]
async fn only_what_was_read_long_ago_is_pruned() {
    let fresh = sqlite().await;
    let database = &fresh.database;
    for group in ConsumerGroup::ALL {
        log_cursors::open(database, *group).await.unwrap();
    }
    write(&fresh, &events(0..4)).await;
    for (read_to, at) in [(2, 1_000), (3, 2_000)] {
        for group in ConsumerGroup::ALL {
            log_cursors::advance(database, *group, read_to).await.unwrap();
        }
        outbox::mark_read_by_all(database, Timestamp::from_millis(at)).await.unwrap();
    }
    assert_eq!(outbox::prune(database, Timestamp::from_millis(2_000)).await.unwrap(), 2);
    assert_eq!(outbox::prune(database, Timestamp::from_millis(2_000)).await.unwrap(), 0);
    assert_eq!(outbox::after(database, 0, 10).await.unwrap().len(), 2);
}
