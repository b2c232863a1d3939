//! The admission leader stands still and does not know it; another takes over; then the first one wakes.

use std::time::Duration;

use futures::FutureExt as _;
use harness::story::{Story, until};
use sale::{clock::monotonic, ids::FIRST_EPOCH};

use crate::{
    assertions,
    drill::Drill,
    fixture::{Fixture, Running},
};

/// How long the leader stands still: its lead ends after three.
const PAUSED: Duration = Duration::from_secs(10);
/// The lead's three seconds, the other's next look, and a busy machine.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(8);
/// Long enough for the first leader to do what it was about to do.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// What a process counts when it has called.
const CALLS: &str = "openrun_calls_total";

pub(crate) const DRILL: Drill = Drill {
    name: "leader-paused",
    does: "SIGSTOP of the admission leader for ten seconds; another takes over; then the first one wakes",
    promises: "the other one calls within eight seconds; the first one calls nobody when it wakes; order, rate and cap hold",
    seconds: 40,
    short_seconds: 25,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    running.sold_percent(10).await;
    let leader = leader(&running.story).await;
    let since = monotonic();
    running.story.installation.processes[leader].pause();
    let name = running.story.installation.processes[leader].name.clone();
    fixture.report.step(format_args!("{name} leads, and is stopped"));
    taken_over(fixture, &running).await;
    tokio::time::sleep(PAUSED.saturating_sub(since.elapsed())).await;

    let first = &running.story.installation.processes[leader];
    first.wake();
    let at_waking = first.counted(&running.story.installation.client, CALLS).await;
    fixture.report.step(format_args!("{name} wakes"));
    tokio::time::sleep(AFTERWARDS).await;
    let later = first.counted(&running.story.installation.client, CALLS).await;
    let told = format!("{} calls within {AFTERWARDS:?}", later - at_waking);
    fixture.report.check("I8: who wakes as a leader of old calls nobody", at_waking > 0 && later == at_waking, told);
    running.back_to_normal(fixture, since, FIRST_EPOCH).await;
    assertions::sold_out(fixture, running).await;
}

/// Until the other one calls.
async fn taken_over(fixture: &Fixture, running: &Running) {
    let stopped = monotonic();
    let total = || running.story.checker.last_live().map_or(0, |live| live.called_total);
    // What was on its way when the leader stopped has been counted after a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = total();
    let limit = fixture.limit(TAKES_OVER_WITHIN);
    let goes_on = until(limit, || async { total() > before }).await;
    let told = format!("{:.1} s after the stop", stopped.elapsed().as_secs_f64());
    fixture.report.check(format_args!("I13: another process leads within {} s", limit.as_secs()), goes_on, told);
}

/// The process that has called most within the last second.
async fn leader(story: &Story) -> usize {
    let before = calls(story).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = calls(story).await;
    let grown = before.iter().zip(&after).map(|(before, after)| after.saturating_sub(*before));
    grown.enumerate().max_by_key(|(_, grown)| *grown).map(|(nth, _)| nth).expect("there are processes")
}

async fn calls(story: &Story) -> Vec<u64> {
    let mut all = Vec::new();
    for process in &story.installation.processes {
        all.push(process.counted(&story.installation.client, CALLS).await);
    }
    all
}
