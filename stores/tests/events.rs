//! Contract of the event log, on every adapter.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use rstest::rstest;
use rstest_reuse::{apply, template};
use sale::{Event, EventKind, OrderId, Timestamp};
use stores::{
    StoreError,
    database::{dead_letters, outbox},
    events::{ConsumerGroup, EventLog, EventsUrl, Handler, KafkaLog, LocalLog, OutboxRecord, Progress, RetryPolicy},
    testing::{Fresh, live_events_url, live_postgres, sqlite},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a test waits for what must come. Joining a group of Kafka takes a few seconds on a busy machine.
const SOON: Duration = Duration::from_secs(40);

const RETRY: RetryPolicy = RetryPolicy {
    max_attempts: 50,
    shortest_wait: Duration::from_millis(20),
    longest_wait: Duration::from_millis(200),
};

/// A log with a database of its own, and the subscriptions of a test.
struct Bench {
    fresh: Fresh,
    url: EventsUrl,
    log: Arc<dyn EventLog>,
    subscriptions: TaskTracker,
}

async fn local_sqlite() -> Bench {
    bench(sqlite().await, "local:", RETRY)
}

async fn live_kafka() -> Bench {
    bench(sqlite().await, &live_events_url(), RETRY)
}

async fn live_kafka_postgres() -> Bench {
    bench(live_postgres().await, &live_events_url(), RETRY)
}

fn bench(fresh: Fresh, url: &str, retry: RetryPolicy) -> Bench {
    let url = EventsUrl::parse(url).unwrap();
    let log = open(&url, &fresh.database, retry);
    Bench { fresh, url, log, subscriptions: TaskTracker::new() }
}

fn open(url: &EventsUrl, database: &stores::database::Database, retry: RetryPolicy) -> Arc<dyn EventLog> {
    match url {
        EventsUrl::Local => Arc::new(LocalLog::new(database.clone(), retry)),
        EventsUrl::Kafka(cluster) => Arc::new(KafkaLog::new(cluster.clone(), database.clone(), retry).unwrap()),
    }
}

impl Bench {
    /// Another process, or this one after a restart.
    async fn restarted(&mut self) {
        self.fresh.database = self.fresh.open_again().await;
        self.log = open(&self.url, &self.fresh.database, RETRY);
    }

    fn impatient(&mut self) {
        let retry = RetryPolicy { max_attempts: 3, longest_wait: Duration::from_millis(20), ..RETRY };
        self.log = open(&self.url, &self.fresh.database, retry);
    }

    /// Writes records to the outbox, whatever they hold, and relays them.
    async fn publish_records(&self, records: &[OutboxRecord]) {
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

    async fn publish(&self, events: &[Event]) {
        self.publish_records(&events.iter().map(record).collect::<Vec<_>>()).await;
    }

    /// Reads the log until the returned token is cancelled.
    fn subscribe<H: Handler + 'static>(&self, group: ConsumerGroup, handler: &Arc<H>) -> CancellationToken {
        let stop = CancellationToken::new();
        let (log, handler, token) = (Arc::clone(&self.log), Arc::clone(handler), stop.clone());
        self.subscriptions.spawn(async move { log.subscribe(group, handler, token).await.unwrap() });
        stop
    }

    /// Waits until every stopped subscription has ended.
    async fn ended(&self) {
        self.subscriptions.close();
        timeout(SOON, self.subscriptions.wait()).await.expect("a stopped subscription ends");
    }

    async fn dead_letters(&self) -> Vec<dead_letters::DeadLetter> {
        dead_letters::list(&self.fresh.database, 100).await.unwrap()
    }
}

type Answer = dyn Fn(&[Event], &[Event]) -> Result<Progress, StoreError> + Send + Sync;

/// A handler that writes down what it was given, and what of it is done.
struct Recorder {
    answer: Box<Answer>,
    given: Mutex<Vec<Event>>,
    done: watch::Sender<Vec<Event>>,
}

impl Recorder {
    fn content() -> Arc<Self> {
        Self::answering(|_, _| Ok(Progress::Done))
    }

    /// `answer` is told the batch, and what is done.
    fn answering(
        answer: impl Fn(&[Event], &[Event]) -> Result<Progress, StoreError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), given: Mutex::default(), done: watch::Sender::default() })
    }

    /// Waits until so many events are done, and returns them.
    async fn done(&self, count: usize) -> Vec<Event> {
        self.until(|done| done.len() >= count).await
    }

    async fn until(&self, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let mut done = self.done.subscribe();
        let result = timeout(SOON, done.wait_for(|done| enough(done))).await.map(|done| done.unwrap().clone());
        result.unwrap_or_else(|_| panic!("still waiting with {} events done", self.done.borrow().len()))
    }

    fn now_done(&self) -> Vec<Event> {
        self.done.borrow().clone()
    }

    fn given(&self) -> Vec<Event> {
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

fn order(number: usize) -> OrderId {
    OrderId::derive(Timestamp::from_millis(1_780_000_000_000), &[&number.to_be_bytes()])
}

fn event(order: OrderId, nth: u32) -> Event {
    let at = Timestamp::from_millis(1_780_000_000_000 + i64::from(nth));
    Event::about(EventKind::OrderPlaced, &"sneaker".parse().unwrap(), order, at, nth)
}

fn record(event: &Event) -> OutboxRecord {
    OutboxRecord { order: event.order.to_string(), body: event.to_json(), trace: String::new() }
}

/// The first event of each of these orders.
fn events_of(orders: std::ops::Range<usize>) -> Vec<Event> {
    orders.map(|number| event(order(number), 0)).collect()
}

fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| (event.order, event.at));
    events
}

