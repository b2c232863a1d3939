//! `precision` and `precision_bound`: three processes that may lead the admission of one sale, twenty thousand calls a
//! second, and the leader killed within. How far the calls of ten seconds are from the rate, before the change of leader
//! and after it; and the most calls of any window of a second, over what the rate and its burst allow.
//! `precision_slow`: the same error at ten calls a second, where the burst is one call and nothing can be caught up.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::process::Process;
use redis::aio::MultiplexedConnection;
use sale::clock::monotonic;
use stores::queue_store::QueueKey;
use tokio::time::sleep;

use crate::{
    figure::{Figure, Round, Target},
    people,
    settings::Settings,
    world::World,
};

const PER_SECOND: u32 = 20_000;
const SLOW_PER_SECOND: u32 = 10;
/// Promised, of the rate.
const PERCENT_AT_MOST: f64 = 0.05;
/// No window of it may hold more than the rate and the burst.
const WINDOW_US: u64 = 1_000_000;
/// How long a sale may stand still while its leader changes, and some.
const CHANGE_SECONDS: u64 = 6;
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How many were called by an instant of the queue store's clock.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at_us: u64,
    called: u64,
}

pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let world = World::new(settings).await?;
    let (mut errors, mut bounds, mut slow) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.rounds() {
        let (error, bound) = round(&world).await?;
        errors.push(error);
        bounds.push(bound);
        slow.push(slow_round(&world).await?);
    }
    world.close().await?;
    let seconds = settings.calling_seconds();
    let about = format!("{PER_SECOND} calls/s, three processes, over {seconds} s");
    Ok(vec![
        Figure::of("precision", "% of the rate", &errors).wanted(Target::AtMost(1.0)).about(about.clone()),
        Figure::of("precision_bound", "calls in 1 s", &bounds).wanted(Target::AtMost(1.0)).about(about),
        Figure::of("precision_slow", "% of the rate", &slow)
            .about(format!("{SLOW_PER_SECOND} calls/s, one process, over {seconds} s")),
    ])
}

async fn round(world: &World) -> anyhow::Result<(Round, Round)> {
    let seconds = world.settings.calling_seconds();
    let key = world.open_sale(|sale| sale.admission.per_minute = PER_SECOND * 60).await?;
    // Called nobody yet: nobody leads.
    people::join(world, &key, (2 * seconds + CHANGE_SECONDS) * u64::from(PER_SECOND), 0).await?;
    let mut processes = ["a", "b", "c"].map(|name| world.start(name, &["admission"]));
    let watch = Watch::of(world, &key).await?;
    let before = watch.run(seconds).await?;
    let leader = processes.iter_mut().find(|process| leads(process));
    leader.context("nobody leads")?.kill();
    let after = watch.run(seconds).await?;
    drop(processes);
    world.forget(&key).await?;
    let errors = [steady_error(&before, seconds, PER_SECOND)?, steady_error(&after, seconds, PER_SECOND)?];
    let all: Vec<_> = before.iter().chain(&after).copied().collect();
    let error = Round {
        value: errors[0].max(errors[1]),
        ceiling: PERCENT_AT_MOST,
        more: vec![("before", errors[0]), ("after", errors[1]), ("seconds_without_a_call", longest_rest(&all))],
    };
    Ok((error, fullest_window(&all)))
}

async fn slow_round(world: &World) -> anyhow::Result<Round> {
    let seconds = world.settings.calling_seconds();
    let key = world.open_sale(|sale| sale.admission.per_minute = SLOW_PER_SECOND * 60).await?;
    people::join(world, &key, (seconds + CHANGE_SECONDS) * u64::from(SLOW_PER_SECOND), 0).await?;
    let process = world.start("slow", &["admission"]);
    let samples = Watch::of(world, &key).await?.run(seconds).await?;
    drop(process);
    world.forget(&key).await?;
    let error = steady_error(&samples, seconds, SLOW_PER_SECOND)?;
    Ok(Round { value: error, ceiling: PERCENT_AT_MOST, more: Vec::new() })
}

fn leads(process: &Process) -> bool {
    process.log().contains("leads the admission")
}

