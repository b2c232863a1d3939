//! The database: the authority on stock, holds, orders, payments, passes, numbers and leases.
//!
//! PostgreSQL or SQLite through sqlx `Any`; where the dialects differ both statements stand side by side in a [`Sql`].
//! One module per business step. Every move is a guarded update, so a repeated or lost race changes nothing.

pub mod audit_log;
pub mod cases;
pub mod consistency;
pub mod dead_letters;
pub mod epochs;
mod hold_transitions;
pub mod holds;
pub mod inbox;
pub mod installation;
pub mod late_payment;
pub mod leadership;
pub mod leases;
pub mod log_cursors;
pub mod migrations;
pub mod money_moves;
mod order_transitions;
pub mod orders;
pub mod outbox;
pub mod outbox_notifier;
mod parameters;
pub mod passes;
pub mod payments;
pub mod place;
pub mod refunds;
pub mod reset;
pub(crate) mod row;
pub mod sales;
pub mod sellers;
pub mod sequence;
pub mod settle;
pub mod snapshot;
pub mod sql;

use std::{sync::Arc, time::Duration};

use sale::{Clock, Timestamp};
use sqlx::{
    Any, AnyPool, Connection as _, Executor as _, SqlSafeStr, Transaction,
    any::{AnyPoolOptions, install_default_drivers},
};

use self::outbox_notifier::OutboxNotifier;
pub use self::sql::Sql;
use crate::StoreError;

/// How long a request waits for a free connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection is taken for alive after it was last used. Each use ends with an answer of the server.
const ALIVE_FOR: Duration = Duration::from_secs(1);

/// How [`Database::read_whole`] begins on PostgreSQL.
const READ_WHOLE_TABLES: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL enable_seqscan = on; \
    SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    Sqlite,
}

/// A transaction; dropped without a commit it is rolled back.
pub type Tx = Transaction<'static, Any>;

/// A pool of connections, and the clock that decides deadlines.
#[derive(Clone, Debug)]
pub struct Database {
    dialect: Dialect,
    read: AnyPool,
    /// SQLite has one writer: a pool of one connection, so that writers wait in line here and never meet a busy file.
    write: AnyPool,
    clock: Arc<Clock>,
    outbox_notifier: OutboxNotifier,
}

impl Database {
    /// Opens `postgres://…` or `sqlite:PATH`.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        install_default_drivers();
        let database = if let Some(path) = url.strip_prefix("sqlite:") {
            let url = format!("sqlite:{path}?mode=rwc");
            let write = sqlite_pool(1).connect(&url).await?;
            let read = sqlite_pool(4).connect(&url).await?;
            let clock = Arc::new(Clock::system());
            Self { dialect: Dialect::Sqlite, read, write, clock, outbox_notifier: OutboxNotifier::default() }
        } else {
            let pool = postgres_pool().connect(url).await?;
            let clock = Arc::new(Clock::system());
            Self {
                dialect: Dialect::Postgres,
                read: pool.clone(),
                write: pool,
                clock,
                outbox_notifier: OutboxNotifier::default(),
            }
        };
        database.sync_clock().await?;
        Ok(database)
    }

    /// The same database with the clock of a test.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_clock(self, clock: Arc<Clock>) -> Self {
        Self { clock, ..self }
    }

    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self.dialect, Dialect::Postgres)
    }

    /// The database's clock, as last read by this process.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Notifies when events are written in this process.
    pub const fn outbox_notifier(&self) -> &OutboxNotifier {
        &self.outbox_notifier
    }

    /// Closes its connections, as the end of the process would.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// Reads the database's clock. Call it periodically; it fails when the database is unavailable.
    pub async fn sync_clock(&self) -> Result<(), StoreError> {
        const NOW: Sql = Sql {
            postgres: "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
            sqlite: "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        };
        let now = sqlx::query_scalar(self.sql(NOW)).fetch_one(&self.read).await?;
        self.clock.set(Timestamp::from_millis(now));
        Ok(())
    }

    /// This database's side of a statement.
    pub const fn sql(&self, sql: Sql) -> &'static str {
        sql.of(self.dialect)
    }

    /// For statements that only read.
    pub const fn reader(&self) -> &AnyPool {
        &self.read
    }

    /// For a single statement that writes.
    pub const fn writer(&self) -> &AnyPool {
        &self.write
    }

    /// Commits a transaction that may have appended events, and notifies their readers in this process.
    pub(crate) async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        tx.commit().await?;
        self.outbox_notifier.notify();
        Ok(())
    }

    /// Begins a transaction that reads whole tables as of one moment.
    pub(crate) async fn read_whole(&self) -> Result<Tx, StoreError> {
        Ok(match self.dialect {
            Dialect::Postgres => begin_to_the_end(&self.read, Some(READ_WHOLE_TABLES)).await?,
            Dialect::Sqlite => self.read.begin().await?,
        })
    }

    /// Begins a transaction that will write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(match self.dialect {
            Dialect::Postgres => begin_to_the_end(&self.write, None).await?,
            Dialect::Sqlite => self.write.begin_with("BEGIN IMMEDIATE").await?,
        })
    }
}

/// Begins a transaction, whether or not the caller goes on waiting for it.
///
/// When a future is dropped while `BEGIN` is in flight, sqlx returns the connection to the pool with an open transaction that
/// it does not know of, and the next single statement on it would never be committed. In a task of its own `BEGIN` is always
/// answered, and a transaction that nobody takes is rolled back.
#[expect(clippy::disallowed_methods, reason = "one round trip, on which nothing depends once its caller is gone")]
async fn begin_to_the_end(pool: &AnyPool, statement: Option<&'static str>) -> sqlx::Result<Tx> {
    let connection = pool.acquire().await?;
    let begin = Transaction::begin(connection, statement.map(SqlSafeStr::into_sql_str));
    tokio::spawn(begin).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// A file does not hang up, so its connections are never tested; see [`postgres_pool`] for what a test costs.
fn sqlite_pool(connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection
                    .execute(
                        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; \
                         PRAGMA foreign_keys = ON",
                    )
                    .await?;
                Ok(())
            })
        })
}

/// Locks: a stopped process must not keep rows locked, so PostgreSQL ends its idle transaction.
///
/// Tests: sqlx asks a connection for a sign of life before it hands it out, and drops the connection when whoever waits gives
/// up meanwhile. A busy database would lose a connection with each request that gives up, and be busier for the new ones.
/// So only a connection that has been idle for [`ALIVE_FOR`] is asked, which a busy one never is.
///
/// Plans: PostgreSQL keeps the plan of a statement, and the tables are empty when a sale opens. A plan that scans or
/// hash-joins a whole table then would be kept while the table grows to a hundred thousand rows, so such plans are off.
/// Statements that read whole tables use [`Database::read_whole`]. Lists of ids are `= ANY (ARRAY(…))` (`@in` in [`Sql`]),
/// which uses the index however small the table seems; `IN (SELECT …)` may become a join. A partial index over what waits to
/// be done seems empty when a sale opens, and a statement that finds rows by key would go through all of it for each row; so
/// such a statement writes what the index is over as `(…) IS TRUE`, from which PostgreSQL concludes nothing. A test looks at
/// the plan of every statement (`stores/tests/schema/plans.rs`).
fn postgres_pool() -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(16)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for >= ALIVE_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection
                    .execute(
                        "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
                         SET idle_in_transaction_session_timeout = '5s'; \
                         SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
                         SET random_page_cost = 1; SET jit = off",
                    )
                    .await?;
                Ok(())
            })
        })
}
