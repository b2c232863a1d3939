//! A world of a bench's own: a fresh database, sales with names that nobody else has, keys, and the processes of the
//! program that work on them.

use std::{collections::BTreeMap, fs, sync::Arc, thread::sleep, time::Duration};

use anyhow::{Context as _, ensure};
use harness::{
    Program,
    http::{Answer, Request},
    process::Process,
};
use sale::{Keys, Sale, SaleId, Timestamp, clock::monotonic, pass::PassIssuer, testing::SaleBuilder};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, any::install_default_drivers};
use stores::{
    database::Database,
    queue_store::{self, QueueKey, SaleQueueStore},
    testing,
};
use tempfile::TempDir;
use url::Url;

use crate::settings::Settings;

/// The issuer of passes; nobody connects to it.
const PUBLIC_URL: &str = "http://localhost:8080";
/// A frame follows the line by some ticks, and a busy process its stores by some more.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) keys: Keys,
    pub(crate) passes: PassIssuer,
    pub(crate) database: Database,
    pub(crate) queue: Arc<dyn SaleQueueStore>,
    pub(crate) environment: BTreeMap<String, String>,
    database_name: String,
    sales: parking_lot::Mutex<Vec<SaleId>>,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new(settings: &Settings) -> anyhow::Result<Self> {
        install_default_drivers();
        let folder = tempfile::tempdir()?;
        let keys = Keys::generate();
        let keys_file = folder.path().join("keys.json");
        fs::write(&keys_file, serde_json::to_string(&keys)?)?;
        let database_name = format!("openrun_bench_{:016x}", rand::random::<u64>());
        administer(settings, format!("CREATE DATABASE {database_name}")).await?;
        let mut database_url = Url::parse(&settings.database_url)?;
        database_url.set_path(&database_name);
        let database = Database::open(database_url.as_str()).await?;
        database.migrate().await?;
        let events_url = format!("{}/{database_name}", settings.events_url.trim_end_matches('/'));
        let environment = [
            ("OPENRUN_DATABASE_URL", database_url.as_str()),
            ("OPENRUN_QUEUE_URL", &settings.queue_url),
            ("OPENRUN_EVENTS_URL", &events_url),
            ("OPENRUN_KEYS_FILE", &keys_file.display().to_string()),
            ("OPENRUN_PUBLIC_URL", PUBLIC_URL),
            ("OPENRUN_SANDBOX_LATENCY_MS", "0"),
        ];
        Ok(Self {
            settings: settings.clone(),
            passes: PassIssuer::new(PUBLIC_URL, &keys)?,
            keys,
            queue: queue_store::connect(&settings.queue_url)?,
            environment: environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            database,
            database_name,
            sales: parking_lot::Mutex::default(),
            folder,
        })
    }

    /// Reads and signs the passes of this world.
    pub(crate) fn pass_book(&self) -> anyhow::Result<PassIssuer> {
        Ok(PassIssuer::new(PUBLIC_URL, &self.keys)?)
    }

    /// A sale that is open and calls nobody, with its line ready. `change` makes it another one first.
    pub(crate) async fn open_sale(&self, change: impl FnOnce(&mut Sale)) -> anyhow::Result<QueueKey> {
        let id: SaleId = format!("bench-{:016x}", rand::random::<u64>()).parse()?;
        self.sales.lock().push(id.clone());
        let mut sale = plain_sale(id, self.database.now());
        change(&mut sale);
        Ok(testing::create_sale(&self.database, self.queue.as_ref(), &sale).await)
    }

    /// Starts a process; it is ready when this returns. `settings` are variables beside those of the world.
    pub(crate) fn start(&self, name: &str, roles: &[&str]) -> Process {
        let program = Program::at(&self.settings.program);
        let mut process = Process::start(&program, name, roles, self.folder.path(), &self.environment);
        process.await_ready(Duration::from_millis(50));
        process
    }

    /// The line as it is run in production: a process that answers, and one that leads and guards.
    pub(crate) fn start_line(&self) -> (Process, Process) {
        (self.start("front", &["waiting-room"]), self.start("back", &["admission", "stock"]))
    }

    /// Takes a sale out of the queue store. It is closed first, so that no guard fills it again.
    pub(crate) async fn forget(&self, key: &QueueKey) -> anyhow::Result<()> {
        const CLOSE: &str = "UPDATE sales SET closing = 1, closed_at = 1 WHERE id = $1";
        sqlx::query(CLOSE).bind(key.sale.as_str()).execute(self.database.writer()).await?;
        Ok(self.queue.forget(&key.sale).await?)
    }

    /// Forgets what the bench has made on engines that may be somebody else's.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        let sales: Vec<_> = self.sales.lock().drain(..).collect();
        for sale in sales {
            self.queue.forget(&sale).await?;
        }
        self.database.reader().close().await;
        self.database.writer().close().await;
        administer(&self.settings, format!("DROP DATABASE {} WITH (FORCE)", self.database_name)).await
    }
}

async fn administer(settings: &Settings, statement: String) -> anyhow::Result<()> {
    let mut connection = AnyConnection::connect(&settings.database_url).await.context("cannot reach PostgreSQL")?;
    connection.execute(AssertSqlSafe(statement)).await?;
    Ok(connection.close().await?)
}

/// More units than anybody could take, and nobody called.
fn plain_sale(id: SaleId, now: Timestamp) -> Sale {
    let plain = SaleBuilder::new(id, now).units(10_000_000).with(|sale| {
        sale.hold_seconds = 3_600;
        sale.enter_seconds = 900;
        sale.admission.per_minute = 0;
        sale.admission.max_active = 10_000_000;
    });
    plain.build()
}

/// Waits until a process shows a frame of which `is_so` holds.
pub(crate) fn await_frame(
    process: &Process,
    key: &QueueKey,
    is_so: impl Fn(&sale::Frame) -> bool,
) -> anyhow::Result<sale::Frame> {
    let request = Request::get(format!("/v1/sales/{}/frame", key.sale));
    let answer = await_answer(process, &request, |answer| frame_of(answer).is_some_and(|frame| is_so(&frame)))?;
    frame_of(&answer).context("an answer without a frame")
}

/// The frame in an answer, if it is one.
pub(crate) fn frame_of(answer: &Answer) -> Option<sale::Frame> {
    serde_json::from_slice(&answer.body).ok()
}

/// Asks a process until `is_so` holds of its answer.
pub(crate) fn await_answer(
    process: &Process,
    request: &Request,
    is_so: impl Fn(&Answer) -> bool,
) -> anyhow::Result<Answer> {
    let started = monotonic();
    loop {
        let answer = request.send(process.address)?;
        if is_so(&answer) {
            return Ok(answer);
        }
        let Request { method, path, .. } = request;
        ensure!(
            started.elapsed() < FOLLOWS_WITHIN,
            "{method} {path} keeps answering {}: {}",
            answer.status,
            answer.text()
        );
        sleep(Duration::from_millis(50));
    }
}
