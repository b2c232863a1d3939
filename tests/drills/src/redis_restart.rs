//! Redis is killed and comes back with what it had written: up to a second is missing.

use std::time::Duration;

use futures::FutureExt as _;
use sale::clock::monotonic;

use crate::{drill::Drill, judge, stage::Stage};

/// How long whoever watches over Redis takes to start it again.
const AWAY: Duration = Duration::from_secs(2);

pub(crate) const DRILL: Drill = Drill {
    name: "redis-restart",
    does: "kill -9 of Redis (appendfsync everysec), which is back two seconds later",
    promises: "what it lost is not missed: the line and the gate are filled again; on within 30 s",
    seconds: 40,
    short_seconds: 12,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let mut running = stage.begin(Stage::lasting(stage.seconds)).await;
    running.sold_percent(25).await;
    stage.notes.does("Redis is killed");
    let since = monotonic();
    running.redis.kill();
    tokio::time::sleep(AWAY).await;
    running.redis.start_again().await;
    stage.notes.does("Redis is back with what it had written");
    running.back_to_normal(stage, since, 2).await;
    judge::sold_out(stage, running).await;
}
