//! Redis comes back with what it knew ten seconds ago: numbers, holds and passes given since then are unknown to it.

use std::time::Duration;

use futures::FutureExt as _;
use sale::clock::monotonic;

use crate::{assertions, drill::Drill, fixture::Fixture};

/// How old the state is that Redis is put back to.
const COPY_AGE: Duration = Duration::from_secs(10);

pub(crate) const DRILL: Drill = Drill {
    name: "redis-rollback",
    does: "Redis is stopped, an AOF copy of ten seconds ago put in place, and it starts again",
    promises: "the old state is seen to be old: no number twice, no unit twice, no pass twice; on within 30 s",
    seconds: 60,
    short_seconds: 25,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    running.sold_percent(10).await;
    let copy = running.redis.copy();
    fixture.report.step("what Redis wrote is copied");
    tokio::time::sleep(COPY_AGE).await;
    let since = monotonic();
    running.redis.put_back(&copy).await;
    fixture.report.step("the copy is put back");
    running.back_to_normal(fixture, since, 2).await;
    assertions::sold_out(fixture, running).await;
}
