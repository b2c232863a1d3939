//! A shop under test: one method per thing that a buyer or a loop does, and a last look at what must always hold.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use checkout::{
    CheckoutError, PaymentRequester, ReserveRequest, ReservedOrder, Reserver,
    cancel::cancel,
    reserve::{RequestedContact, RequestedLine, ReserveBody},
    verify::{self, Books, Report, Verifier},
};
use parking_lot::Mutex;
use rstest_reuse::template;
use sale::{
    Clock, Event, Keys, OrderId, OrderState, Pass, SaleId, Timestamp,
    ids::charge_key,
    sale::Place,
    testing::{ITEM, SaleBuilder, buyer, pass},
};
use stores::{
    StoreError,
    database::{
        Database, epochs, leadership,
        orders::{self, Order},
        outbox, passes,
        payments::PayRequest,
        sales, sequence,
    },
    events::OutboxRecord,
    payments::{ChargeRef, PaymentProvider, Sandbox, SandboxSettings},
    queue_store::{self, CallBatch, EnterRequest, JoinOutcome, JoinRequest, Queue as _, QueueKey, SaleQueueStore},
    testing::{self, Fresh},
};
use tokio_util::task::TaskTracker;

use crate::{process::Process, unreliable::Unreliable};

/// Which stores a story runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// SQLite and this process's memory.
    Embedded,
    /// PostgreSQL and the queue store of `OPENRUN_TEST_QUEUE_URL`.
    Live,
}

/// A story that is told on every engine.
#[template]
#[rstest::rstest]
#[case::embedded(crate::shop::Engine::Embedded)]
#[case::live_engines(crate::shop::Engine::Live)]
pub(crate) fn every_engine(#[case] engine: Engine) {}

/// Longer than any hold, lease or grace.
pub(crate) const LONG_MS: i64 = 3_600_000;

pub(crate) struct Shop {
    fresh: Fresh,
    pub(crate) database: Database,
    pub(crate) queue: Arc<Unreliable<dyn SaleQueueStore>>,
    pub(crate) provider: Arc<Unreliable<dyn PaymentProvider>>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) reserver: Reserver,
    pub(crate) payment_requester: PaymentRequester,
    pub(crate) process: Process,
    pub(crate) sale: SaleId,
    /// What was taken out of the outbox.
    log: Mutex<Vec<OutboxRecord>>,
    buyers: AtomicU32,
    closed: bool,
}

impl Shop {
    pub(crate) async fn open(engine: Engine, units: u32, limit: u32) -> Self {
        Self::selling(engine, |sale| sale.units(units).with(|sale| sale.per_buyer_limit = limit)).await
    }

    pub(crate) async fn selling(engine: Engine, build: impl FnOnce(SaleBuilder) -> SaleBuilder) -> Self {
        let fresh = match engine {
            Engine::Embedded => testing::sqlite().await,
            Engine::Live => testing::live_postgres().await,
        };
        let queue_url = match engine {
            Engine::Embedded => "memory:".to_owned(),
            Engine::Live => testing::live_url("OPENRUN_TEST_QUEUE_URL", "redis://127.0.0.1:6379"),
        };
        let queue = queue_store::connect(&queue_url).unwrap();
        let now = fresh.database.now();
        // However slow the machine, only the story lets time go by.
        let database = fresh.database.clone().with_clock(Arc::new(Clock::fixed(now)));
        // A queue store is shared by all tests; the sale is nobody else's.
        let sale: SaleId = format!("sale-{}", OrderId::derive(now, &[fresh.url.as_bytes()])).parse().unwrap();
        let built = build(SaleBuilder::new(sale.clone(), now)).build();
        testing::create_sale(&database, queue.as_ref(), &built).await;
        let settings = SandboxSettings { latency_ms: 0, ..SandboxSettings::default() };
        let sandbox: Arc<dyn PaymentProvider> = Arc::new(Sandbox::new(database.clone(), settings));
        Self::with(fresh, database, Unreliable::new(queue), Unreliable::new(sandbox), sale)
    }

    fn with(
        fresh: Fresh,
        database: Database,
        queue: Arc<Unreliable<dyn SaleQueueStore>>,
        provider: Arc<Unreliable<dyn PaymentProvider>>,
        sale: SaleId,
    ) -> Self {
        let keys = Arc::new(Keys::generate());
        let gate: Arc<dyn SaleQueueStore> = queue.clone();
        Self {
            reserver: Reserver::new(database.clone(), gate.clone(), keys.clone(), &TaskTracker::new()),
            payment_requester: PaymentRequester::new(database.clone(), provider.clone(), &TaskTracker::new()),
            process: Process::new(database.clone(), gate, provider.clone()),
            fresh,
            database,
            queue,
            provider,
            keys,
            sale,
            log: Mutex::default(),
            buyers: AtomicU32::new(0),
            closed: false,
        }
    }