/// A test of every adapter.
#[template]
#[rstest]
#[case::local_sqlite(local_sqlite())]
#[case::live_kafka(live_kafka())]
fn every_log(#[case] bench: Bench) {}

/// A test of every adapter, and of the Kafka one beside another database.
#[template]
#[rstest]
#[case::local_sqlite(local_sqlite())]
#[case::live_kafka(live_kafka())]
#[case::live_kafka_postgres(live_kafka_postgres())]
fn every_log_and_database(#[case] bench: Bench) {}

#[apply(every_log_and_database)]
#[tokio::test]
async fn every_event_reaches_every_group(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let events = events_of(0..20);
    bench.publish(&events[..10]).await;
    let readers: Vec<_> = ConsumerGroup::ALL
        .iter()
        .map(|group| {
            let reader = Recorder::content();
            let stop = bench.subscribe(*group, &reader);
            (reader, stop)
        })
        .collect();
    bench.publish(&events[10..]).await;
    for (reader, stop) in readers {
        assert_eq!(sorted(reader.done(20).await), sorted(events.clone()));
        stop.cancel();
    }
    bench.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn the_events_of_an_order_come_in_order(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let events: Vec<_> = (0..40).flat_map(|nth| (0..25).map(move |number| event(order(number), nth))).collect();
    let reader = Recorder::content();
    let stop = bench.subscribe(ConsumerGroup::Stock, &reader);
    for part in events.chunks(150) {
        bench.publish(part).await;
    }
    let mut by_order: BTreeMap<OrderId, Vec<Event>> = BTreeMap::new();
    for event in reader.done(events.len()).await {
        by_order.entry(event.order).or_default().push(event);
    }
    assert_eq!(by_order.len(), 25);
    for events in by_order.values() {
        assert_eq!(events.len(), 40);
        assert!(events.is_sorted_by_key(|event| event.at), "{events:?}");
    }
    stop.cancel();
    bench.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn an_event_that_is_put_off_comes_again_and_other_orders_go_on_meanwhile(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let early = order(0);
    let reader = Recorder::answering(move |batch, done| match batch.iter().position(|event| event.order == early) {
        Some(first) if done.len() < 20 => Ok(Progress::Again { done: first, after_ms: 20 }),
        _ => Ok(Progress::Done),
    });
    bench.publish(&[event(early, 0), event(early, 1)]).await;
    bench.publish(&events_of(1..41)).await;
    let stop = bench.subscribe(ConsumerGroup::Payments, &reader);
    let done = reader.done(42).await;
    let of_early: Vec<_> = done.iter().filter(|event| event.order == early).cloned().collect();
    assert_eq!(of_early, [event(early, 0), event(early, 1)]);
    assert!(done.iter().position(|event| event.order == early).unwrap() >= 20);
    assert_eq!(sorted(done).len(), 42, "what was done did not come again");
    stop.cancel();
    bench.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn a_batch_that_met_trouble_comes_again_as_a_whole_however_often_it_takes(
    #[future(awt)]
    #[case]
    mut bench: Bench,
) {
    bench.impatient();
    let one = order(7);
    let failures = Mutex::new(0);
    let reader = Recorder::answering(move |_, _| {
        let mut failures = failures.lock();
        *failures += 1;
        if *failures <= 8 { Err(StoreError::Lost) } else { Ok(Progress::Done) }
    });
    let events: Vec<_> = (0..5).map(|nth| event(one, nth)).collect();
    bench.publish(&events).await;
    let stop = bench.subscribe(ConsumerGroup::Stock, &reader);
    assert_eq!(reader.done(5).await, events);
    let first = &events[0];
    assert!(reader.given().iter().filter(|event| *event == first).count() >= 9);
    assert_eq!(bench.dead_letters().await, []);
    stop.cancel();
    bench.ended().await;
}

#[apply(every_log_and_database)]
#[tokio::test]
async fn a_restarted_reader_goes_on_where_it_stopped(
    #[future(awt)]
    #[case]
    mut bench: Bench,
) {
    bench.publish(&events_of(0..20)).await;
    let before = Recorder::content();
    let stop = bench.subscribe(ConsumerGroup::Mail, &before);
    before.done(20).await;
    stop.cancel();
    bench.ended().await;

    bench.restarted().await;
    bench.publish(&events_of(20..30)).await;
    let after = Recorder::content();
    let stop = bench.subscribe(ConsumerGroup::Mail, &after);
    assert_eq!(sorted(after.done(10).await), sorted(events_of(20..30)));
    stop.cancel();
    bench.ended().await;
}

/// A handler that never comes back, like that of a process that was killed.
struct Dying(watch::Sender<usize>);

#[async_trait]
impl Handler for Dying {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        self.0.send_modify(|given| *given += batch.len());
        std::future::pending().await
    }
}

#[apply(every_log)]
#[tokio::test]
async fn what_a_reader_had_under_way_when_it_died_comes_again(
    #[future(awt)]
    #[case]
    mut bench: Bench,
) {
    let events = events_of(0..10);
    bench.publish(&events).await;
    let dying = Arc::new(Dying(watch::Sender::new(0)));
    let mut given = dying.0.subscribe();
    let reading =
        bench.log.subscribe(ConsumerGroup::Stock, Arc::clone(&dying) as Arc<dyn Handler>, CancellationToken::new());
    tokio::select! {
        _ = reading => panic!("a subscription ends only when it is stopped"),
        given = timeout(SOON, given.wait_for(|given| *given > 0)) => assert!(*given.unwrap().unwrap() > 0),
    }

    bench.restarted().await;
    let reader = Recorder::content();
    let stop = bench.subscribe(ConsumerGroup::Stock, &reader);
    assert_eq!(sorted(reader.done(10).await), sorted(events));
    stop.cancel();
    bench.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn an_event_that_was_appended_twice_reaches_the_handler_twice(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let events = events_of(0..3);
    bench.publish(&events).await;
    bench.publish(&events).await;
    let reader = Recorder::content();
    let stop = bench.subscribe(ConsumerGroup::Stock, &reader);
    let mut counts: HashMap<OrderId, usize> = HashMap::new();
    for event in reader.done(6).await {
        *counts.entry(event.order).or_default() += 1;
    }
    assert!(counts.len() == 3 && counts.values().all(|count| *count == 2), "{counts:?}");
    stop.cancel();
    bench.ended().await;
}

#[apply(every_log_and_database)]
#[tokio::test]
async fn what_is_no_event_goes_to_the_dead_letters_and_the_rest_moves_on(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let one = order(1);
    let good = record(&event(one, 0));
    let with_body = |body: String| OutboxRecord { body, ..good.clone() };
    let poison = [
        with_body("{not json".to_owned()),
        with_body("{}".to_owned()),
        with_body(good.body.replace("order.placed.v1", "order.placed.v9")),
        with_body(good.body.replace("{\"spec", &format!("{{\"x\":\"{}\",\"spec", "x".repeat(100_000)))),
        OutboxRecord { order: order(2).to_string(), ..good.clone() },
    ];
    bench.publish_records(std::slice::from_ref(&good)).await;
    bench.publish_records(&poison).await;
    bench.publish(&[event(one, 1)]).await;
    let reader = Recorder::content();
    let stop = bench.subscribe(ConsumerGroup::Payments, &reader);
    assert_eq!(reader.done(2).await, [event(one, 0), event(one, 1)]);
    stop.cancel();
    bench.ended().await;

    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 5, "{letters:?}");
    for record in &poison {
        let letter =
            letters.iter().find(|letter| letter.body == record.body.as_bytes()).expect("it is buried as it came");
        assert_eq!(letter.group, "payments");
        assert!(!letter.reason.is_empty() && letter.place.contains('/'), "{letter:?}");
    }
}

#[apply(every_log)]
#[tokio::test]
async fn an_event_that_is_put_off_too_often_goes_to_the_dead_letters(
    #[future(awt)]
    #[case]
    mut bench: Bench,
) {
    bench.impatient();
    let one = order(1);
    let never = event(one, 1);
    let reader = Recorder::answering(move |batch, _| {
        let never = batch.iter().position(|event| event.at == never.at);
        Ok(never.map_or(Progress::Done, |done| Progress::Again { done, after_ms: 1 }))
    });
    bench.publish(&[event(one, 0), event(one, 1), event(one, 2)]).await;
    let stop = bench.subscribe(ConsumerGroup::Mail, &reader);
    assert_eq!(reader.done(2).await, [event(one, 0), event(one, 2)]);
    let letters = bench.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].body, event(one, 1).to_json().into_bytes());
    stop.cancel();
    bench.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn an_event_that_is_given_up_goes_to_the_dead_letters_at_once(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let one = order(1);
    let sealed = event(one, 1);
    let reader = Recorder::answering(move |batch, _| {
        let sealed = batch.iter().position(|event| event.at == sealed.at);
        Ok(sealed.map_or(Progress::Done, |done| Progress::GiveUp { done, reason: "sealed" }))
    });
    bench.publish(&[event(one, 0), event(one, 1), event(one, 2)]).await;
    let stop = bench.subscribe(ConsumerGroup::Mail, &reader);
    assert_eq!(reader.done(2).await, [event(one, 0), event(one, 2)]);
    let given = reader.given().iter().filter(|given| **given == event(one, 1)).count();
    let letters = bench.dead_letters().await;
    assert_eq!((given, letters.len(), letters[0].reason.as_str()), (1, 1, "sealed"));
    assert_eq!(letters[0].body, event(one, 1).to_json().into_bytes());
    stop.cancel();
    bench.ended().await;
}

/// A handler that takes its time.
struct Slow(Arc<Recorder>);

#[async_trait]
impl Handler for Slow {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.0.handle(batch).await
    }
}

#[apply(every_log)]
#[tokio::test]
async fn a_slow_reader_gets_a_long_backlog_in_order_and_once(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let events: Vec<_> = (0..6_000).map(|nth| event(order(1), nth)).collect();
    bench.publish(&events).await;
    let reader = Recorder::content();
    let stop = bench.subscribe(ConsumerGroup::Stock, &Arc::new(Slow(Arc::clone(&reader))));
    assert_eq!(reader.done(events.len()).await, events);
    stop.cancel();
    bench.ended().await;
}

#[tokio::test]
async fn live_kafka_two_readers_share_the_partitions() {
    let bench = live_kafka().await;
    let (one, other) = (Recorder::content(), Recorder::content());
    let stops = [bench.subscribe(ConsumerGroup::Stock, &one), bench.subscribe(ConsumerGroup::Stock, &other)];
    let mut published = 0;
    let both_are_at_work = async {
        while one.now_done().is_empty() || other.now_done().is_empty() {
            bench.publish(&events_of(published..published + 10)).await;
            published += 10;
        }
    };
    timeout(SOON, both_are_at_work).await.expect("both get some");
    bench.publish(&events_of(published..published + 60)).await;
    let new = events_of(published..published + 60);
    let (mut of_one, mut of_other) = (one.done.subscribe(), other.done.subscribe());
    let all_arrived = async {
        while !new.iter().all(|event| one.now_done().contains(event) || other.now_done().contains(event)) {
            tokio::select! { _ = of_one.changed() => {} _ = of_other.changed() => {} }
        }
    };
    timeout(SOON, all_arrived).await.expect("together they get everything");
    assert!(new.iter().any(|event| one.now_done().contains(event)));
    assert!(new.iter().any(|event| other.now_done().contains(event)));
    stops.iter().for_each(CancellationToken::cancel);
    bench.ended().await;
}

#[tokio::test]
async fn live_kafka_nothing_is_lost_while_readers_come_and_go() {
    let bench = live_kafka().await;
    let (steady, guest) = (Recorder::content(), Recorder::content());
    let stop_steady = bench.subscribe(ConsumerGroup::Stock, &steady);
    let mut events = Vec::new();
    for round in 0..8 {
        let new = events_of(round * 40..(round + 1) * 40);
        let stop_guest = bench.subscribe(ConsumerGroup::Stock, &Arc::new(Slow(Arc::clone(&guest))));
        for part in new.chunks(8) {
            bench.publish(part).await;
        }
        // Until somebody has got some of this round, so that the guest leaves in the midst of the work.
        let mut of_steady = steady.done.subscribe();
        let some_arrived = of_steady.wait_for(|done| new.iter().any(|event| done.contains(event)));
        drop(timeout(Duration::from_secs(2), some_arrived).await);
        stop_guest.cancel();
        events.extend(new);
    }
    let (mut of_steady, mut of_guest) = (steady.done.subscribe(), guest.done.subscribe());
    let all_arrived = async {
        while !events.iter().all(|event| steady.now_done().contains(event) || guest.now_done().contains(event)) {
            tokio::select! { _ = of_steady.changed() => {} _ = of_guest.changed() => {} }
        }
    };
    timeout(SOON, all_arrived).await.expect("together they get everything");
    stop_steady.cancel();
    bench.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn when_one_of_two_readers_stops_the_other_goes_on_for_both(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let (one, other) = (Recorder::content(), Recorder::content());
    let stop_one = bench.subscribe(ConsumerGroup::Stock, &one);
    bench.publish(&events_of(0..1)).await;
    one.done(1).await;
    let stop_other = bench.subscribe(ConsumerGroup::Stock, &other);
    bench.publish(&events_of(1..30)).await;
    stop_one.cancel();
    bench.publish(&events_of(30..60)).await;
    other.until(|done| events_of(30..60).iter().all(|event| done.contains(event))).await;
    let all = [one.now_done(), other.now_done()].concat();
    assert!(events_of(0..60).iter().all(|event| all.contains(event)));
    stop_other.cancel();
    bench.ended().await;
}

/// Reads and writes for every event, many of them at the same time, as the workers do.
struct Busy {
    database: stores::database::Database,
    done: watch::Sender<usize>,
}

#[async_trait]
impl Handler for Busy {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        let work = batch.iter().map(|_| async {
            outbox::unpublished(&self.database, 1).await?;
            self.database.begin().await?.commit().await?;
            Ok::<(), StoreError>(())
        });
        futures::future::try_join_all(work).await?;
        self.done.send_modify(|done| *done += batch.len());
        Ok(Progress::Done)
    }
}

/// The log and its handlers stand in one queue for the connections of the database: while the log waits in it, the
/// handlers before it have to go on.
#[rstest]
#[case::local_sqlite(local_sqlite())]
#[case::live_kafka_postgres(live_kafka_postgres())]
#[tokio::test]
async fn handlers_go_on_while_the_log_waits_for_the_database(
    #[future(awt)]
    #[case]
    bench: Bench,
) {
    let busy = Arc::new(Busy { database: bench.fresh.database.clone(), done: watch::Sender::default() });
    let stop = bench.subscribe(ConsumerGroup::Payments, &busy);
    for first in (0..1_000).step_by(100) {
        bench.publish(&events_of(first..first + 100)).await;
    }
    let mut done = busy.done.subscribe();
    let all = timeout(SOON, done.wait_for(|done| *done >= 1_000)).await;
    assert!(all.is_ok(), "still waiting with {} events done", *busy.done.borrow());
    stop.cancel();
    bench.ended().await;
}
