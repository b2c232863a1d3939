//! Redis is killed and comes back with what it had written: up to a second is missing.

use std::time::Duration;

use futures::FutureExt as _;
use sale::clock::monotonic;

use crate::{assertions, drill::Drill, fixture::Fixture};

/// How long whoever watches over Redis takes to start it again.
const AWAY: Duration = Duration::from_secs(2);

pub(crate) const DRILL: Drill = Drill {
    name: "redis-restart",
    does: "kill -9 of Redis (appendfsync everysec), which is back two seconds later",
    promises: "what it lost is not missed: the line and the gate are filled again; on within 30 s",
    seconds: 40,
    short_seconds: 12,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    running.sold_percent(25).await;
    fixture.report.step("Redis is killed");
    let since = monotonic();
    running.redis.kill();
    tokio::time::sleep(AWAY).await;
    running.redis.start_again().await;
    fixture.report.step("Redis is back with what it had written");
    running.back_to_normal(fixture, since, 2).await;
    assertions::sold_out(fixture, running).await;
}