    /// The database as another process sees it, at the same time.
    pub(crate) async fn second_database(&self) -> Database {
        self.fresh.open_again().await.with_clock(Arc::clone(self.database.clock()))
    }

    /// A second process on the same stores.
    pub(crate) async fn second_reserver(&self) -> Reserver {
        let database = self.second_database().await;
        Reserver::new(database, self.queue.clone(), self.keys.clone(), &TaskTracker::new())
    }

    pub(crate) async fn second_process(&self) -> Process {
        Process::new(self.second_database().await, self.queue.clone(), self.provider.clone())
    }

    /// A sale whose maker died before it had a line.
    pub(crate) async fn sale_without_a_line(&self) -> SaleId {
        let orphan: SaleId = format!("{}-orphan", self.sale).parse().unwrap();
        let built = SaleBuilder::new(orphan.clone(), self.database.now()).build();
        testing::create_sale_without_queue(&self.database, &built).await;
        orphan
    }

    pub(crate) async fn queue_key(&self) -> QueueKey {
        epochs::queue_key(&self.database, &self.sale).await.unwrap().unwrap()
    }

    /// So many buyers join, are called and come in.
    pub(crate) async fn buyers(&self, count: u32) -> Vec<Pass> {
        let (key, now) = (self.queue_key().await, self.database.now());
        sequence::allocate(&self.database, &key, u64::from(count)).await.unwrap();
        let first = self.buyers.fetch_add(count, Ordering::Relaxed);
        let all: Vec<_> = (first..first + count).map(|n| buyer(n.into())).collect();
        let joins: Vec<_> = all.iter().map(|buyer| JoinRequest { buyer: *buyer, ticket: None }).collect();
        let joined = self.queue.join(&key, &joins, u64::MAX >> 1, now).await.unwrap();
        let places: Vec<_> = all
            .iter()
            .zip(joined)
            .map(|(buyer, joined)| match joined {
                JoinOutcome::New { number, .. } => Place { buyer: *buyer, number },
                other => panic!("a new buyer was given {other:?}"),
            })
            .collect();
        self.call(&key, now).await;
        self.enter(&key, &places, now).await
    }

    async fn call(&self, key: &QueueKey, now: Timestamp) {
        let lead =
            leadership::acquire(&self.database, &self.sale, "test", now, now.plus_millis(LONG_MS)).await.unwrap();
        let term = lead.unwrap().term;
        let last = self.queue.observe(key, 0).await.unwrap().last_number;
        sequence::mark_called(&self.database, key, term, last).await.unwrap();
        let batch = CallBatch { term, seq: last, calls: last, up_to: last, until: now.plus_millis(LONG_MS) };
        self.queue.call(key, batch, now).await.unwrap();
    }

