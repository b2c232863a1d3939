//! One `openrun` process: started, awaited, killed, started again on the same address.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    thread::sleep,
    time::{Duration, Instant},
};

use sale::clock::monotonic;

use rustix::process::{Pid, Signal, kill_process};
use stores::testing::free_port;

use crate::{client::Client, http::Request, program::Program};

/// A debug build on a busy machine takes a while.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// Longer than a process takes for finishing what it has begun.
const ENDS_WITHIN: Duration = Duration::from_secs(25);
/// The kernel counts a process's time in hundredths of a second.
const MICROSECONDS_PER_TICK: f64 = 10_000.0;
/// Lines of the log that a failure shows.
const LAST_LINES: usize = 40;

/// One process of an installation. It is killed when this value goes.
pub struct Process {
    /// What its log is called.
    pub name: String,
    /// Where it answers.
    pub address: SocketAddr,
    pub url: String,
    program: Program,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    folder: PathBuf,
    child: Option<Child>,
}

/// Processor time that a process (a pid, or `self`) has used, in microseconds.
pub fn processor_time(pid: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("read a process's time");
    // The name of the program may hold spaces; after its bracket the 12th and 13th words are user and system time.
    let words = stat.rsplit_once(')').expect("a name in brackets").1.split_whitespace();
    let ticks: f64 = words.skip(11).take(2).map(|word| word.parse::<f64>().expect("a time")).sum();
    ticks * MICROSECONDS_PER_TICK
}

impl Process {
    /// Starts `openrun serve` with these roles; none is all of them.
    pub fn start(
        program: &Program,
        name: &str,
        roles: &[&str],
        folder: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(roles.iter().flat_map(|role| ["--role".to_owned(), (*role).to_owned()]));
        let mut environment = environment.clone();
        environment.insert("OPENRUN_LISTEN".to_owned(), address.to_string());
        let mut process = Self {
            name: name.to_owned(),
            address,
            url: format!("http://{address}"),
            program: program.clone(),
            arguments,
            environment,
            folder: folder.to_owned(),
            child: None,
        };
        process.start_again();
        process
    }

    /// Starts it once more, as whoever watches over it would.
    pub fn start_again(&mut self) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("open the log");
        let mut command = self.program.command(&self.folder, &self.environment);
        command.args(&self.arguments).stdout(File::create("/dev/null").expect("open /dev/null")).stderr(log);
        self.child = Some(command.spawn().expect("start openrun"));
    }

    /// `kill -9`: nothing is finished, nothing is said.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill openrun");
            child.wait().expect("see openrun end");
        }
    }

    /// SIGTERM: it finishes what it has begun, and ends in good order.
    pub async fn end(&mut self) {
        self.signal(Signal::TERM);
        let asked = monotonic();
        let status = loop {
            match self.ended() {
                Some(status) => break status,
                None if asked.elapsed() > ENDS_WITHIN => panic!("{} does not end:\n{}", self.name, self.last_words()),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.last_words());
        self.child = None;
    }

    /// Sets a variable of its environment from the next start on; `None` takes it away.
    pub fn set(&mut self, variable: &str, value: Option<&str>) {
        match value {
            Some(value) => drop(self.environment.insert(variable.to_owned(), value.to_owned())),
            None => drop(self.environment.remove(variable)),
        }
    }

    /// Stands still with all its threads, as a process does whose machine is out of breath.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Goes on after a pause, and knows nothing of it.
    pub fn wake(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("a process that runs");
        kill_process(Pid::from_child(child), signal).expect("send a signal");
    }

    /// The sum of one of its counters.
    pub async fn counted(&self, client: &Client, counter: &str) -> u64 {
        let Ok(answer) = client.get(&format!("{}/metrics", self.url), None).await else { return 0 };
        let text = String::from_utf8_lossy(&answer.body);
        let lines = text.lines().filter(|line| line.starts_with(counter));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// How it ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("look at openrun")
    }

    /// Whether the kernel says that all its threads stand still.
    pub fn stands_still(&self) -> bool {
        self.status("State").is_some_and(|state| state.starts_with('T'))
    }

    /// The most memory that it ever had, in KiB.
    pub fn most_memory(&self) -> Option<u64> {
        self.status("VmHWM")?.split_whitespace().next()?.parse().ok()
    }

    /// Resident memory in bytes; 0 when it does not run.
    pub fn resident(&self) -> f64 {
        let kibibytes = self.status("VmRSS").and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kibibytes.unwrap_or_default() * 1024.0
    }

    /// Processor time that it has used, in microseconds.
    pub fn microseconds(&self) -> f64 {
        processor_time(&self.child.as_ref().expect("a process that runs").id().to_string())
    }

    /// A line of the kernel's account of it.
    fn status(&self, name: &str) -> Option<String> {
        let account = fs::read_to_string(format!("/proc/{}/status", self.child.as_ref()?.id())).ok()?;
        let line = account.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    /// Until it says that it is ready.
    pub async fn ready(&mut self, client: &Client) {
        let started = monotonic();
        loop {
            if let Ok(answer) = client.get(&format!("{}/readyz", self.url), None).await
                && answer.status.is_success()
            {
                return;
            }
            self.may_become_ready(started);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The same without a runtime; asks so often.
    pub fn await_ready(&mut self, every: Duration) {
        let started = monotonic();
        while !Request::get("/readyz").send(self.address).is_ok_and(|answer| answer.status.is_success()) {
            self.may_become_ready(started);
            sleep(every);
        }
    }

    /// Panics with the end of the log when it cannot become ready any more.
    fn may_become_ready(&mut self, started: Instant) {
        let is_alive = self.is_alive();
        assert!(
            is_alive && started.elapsed() < STARTS_WITHIN,
            "{} did not become ready; the end of its log:\n{}",
            self.name,
            self.last_words()
        );
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// Faults of the program itself, which nothing that a test does may cause.
    pub fn panics(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains("panicked at") || line.contains("a task failed"));
        lines.map(|line| format!("{}: {line}", self.name)).collect()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The end of the log.
    pub fn last_words(&self) -> String {
        let log = self.log();
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
