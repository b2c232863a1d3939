//! What every drill begins with: an installation with two processes of every role, a sale that lasts, and a crowd.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use harness::{
    engines::Engines,
    installation::Installation,
    load_generator::LoadGenerator,
    program::Program,
    seller::Terms,
    story::{GENEROUS, NORMAL_WITHIN, Story},
};
use stores::testing::RedisServer;

use crate::report::Report;

/// The provider of a sale where payments fail as they do.
pub(crate) const SANDBOX: [(&str, &str); 3] = [
    ("OPENRUN_SANDBOX_DECLINE_SHARE", "0.3"),
    ("OPENRUN_SANDBOX_LEAVE_SHARE", "0.1"),
    ("OPENRUN_SANDBOX_LATENCY_MS", "50"),
];

/// A sale of twenty calls a second sells about half as many units: the rest is declined, left, late, or gone.
pub(crate) const STEADY: Terms = Terms { units: 0, per_minute: 1_200, max_active: 100, ..Terms::USUAL };
const SOLD_PER_SECOND: u64 = 10;

/// What drills work with.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) program: Program,
    /// The script that starts and kills engines.
    pub(crate) engines: PathBuf,
}

/// One drill's length, tools and report.
pub(crate) struct Fixture {
    /// How long the load or the fault lasts.
    pub(crate) seconds: u64,
    /// The same, when nobody says otherwise.
    pub(crate) usual_seconds: u64,
    /// Whether it is the short form, which may run on a machine of any speed.
    pub(crate) is_short: bool,
    pub(crate) tools: Tools,
    pub(crate) report: Report,
}

/// A sale under way.
pub(crate) struct Running {
    pub(crate) story: Story,
    pub(crate) load: LoadGenerator,
    pub(crate) redis: RedisServer,
}

impl Fixture {
    /// Terms of a sale that lasts about this long under a steady crowd.
    pub(crate) fn lasting(seconds: u64) -> Terms {
        Terms { units: u32::try_from(seconds * SOLD_PER_SECOND).unwrap_or(u32::MAX), ..STEADY }
    }

    /// How long a step may take that is promised to take no longer than `promise`. A full drill measures the promise; the
    /// short form only finds out whether the step comes to its end.
    pub(crate) fn limit(&self, promise: Duration) -> Duration {
        if self.is_short { promise * GENEROUS } else { promise }
    }

    /// What is left of a number of people or units in a run that is shorter than usual.
    pub(crate) fn share_of(&self, usual: u64) -> u64 {
        (usual * self.seconds.min(self.usual_seconds) / self.usual_seconds).max(1)
    }

    /// An installation on a Redis of its own, a fresh database and a prefix of its own on Kafka.
    pub(crate) async fn install(&self, settings: &[(&str, &str)]) -> (Installation, RedisServer) {
        let redis = RedisServer::start().await;
        let engines = Engines::with_queue(&redis.url()).await;
        (Installation::live(&self.tools.program, engines, settings).await, redis)
    }

    /// Opens a sale, and a crowd comes that is a quarter more than there are units.
    pub(crate) async fn begin(&self, terms: Terms) -> Running {
        let (installation, redis) = self.install(&SANDBOX).await;
        let story = self.open(installation, terms).await;
        let buyers = usize::try_from(terms.units + terms.units / 4).expect("a load that fits") + 40;
        self.report.step(format_args!(
            "{} processes, {} units at {} calls a minute, {buyers} buyers come",
            story.installation.processes.len(),
            terms.units,
            terms.per_minute
        ));
        let load = story.start_load(buyers);
        Running { story, load, redis }
    }

    /// Opens a sale whose violations are judged by the drill.
    pub(crate) async fn open(&self, installation: Installation, terms: Terms) -> Story {
        let mut story = Story::open(installation, terms).await;
        story.checked_elsewhere();
        story
    }

    /// Runs the script of the engines: `kill kafka`, `up kafka`.
    pub(crate) fn engines(&self, arguments: &[&str]) {
        let script: &Path = &self.tools.engines;
        let run = Command::new(script).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status();
        let good = run.expect("run the script of the engines").success();
        assert!(good, "{} {} failed", script.display(), arguments.join(" "));
    }
}

impl Running {
    /// Waits until so many percent of the units are sold.
    pub(crate) async fn sold_percent(&self, percent: u32) {
        let units = i64::from(self.story.terms.units * percent / 100);
        self.story.sold(units, within(&self.story.terms)).await;
    }

    /// Waits until the sale goes on after a fault at `since`, with the store in the life `epoch` or a later one.
    pub(crate) async fn back_to_normal(&mut self, fixture: &Fixture, since: Instant, epoch: i64) {
        let limit = fixture.limit(NORMAL_WITHIN);
        let took = self.story.normal_again(since, epoch, limit).await;
        let seconds = took.as_secs_f64();
        fixture.report.record("normal_after_seconds", (seconds * 10.0).round() / 10.0);
        let promise = format!("I13: normal again without hands within {} s", limit.as_secs());
        fixture.report.check(promise, took <= limit, format_args!("{seconds:.1} s"));
    }
}

/// A sale may take four times as long as it should, and two minutes: the machine may be busy.
pub(crate) fn within(terms: &Terms) -> Duration {
    let seconds = u64::from(terms.units) / SOLD_PER_SECOND;
    Duration::from_secs(seconds * 4 + 120)
}
