//! Fresh stores for tests: a database, a Redis and a sale with its queue, each of a test's own; and the addresses of the live
//! engines.
//!
//! Behind the feature `testing`. Tests that need a live engine have `live_` in their names; without its address they
//! fail with a sentence.

mod redis_server;

use std::{
    fmt::Display,
    net::TcpListener,
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
};

use sale::{
    EpochNonce, Language, OrderId, Pass, PaymentState, Sale, Text, Timestamp,
    ids::PaymentId,
    testing::{ITEM, PRICE, won},
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, any::install_default_drivers};
use tempfile::TempDir;

pub use self::redis_server::RedisServer;

use crate::{
    database::{
        Database,
        audit_log::AuditEntry,
        epochs::{self, Loss},
        payments::PaymentRow,
        place::{NewOrder, PricedLine},
        sales, snapshot,
    },
    queue_store::{QueueKey, SaleQueueStore},
};

/// Below the ephemeral ports: an outgoing connection must not take the port of a process that is restarting.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A migrated database that nobody else uses.
#[derive(Debug)]
pub struct Fresh {
    pub database: Database,
    pub url: String,
    /// The folder of SQLite's file, removed with this value.
    _folder: Option<TempDir>,
}

impl Fresh {
    /// Opens the same database once more, as another process or a restarted one would.
    pub async fn open_again(&self) -> Database {
        must("open the test database again", Database::open(&self.url).await)
    }
}

/// A new SQLite file in a temporary folder.
pub async fn sqlite() -> Fresh {
    let folder = must("make a temporary folder", tempfile::tempdir());
    let url = format!("sqlite:{}", folder.path().join("openrun.db").display());
    migrated(url, Some(folder)).await
}

/// A new database on the PostgreSQL server of `OPENRUN_TEST_DATABASE_URL`. It is kept after the test, to be
/// inspected; the server is thrown away as a whole.
pub async fn live_postgres() -> Fresh {
    install_default_drivers();
    let admin = live_url("OPENRUN_TEST_DATABASE_URL", "postgres://openrun@127.0.0.1:5432/openrun");
    let name = unique("openrun_test");
    let mut url = must("read OPENRUN_TEST_DATABASE_URL", url::Url::parse(&admin));
    let mut connection = must("reach the PostgreSQL of the tests", AnyConnection::connect(&admin).await);
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    must("create a test database", connection.execute(create).await);
    must("leave the PostgreSQL of the tests", connection.close().await);
    url.set_path(&name);
    migrated(url.into(), None).await
}

/// `OPENRUN_TEST_EVENTS_URL` with a random prefix, so that tests do not share topics and groups.
pub fn live_events_url() -> String {
    let url = live_url("OPENRUN_TEST_EVENTS_URL", "kafka://127.0.0.1:9092");
    format!("{}/{}", url.trim_end_matches('/'), unique("test"))
}

/// The address of a live engine, which `./test` sets.
#[expect(clippy::disallowed_methods, reason = "tests read the addresses of engines from the environment")]
pub fn live_url(variable: &str, example: &str) -> String {
    let sentence =
        format!("reach the engine of this test; set {variable} (like {example}) or run ./test, which starts it");
    must(&sentence, std::env::var(variable))
}

async fn migrated(url: String, folder: Option<TempDir>) -> Fresh {
    let database = must("open a fresh database", Database::open(&url).await);
    must("migrate a fresh database", database.migrate().await);
    Fresh { database, url, _folder: folder }
}

/// A free port. Each is returned once, because a process may not have bound its own yet.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    static FIRST: LazyLock<u16> = LazyLock::new(|| rand::random_range(0..PORTS.end - PORTS.start));
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + FIRST.wrapping_add(given) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A unique name, of characters that databases and topics allow.
fn unique(what: &str) -> String {
    format!("{what}_{:016x}", rand::random::<u64>())
}

#[expect(clippy::panic, reason = "a test that cannot be set up fails with a sentence")]
fn must<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("cannot {what}: {error}"))
}

