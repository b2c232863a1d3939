//! What an installation stands on: the embedded adapters in a folder, or real engines, each test with a corner of its
//! own; and a Redis that a test may ruin.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sale::clock::monotonic;
use stores::testing::{Fresh, live_events_url, live_postgres, live_url};
use tempfile::TempDir;

use crate::process::free_port;

const REDIS_STARTS_WITHIN: Duration = Duration::from_secs(20);

/// The engines of one live installation.
pub struct Engines {
    /// A database that nobody else uses.
    pub database: Fresh,
    /// Where Redis answers.
    pub queue_url: String,
    /// Where Kafka answers, and the prefix of the topics.
    pub events_url: String,
}

impl Engines {
    /// A fresh database, a prefix of its own on Kafka, and the Redis of the tests. Sales have random names there.
    pub async fn live() -> Self {
        let queue_url = live_url("OPENRUN_TEST_QUEUE_URL", "redis://127.0.0.1:6379");
        Self::with_queue(&queue_url).await
    }

    /// The same with another Redis.
    pub async fn with_queue(queue_url: &str) -> Self {
        let database = live_postgres().await;
        Self { database, queue_url: queue_url.to_owned(), events_url: live_events_url() }
    }

    /// What the processes are told.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let named = [
            ("OPENRUN_DATABASE_URL", &self.database.url),
            ("OPENRUN_QUEUE_URL", &self.queue_url),
            ("OPENRUN_EVENTS_URL", &self.events_url),
        ];
        named.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

/// A Redis of one test's own, to be emptied and put back to an old state.
pub struct OwnRedis {
    port: u16,
    folder: TempDir,
    server: Option<Child>,
}

impl OwnRedis {
    /// Starts one, empty.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("make a folder for Redis");
        let mut redis = Self { port: free_port(), folder, server: None };
        redis.start_again().await;
        redis
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it on the same address and data.
    pub async fn start_again(&mut self) {
        let mut server = Command::new("redis-server");
        server.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        server.args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]);
        server.arg("--dir").arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let started = server.spawn().expect("start redis-server; ./test installs it (package redis-server)");
        self.server = Some(started);
        let asked = monotonic();
        while self.command(&["PING"]).await.is_err() {
            assert!(asked.elapsed() < REDIS_STARTS_WITHIN, "redis-server does not answer on port {}", self.port);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs a command and gives its answer as text.
    pub async fn command(&self, words: &[&str]) -> redis::RedisResult<String> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer: redis::Value = command.query_async(&mut connection).await?;
        Ok(format!("{answer:?}"))
    }

    /// A copy of what is on disk now.
    pub fn copy(&self) -> PathBuf {
        let copy = self.folder.path().join("copy");
        copy_folder(&self.appended(), &copy);
        copy
    }

    /// `kill -9`, the copy in the place of what there was, and on again.
    pub async fn put_back(&mut self, copy: &Path) {
        self.kill();
        fs::remove_dir_all(self.appended()).expect("remove what Redis wrote");
        copy_folder(copy, &self.appended());
        self.start_again().await;
    }

    fn appended(&self) -> PathBuf {
        self.folder.path().join("appendonlydir")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("make the folder of the copy");
    for entry in fs::read_dir(from).expect("read what Redis wrote") {
        let entry = entry.expect("read what Redis wrote");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copy what Redis wrote");
    }
}