/// Looks at what Redis has carried out.
struct Watch {
    connection: MultiplexedConnection,
    key: String,
}

impl Watch {
    async fn of(world: &World, queue_key: &QueueKey) -> anyhow::Result<Self> {
        let client = redis::Client::open(world.settings.queue_url.as_str())?;
        let connection = client.get_multiplexed_async_connection().await?;
        Ok(Self {
            connection,
            key: format!("openrun:{{{}}}:{}-{}:state", queue_key.sale, queue_key.epoch, queue_key.nonce),
        })
    }

    /// From now on until there were calls for so many seconds without a rest, and a little longer.
    async fn run(&self, seconds: u64) -> anyhow::Result<Vec<Sample>> {
        let wanted = Duration::from_millis(seconds * 1_000 + 500);
        let (started, mut samples) = (monotonic(), vec![self.look().await?]);
        let (mut steady_since, mut moved) = (None, monotonic());
        while steady_since.is_none_or(|since| monotonic().duration_since(since) < wanted) {
            sleep(LOOK_EVERY).await;
            let (sample, now) = (self.look().await?, monotonic());
            if samples.last().is_some_and(|last| last.called < sample.called) {
                steady_since = steady_since.or(Some(now));
                moved = now;
            } else if now.duration_since(moved) > Duration::from_secs(1) {
                steady_since = None;
            }
            samples.push(sample);
            ensure!(started.elapsed() < wanted + Duration::from_secs(3 * CHANGE_SECONDS), "calls stand still");
        }
        Ok(samples)
    }

    async fn look(&self) -> anyhow::Result<Sample> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("TIME").cmd("HGET").arg(&self.key).arg("called_total");
        let ((seconds, micros), called): ((u64, u64), u64) = pipe.query_async(&mut self.connection.clone()).await?;
        Ok(Sample { at_us: seconds * 1_000_000 + micros, called })
    }
}

/// How far the calls of the last `seconds` are from the rate, in percent of it; from batch to batch, because a window
/// that ends between two batches says nothing about the rate.
fn steady_error(samples: &[Sample], seconds: u64, per_second: u32) -> anyhow::Result<f64> {
    let batches: Vec<_> = samples.windows(2).filter(|two| two[1].called > two[0].called).map(|two| two[1]).collect();
    let last = batches.last().context("nobody was called")?;
    let from = last.at_us.saturating_sub(seconds * 1_000_000);
    let first = batches.iter().find(|batch| batch.at_us >= from).context("nobody was called")?;
    let span = (last.at_us - first.at_us) as f64 / 1e6;
    ensure!(span > 0.0, "one batch alone");
    let rate = (last.called - first.called) as f64 / span;
    Ok((rate / f64::from(per_second) - 1.0).abs() * 100.0)
}

fn longest_rest(samples: &[Sample]) -> f64 {
    let mut moved = samples.iter().find(|sample| sample.called > 0).map_or(0, |sample| sample.at_us);
    let mut longest = 0;
    for two in samples.windows(2).filter(|two| two[1].called > two[0].called && two[0].called > 0) {
        longest = longest.max(two[1].at_us - moved);
        moved = two[1].at_us;
    }
    longest as f64 / 1e6
}

/// The window of a second, or just longer, with the most calls over what its length allows.
fn fullest_window(samples: &[Sample]) -> Round {
    let per_second = f64::from(PER_SECOND);
    // Promised: a hundred milliseconds of the rate.
    let burst = per_second / 10.0;
    let mut fullest = Round { value: 0.0, ceiling: per_second + burst, more: Vec::new() };
    let mut until = 0;
    for from in samples {
        while until + 1 < samples.len() && samples[until].at_us < from.at_us + WINDOW_US {
            until += 1;
        }
        let calls = (samples[until].called - from.called) as f64;
        let span = (samples[until].at_us - from.at_us) as f64 / 1e6;
        let ceiling = per_second * span + burst;
        if calls / ceiling > fullest.value / fullest.ceiling {
            fullest = Round { value: calls, ceiling, more: vec![("window_s", span)] };
        }
    }
    fullest
}
