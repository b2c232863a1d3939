//! An event log with a database of its own, the subscriptions of a test, and handlers that record what they get.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use rstest_reuse::template;
use sale::{Event, EventKind, OrderId, Timestamp};
use stores::{
    StoreError,
    database::{Database, dead_letters, outbox},
    events::{ConsumerGroup, EventLog, EventsUrl, Handler, KafkaLog, LocalLog, OutboxRecord, Progress, RetryPolicy},
    testing::{Fresh, live_events_url, live_postgres, sqlite},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a test waits for an event. Joining a consumer group of Kafka takes a few seconds on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(40);

pub(crate) const RETRY_POLICY: RetryPolicy = RetryPolicy {
    max_attempts: 50,
    shortest_wait: Duration::from_millis(20),
    longest_wait: Duration::from_millis(200),
};

/// A log with a database of its own, and the subscriptions of a test.
pub(crate) struct Fixture {
    pub(crate) fresh: Fresh,
    url: EventsUrl,
    pub(crate) log: Arc<dyn EventLog>,
    subscriptions: TaskTracker,
}

pub(crate) async fn local_sqlite() -> Fixture {
    fixture(sqlite().await, "local:", RETRY_POLICY)
}

pub(crate) async fn live_kafka() -> Fixture {
    fixture(sqlite().await, &live_events_url(), RETRY_POLICY)
}

pub(crate) async fn live_kafka_postgres() -> Fixture {
    fixture(live_postgres().await, &live_events_url(), RETRY_POLICY)
}

fn fixture(fresh: Fresh, url: &str, retry: RetryPolicy) -> Fixture {
    let url = EventsUrl::parse(url).unwrap();
    let log = open(&url, &fresh.database, retry);
    Fixture { fresh, url, log, subscriptions: TaskTracker::new() }
}

fn open(url: &EventsUrl, database: &Database, retry: RetryPolicy) -> Arc<dyn EventLog> {
    match url {
        EventsUrl::Local => Arc::new(LocalLog::new(database.clone(), retry)),
        EventsUrl::Kafka(cluster) => Arc::new(KafkaLog::new(cluster.clone(), database.clone(), retry).unwrap()),
    }
}

impl Fixture {
    /// Becomes another process, or this one after a restart.
    pub(crate) async fn restarted(&mut self) {
        self.fresh.database = self.fresh.open_again().await;
        self.log = open(&self.url, &self.fresh.database, RETRY_POLICY);
    }

    pub(crate) fn limit_attempts(&mut self) {
        let retry = RetryPolicy { max_attempts: 3, longest_wait: Duration::from_millis(20), ..RETRY_POLICY };
        self.log = open(&self.url, &self.fresh.database, retry);
    }

    /// Writes records to the outbox, whatever they hold, and relays them.
    pub(crate) async fn publish_records(&self, records: &[OutboxRecord]) {
        let database = &self.fresh.database;
        let mut tx = database.begin().await.unwrap();
        for record in records {
            sqlx::query("INSERT INTO outbox (event_id, kind, order_id, body) VALUES ($1, '', $2, $3)")
                .bind(rand::random::<u64>().to_string())
                .bind(&record.order)
                .bind(&record.body)
                .execute(&mut *tx)
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
        database.outbox_notifier().notify();
        while self.log.needs_relay() {
            let (ids, records): (Vec<_>, Vec<_>) =
                outbox::unpublished(database, 500).await.unwrap().into_iter().unzip();
            if ids.is_empty() {
                break;
            }
            self.log.append(&records).await.unwrap();
            outbox::remove(database, &ids).await.unwrap();
        }
    }

    pub(crate) async fn publish(&self, events: &[Event]) {
        self.publish_records(&events.iter().map(record).collect::<Vec<_>>()).await;
    }

    /// Reads the log until the returned token is cancelled.
    pub(crate) fn subscribe<H: Handler + 'static>(&self, group: ConsumerGroup, handler: &Arc<H>) -> CancellationToken {
        let stop = CancellationToken::new();
        let (log, handler, token) = (Arc::clone(&self.log), Arc::clone(handler), stop.clone());
        self.subscriptions.spawn(async move { log.subscribe(group, handler, token).await.unwrap() });
        stop
    }

    /// Waits until every stopped subscription has ended.
    pub(crate) async fn ended(&self) {
        self.subscriptions.close();
        timeout(TIMEOUT, self.subscriptions.wait()).await.expect("a stopped subscription ends");
    }

    pub(crate) async fn dead_letters(&self) -> Vec<dead_letters::DeadLetter> {
        dead_letters::list(&self.fresh.database, 100).await.unwrap()
    }
}

type Answer = dyn Fn(&[Event], &[Event]) -> Result<Progress, StoreError> + Send + Sync;

/// A handler that records the events that it was given, and those that are done.
pub(crate) struct Recorder {
    answer: Box<Answer>,
    given: Mutex<Vec<Event>>,
    pub(crate) done: watch::Sender<Vec<Event>>,
}

impl Recorder {
    pub(crate) fn accepting() -> Arc<Self> {
        Self::answering(|_, _| Ok(Progress::Done))
    }

    /// `answer` gets the batch, and what is done already.
    pub(crate) fn answering(
        answer: impl Fn(&[Event], &[Event]) -> Result<Progress, StoreError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), given: Mutex::default(), done: watch::Sender::default() })
    }

    /// Waits until so many events are done, and returns them.
    pub(crate) async fn done(&self, count: usize) -> Vec<Event> {
        self.until(|done| done.len() >= count).await
    }

    pub(crate) async fn until(&self, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let mut done = self.done.subscribe();
        let result = timeout(TIMEOUT, done.wait_for(|done| enough(done))).await.map(|done| done.unwrap().clone());
        result.unwrap_or_else(|_| panic!("still waiting with {} events done", self.done.borrow().len()))
    }

    pub(crate) fn now_done(&self) -> Vec<Event> {
        self.done.borrow().clone()
    }

    pub(crate) fn given(&self) -> Vec<Event> {
        self.given.lock().clone()
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        self.given.lock().extend_from_slice(batch);
        let mut answer = Ok(Progress::Done);
        self.done.send_modify(|done| {
            answer = (self.answer)(batch, done);
            let count = match answer {
                Ok(Progress::Done) => batch.len(),
                Ok(Progress::Again { done, .. } | Progress::GiveUp { done, .. }) => done,
                Err(_) => 0,
            };
            done.extend_from_slice(&batch[..count]);
        });
        answer
    }
}

