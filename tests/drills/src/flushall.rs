//! Redis is emptied in the middle of a sale.

use futures::FutureExt as _;
use sale::clock::monotonic;

use crate::{assertions, drill::Drill, fixture::Fixture};

pub(crate) const DRILL: Drill = Drill {
    name: "flushall",
    does: "FLUSHALL in the middle of a sale",
    promises: "nobody is called, let in or given units until the line is filled again; everybody keeps the place; on within 30 s",
    seconds: 40,
    short_seconds: 12,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    running.sold_percent(25).await;
    fixture.report.step("Redis is emptied");
    let since = monotonic();
    running.redis.command(&["FLUSHALL"]).await.expect("empty Redis");
    running.back_to_normal(fixture, since, 2).await;
    assertions::sold_out(fixture, running).await;
}