/// An action of a seller.
pub fn seller_entry(at: Timestamp, action: &str) -> AuditEntry {
    AuditEntry { at, actor: "seller".to_owned(), action: action.to_owned(), detail: String::new() }
}

/// A sale whose process stopped before the sale had a queue.
pub async fn create_sale_without_queue(database: &Database, sale: &Sale) {
    must("create a sale", sales::create(database, sale, &seller_entry(sale.created_at, "create")).await);
}

/// A sale with its queue, in the first epoch.
pub async fn create_sale(database: &Database, queue: &dyn SaleQueueStore, sale: &Sale) -> QueueKey {
    create_sale_without_queue(database, sale).await;
    restore_queue(database, queue, &Loss::of_new_sale(&sale.id)).await
}

/// Fills a lost queue from the database, in a new epoch.
pub async fn restore_queue(database: &Database, queue: &dyn SaleQueueStore, loss: &Loss) -> QueueKey {
    let raised = epochs::raise(database, loss, EpochNonce::random(), database.now()).await;
    let key =
        must("be the only one to restore a queue", must("raise an epoch", raised).ok_or("another epoch has begun"));
    let snapshot = must("read a sale", snapshot::read(database, &key.sale).await);
    must("fill the queue of a sale", queue.rebuild(&key, &snapshot, database.now()).await);
    key
}

/// An order of one unit with this pass, as the checkout would place it.
pub fn new_order(id: OrderId, pass: &Pass) -> NewOrder {
    NewOrder {
        id,
        pass: pass.id,
        number: pass.number,
        buyer: pass.buyer,
        lines: vec![PricedLine {
            item: must("read the id of an item", ITEM.parse()),
            name: Text { ko: "한 켤레".to_owned(), en: "One pair".to_owned() },
            quantity: 1,
            unit_amount: PRICE,
        }],
        currency: won(PRICE).currency,
        request_hash: String::new(),
        locale: Language::Ko,
        contact: None,
        trace: String::new(),
    }
}

/// The first attempt of an order to pay, of which the provider knows nothing yet.
pub fn attempt(order: OrderId, state: PaymentState) -> PaymentRow {
    PaymentRow {
        id: PaymentId::of(order, 1),
        order,
        sale: must("read the id of a sale", "sale".parse()),
        attempt: 1,
        method: String::new(),
        money: won(PRICE),
        captured: 0,
        state,
        intent: None,
        void_for: None,
        last: false,
        provider_id: None,
        polls: 0,
        needs_review: false,
        changed_at: Timestamp::default(),
    }
}

/// Changes the state of a charge of the sandbox, as if the bank had changed its mind.
pub async fn force_charge(database: &Database, key: &str, state: &'static str) {
    let changed = sqlx::query("UPDATE sandbox_charges SET state = $2 WHERE key = $1")
        .bind(key)
        .bind(state)
        .execute(database.writer())
        .await;
    must("change a charge of the sandbox", changed);
}

/// Changes the amount of a charge of the sandbox.
pub async fn force_charge_amount(database: &Database, key: &str, amount: i64) {
    let changed = sqlx::query("UPDATE sandbox_charges SET amount = $2 WHERE key = $1")
        .bind(key)
        .bind(amount)
        .execute(database.writer())
        .await;
    must("change a charge of the sandbox", changed);
}

/// The sandbox forgets all keys, as a provider does after some time: the same key makes another charge from now on.
pub async fn forget_keys(database: &Database) {
    let changed = sqlx::query("UPDATE sandbox_charges SET remembered = 0").execute(database.writer()).await;
    must("make the sandbox forget", changed);
}

/// The first step of its schema had other statements before the first release.
pub async fn make_older_than_the_first_release(database: &Database) {
    let changed = sqlx::query("UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1")
        .bind(vec![7_u8; 48])
        .execute(database.writer())
        .await;
    must("change the checksum of the first step", changed);
}