/// A handler that takes ten milliseconds for a batch.
pub(crate) struct Slow(pub(crate) Arc<Recorder>);

#[async_trait]
impl Handler for Slow {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.0.handle(batch).await
    }
}

pub(crate) fn order(number: usize) -> OrderId {
    OrderId::derive(Timestamp::from_millis(1_780_000_000_000), &[&number.to_be_bytes()])
}

pub(crate) fn event(order: OrderId, nth: u32) -> Event {
    let at = Timestamp::from_millis(1_780_000_000_000 + i64::from(nth));
    Event::about(EventKind::OrderPlaced, &"sneaker".parse().unwrap(), order, at, nth)
}

pub(crate) fn record(event: &Event) -> OutboxRecord {
    OutboxRecord { order: event.order.to_string(), body: event.to_json(), trace: String::new() }
}

/// The first event of each of these orders.
pub(crate) fn events_of(orders: std::ops::Range<usize>) -> Vec<Event> {
    orders.map(|number| event(order(number), 0)).collect()
}

pub(crate) fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| (event.order, event.at));
    events
}

/// A test of every adapter.
#[template]
#[rstest::rstest]
#[case::local_sqlite(crate::fixture::local_sqlite())]
#[case::live_kafka(crate::fixture::live_kafka())]
pub(crate) fn every_log(#[case] fixture: crate::fixture::Fixture) {}

/// A test of every adapter, and of the Kafka one beside another database.
#[template]
#[rstest::rstest]
#[case::local_sqlite(crate::fixture::local_sqlite())]
#[case::live_kafka(crate::fixture::live_kafka())]
#[case::live_kafka_postgres(crate::fixture::live_kafka_postgres())]
pub(crate) fn every_log_and_database(#[case] fixture: crate::fixture::Fixture) {}
