//! One `openrun` process: started, awaited, watched, killed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use sale::clock::monotonic;

use crate::ask::Request;

const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// The kernel counts a process's time in hundredths of a second.
const MICROSECONDS_PER_TICK: f64 = 10_000.0;

/// A running program, killed when it goes out of scope.
pub(crate) struct Process {
    name: String,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    child: Child,
}

/// Where and as what a process starts.
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) name: &'a str,
    /// None is all of them.
    pub(crate) roles: &'a [&'a str],
}

impl Process {
    /// Runs `openrun serve`; it is ready some time later.
    pub(crate) fn start(start: &Start<'_>) -> anyhow::Result<Self> {
        let address = free_address()?;
        let log = start.folder.join(format!("{}.log", start.name));
        let mut command = Command::new(start.program);
        command.arg("serve").env_clear().envs(start.environment).env("OPENRUN_LISTEN", address.to_string());
        for role in start.roles {
            command.args(["--role", role]);
        }
        command.current_dir(start.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("cannot run {}", start.program.display()))?;
        Ok(Self { name: start.name.to_owned(), address, log, child })
    }

    /// Until it says that it is ready; asks so often.
    pub(crate) fn ready(&mut self, every: Duration) -> anyhow::Result<()> {
        let started = monotonic();
        loop {
            if Request::get("/readyz").send(self.address).is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || started.elapsed() > STARTS_WITHIN {
                bail!("{} did not become ready; its log: {}", self.name, self.log()?);
            }
            sleep(every);
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024.0)
    }

    pub(crate) fn microseconds(&self) -> anyhow::Result<f64> {
        processor_time(&self.child.id().to_string())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already, and nothing more can be done about it here.
        drop(self.kill());
    }
}

/// Processor time that a process (a pid, or `self`) has used, in microseconds.
pub(crate) fn processor_time(pid: &str) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program may hold spaces; after its bracket the 12th and 13th words are user and system time.
    let words: Vec<&str> = stat.rsplit_once(')').context("no stat in /proc")?.1.split_whitespace().collect();
    ensure!(words.len() > 12, "a short stat in /proc");
    Ok((words[11].parse::<f64>()? + words[12].parse::<f64>()?) * MICROSECONDS_PER_TICK)
}

/// An address that nobody listens on, below the ports that the kernel gives to outgoing connections.
fn free_address() -> anyhow::Result<SocketAddr> {
    for _ in 0..1_000 {
        let address = SocketAddr::from(([127, 0, 0, 1], rand::random_range(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free port between 20000 and 32000")
}
