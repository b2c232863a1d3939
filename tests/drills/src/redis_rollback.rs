//! Redis comes back with what it knew ten seconds ago: numbers, holds and passes given since then are unknown to it.

use std::time::Duration;

use futures::FutureExt as _;
use sale::clock::monotonic;

use crate::{drill::Drill, judge, stage::Stage};

/// How old the state is that Redis is put back to.
const COPY_AGE: Duration = Duration::from_secs(10);

pub(crate) const DRILL: Drill = Drill {
    name: "redis-rollback",
    does: "Redis is stopped, an AOF copy of ten seconds ago put in place, and it starts again",
    promises: "the old state is seen to be old: no number twice, no unit twice, no pass twice; on within 30 s",
    seconds: 60,
    short_seconds: 25,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let mut running = stage.begin(Stage::lasting(stage.seconds)).await;
    running.sold_percent(10).await;
    let copy = running.redis.copy();
    stage.notes.does("what Redis wrote is copied");
    tokio::time::sleep(COPY_AGE).await;
    let since = monotonic();
    running.redis.put_back(&copy).await;
    stage.notes.does("the copy is put back");
    running.back_to_normal(stage, since, 2).await;
    judge::sold_out(stage, running).await;
}
