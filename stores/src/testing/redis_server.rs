//! A Redis for one test, which the test may kill, empty and restore to an earlier state.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sale::clock::monotonic;
use tempfile::TempDir;

use super::{free_port, must};

const REDIS_STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A Redis for one test.
pub struct RedisServer {
    port: u16,
    folder: TempDir,
    server: Option<Child>,
}

impl RedisServer {
    /// Starts one, empty.
    pub async fn start() -> Self {
        let folder = must("make a folder for Redis", tempfile::tempdir());
        let mut redis = Self { port: free_port(), folder, server: None };
        redis.start_again().await;
        redis
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it on the same address and data.
    pub async fn start_again(&mut self) {
        let mut server = Command::new("redis-server");
        server.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        server.args(["--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]);
        server.arg("--dir").arg(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let started = must("start redis-server; ./test installs it (package redis-server)", server.spawn());
        self.server = Some(started);
        let since = monotonic();
        while self.command(&["PING"]).await.is_err() {
            assert!(since.elapsed() < REDIS_STARTS_WITHIN, "redis-server does not answer on port {}", self.port);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs a command and returns its reply as text.
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

    /// Kills it with `kill -9` and starts it on the copy.
    pub async fn put_back(&mut self, copy: &Path) {
        self.kill();
        must("remove what Redis wrote", fs::remove_dir_all(self.appended()));
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

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn copy_folder(from: &Path, to: &Path) {
    must("make the folder of the copy", fs::create_dir_all(to));
    for entry in must("read what Redis wrote", fs::read_dir(from)) {
        let entry = must("read what Redis wrote", entry);
        must("copy what Redis wrote", fs::copy(entry.path(), to.join(entry.file_name())));
    }
}