    async fn enter(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Vec<Pass> {
        let passes: Vec<_> =
            places.iter().map(|place| pass(&self.sale, *place, now, now.plus_millis(LONG_MS))).collect();
        let enters: Vec<_> = passes
            .iter()
            .zip(places)
            .map(|(pass, place)| EnterRequest {
                place: *place,
                ticket_epoch: key.epoch,
                pass: pass.id,
                expires_at: pass.expires_at,
            })
            .collect();
        self.queue.enter(key, &enters, now).await.unwrap();
        assert!(passes::issue(&self.database, &passes).await.unwrap().iter().all(Option::is_some));
        passes
    }

    pub(crate) async fn buyer(&self) -> Pass {
        self.buyers(1).await.pop().unwrap()
    }

    pub(crate) async fn reserve(&self, pass: &Pass, key: &str) -> Result<ReservedOrder, CheckoutError> {
        self.reserver.reserve(reserve_request(pass, key, 1)).await
    }

    /// A buyer with an order.
    pub(crate) async fn order(&self) -> Order {
        let pass = self.buyer().await;
        self.reserve(&pass, "key").await.unwrap().order
    }

    pub(crate) async fn pay(&self, order: OrderId, method: &str, key: &str) -> Result<Order, CheckoutError> {
        let request = PayRequest { order, idempotency_key: key.to_owned(), method: method.to_owned() };
        self.payment_requester.request(request).await
    }

    /// A buyer with an order, whose payment was requested.
    pub(crate) async fn paying(&self, method: &str) -> OrderId {
        let order = self.order().await.id;
        self.pay(order, method, "pay").await.unwrap();
        order
    }

    pub(crate) async fn cancel(&self, order: OrderId) -> Result<Order, CheckoutError> {
        cancel(&self.database, order).await
    }

    pub(crate) async fn view(&self, order: OrderId) -> Order {
        orders::view(&self.database, order).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, order: OrderId) -> OrderState {
        self.view(order).await.state
    }

    /// The provider's books.
    pub(crate) async fn books(&self) -> Books {
        let until = self.database.now().plus_millis(LONG_MS);
        verify::read_books(self.provider.as_ref(), Timestamp::default(), until).await.unwrap()
    }

    /// The provider's webhook says that the charges of a key have changed.
    pub(crate) async fn webhook(&self, key: &str) {
        for charge in self.books().await.charges.iter().filter(|charge| charge.key.as_deref() == Some(key)) {
            let charge = ChargeRef { key: key.to_owned(), provider_id: charge.provider_id.clone() };
            self.process.payments.on_webhook(&charge).await.unwrap();
        }
    }

    /// The provider says that the charge was captured after all, and its webhook hints at it.
    pub(crate) async fn captured_after_all(&self, order: OrderId, attempt: u32) {
        let key = charge_key(order, attempt);
        testing::force_charge(&self.database, &key, "captured").await;
        self.webhook(&key).await;
    }

    /// What the provider has taken altogether.
    pub(crate) async fn captured(&self) -> i64 {
        self.books().await.charges.iter().map(|charge| charge.captured).sum()
    }

    /// Free, held and sold units, which gate and database must agree on.
    pub(crate) async fn units(&self) -> (i64, i64, i64) {
        let stock = sales::stock(&self.database, &self.sale).await.unwrap();
        let key = self.queue_key().await;
        let gate = self.queue.observe(&key, 0).await.unwrap().stock;
        assert_eq!(stock, gate, "the database and the gate count differently");
        (stock[0].free, stock[0].held, stock[0].sold)
    }

    pub(crate) fn pass_time(&self, millis: i64) {
        self.database.clock().set(self.database.now().plus_millis(millis));
    }

    /// Every event so far, as it was written.
    pub(crate) async fn records(&self) -> Vec<OutboxRecord> {
        let waiting = outbox::unpublished(&self.database, 100_000).await.unwrap();
        let mut all = self.log.lock().clone();
        all.extend(waiting.into_iter().map(|(_, record)| record));
        all
    }

    /// Every event so far.
    pub(crate) async fn events(&self) -> Vec<Event> {
        parsed(&self.records().await)
    }

    /// Takes the events that were not delivered yet.
    pub(crate) async fn new_events(&self) -> Vec<Event> {
        let records = self.process.new_events().await;
        let events = parsed(&records);
        self.log.lock().extend(records);
        events
    }

    pub(crate) async fn hand_over(&self, events: &[Event]) -> Result<(), StoreError> {
        self.process.hand_over(events).await
    }

    /// Delivers until the log is quiet.
    pub(crate) async fn deliver(&self) {
        loop {
            let events = self.new_events().await;
            if events.is_empty() {
                return;
            }
            self.hand_over(&events).await.unwrap();
        }
    }

    /// One round of every loop.
    pub(crate) async fn loops(&self) {
        self.process.loops().await;
    }

    /// Lets time go by until nothing is under way any more.
    pub(crate) async fn calm_down(&self) {
        for _ in 0..8 {
            self.deliver().await;
            self.loops().await;
            self.pass_time(31_000);
        }
        self.deliver().await;
        self.loops().await;
    }

    pub(crate) async fn verify(&self) -> Report {
        let verifier =
            Verifier { database: self.database.clone(), queue: self.queue.clone(), provider: self.provider.clone() };
        verifier.verify(Some(&self.sale), Duration::ZERO).await.unwrap()
    }

    /// Verifies the sale and returns the kinds of its findings.
    pub(crate) async fn found(&self) -> Vec<&'static str> {
        self.verify().await.found.into_iter().map(|found| found.what).collect()
    }

    /// What must always hold when nothing is under way; every story ends with it.
    pub(crate) async fn close(mut self) {
        self.closed = true;
        self.deliver().await;
        self.loops().await;
        let report = self.verify().await;
        assert_eq!(report.differences, 0, "{:#?}", report.found);
        let (free, held, sold) = self.units().await;
        let sale = sales::load(&self.database, &self.sale).await.unwrap().unwrap().sale;
        assert_eq!(u64::try_from(free + held + sold).unwrap(), sale.units(), "units were lost or made");
        let paid = orders::counts(&self.database, &self.sale).await.unwrap();
        let paid = paid.iter().find(|(state, _)| *state == OrderState::Paid).map_or(0, |(_, count)| *count);
        assert!(paid <= u64::try_from(sold).unwrap(), "{paid} paid orders and {sold} units sold");
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        assert!(self.closed || std::thread::panicking(), "a story has to end with `close`");
    }
}

pub(crate) fn reserve_request(pass: &Pass, key: &str, quantity: i64) -> ReserveRequest {
    ReserveRequest {
        pass: pass.clone(),
        key: key.to_owned(),
        body: ReserveBody {
            lines: vec![RequestedLine { item: ITEM.to_owned(), quantity }],
            contact: Some(RequestedContact { email: "buyer@example.com".to_owned(), locale: Some("ko".to_owned()) }),
        },
        trace: String::new(),
    }
}

pub(crate) fn parsed(records: &[OutboxRecord]) -> Vec<Event> {
    records.iter().map(|record| Event::parse(record.body.as_bytes()).unwrap()).collect()
}
