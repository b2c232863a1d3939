//! The database is stopped at once, with everything that was under way, and recovers from its log.

use std::time::Duration;

use futures::FutureExt as _;
use sale::{clock::monotonic, ids::FIRST_EPOCH};

use crate::{assertions, drill::Drill, fixture::Fixture};

/// How long it stays away before it is started.
const AWAY: Duration = Duration::from_secs(3);

pub(crate) const DRILL: Drill = Drill {
    name: "postgres-restart",
    does: "an immediate stop of PostgreSQL, which is started again three seconds later",
    promises: "without it nobody is called, nothing placed or released; no success is told that was none; on within 30 s",
    seconds: 40,
    short_seconds: 12,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    running.sold_percent(25).await;
    let since = monotonic();
    fixture.engines(&["kill", "postgres"]);
    fixture.report.step("PostgreSQL is stopped at once");
    let before = running.story.checker.tally();
    tokio::time::sleep(AWAY).await;
    let during = running.story.checker.tally();
    // An answer may have been on its way when the database went.
    let placed = during.orders - before.orders;
    fixture.report.record("orders_told_while_away", placed);
    fixture.engines(&["up", "postgres"]);
    fixture.report.step("PostgreSQL is back");
    running.back_to_normal(fixture, since, FIRST_EPOCH).await;
    assertions::sold_out(fixture, running).await;
}
