//! One `openrun` process: started, awaited, killed, started again on the same address.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use sale::clock::monotonic;

use crate::client::Client;

/// A debug build on a busy machine takes a while.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// Below the ports that the kernel gives to outgoing connections: one of those must not take the address of a process
/// that is away for a moment.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Lines of the log that a failure shows.
const LAST_LINES: usize = 40;

pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) url: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    folder: PathBuf,
    child: Option<Child>,
}

/// A port that nobody listens on. Each is given once: a process that has not bound its own yet must not meet another.
pub(crate) fn free_port() -> u16 {
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

/// A command of the program under test, in a world of its own: nothing of the outer environment reaches it.
pub(crate) fn openrun(folder: &Path, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrun"));
    command.env_clear().envs(environment).current_dir(folder).stdin(Stdio::null());
    command
}

impl Process {
    /// Starts `openrun serve` with these roles; none is all of them.
    pub(crate) fn start(name: &str, roles: &[&str], folder: &Path, environment: &BTreeMap<String, String>) -> Self {
        let port = free_port();
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(roles.iter().flat_map(|role| ["--role".to_owned(), (*role).to_owned()]));
        let mut environment = environment.clone();
        environment.insert("OPENRUN_LISTEN".to_owned(), format!("127.0.0.1:{port}"));
        let mut process = Self {
            name: name.to_owned(),
            url: format!("http://127.0.0.1:{port}"),
            arguments,
            environment,
            folder: folder.to_owned(),
            child: None,
        };
        process.start_again();
        process
    }

    /// Starts it once more, as whoever watches over it would.
    pub(crate) fn start_again(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("open the log");
        let mut command = openrun(&self.folder, &self.environment);
        command.args(&self.arguments).stdout(File::create("/dev/null").expect("open /dev/null")).stderr(log);
        self.child = Some(command.spawn().expect("start openrun"));
    }

    /// `kill -9`: nothing is finished, nothing is said.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill openrun");
            child.wait().expect("see openrun end");
        }
    }

    /// Until it says that it is ready.
    pub(crate) async fn ready(&mut self, client: &Client) {
        let started = monotonic();
        loop {
            if let Ok(answer) = client.get(&format!("{}/readyz", self.url), None).await
                && answer.status.is_success()
            {
                return;
            }
            let ended = self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|status| status.is_some()));
            assert!(
                !ended && started.elapsed() < STARTS_WITHIN,
                "{} did not become ready; the end of its log:\n{}",
                self.name,
                self.last_words()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Faults of the program itself, which nothing that a test does may cause.
    pub(crate) fn panics(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines = log.lines().filter(|line| line.contains("panicked at") || line.contains("a task failed"));
        lines.map(|line| format!("{}: {line}", self.name)).collect()
    }

    /// The end of the log.
    pub(crate) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = self.child.as_mut() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
