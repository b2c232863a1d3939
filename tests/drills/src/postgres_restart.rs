//! The database is stopped at once, with everything that was under way, and recovers from its log.

use std::time::Duration;

use futures::FutureExt as _;
use sale::{clock::monotonic, ids::FIRST_EPOCH};

use crate::{drill::Drill, judge, stage::Stage};

/// How long it stays away before it is started.
const AWAY: Duration = Duration::from_secs(3);

pub(crate) const DRILL: Drill = Drill {
    name: "postgres-restart",
    does: "an immediate stop of PostgreSQL, which is started again three seconds later",
    promises: "without it nobody is called, nothing placed or released; no success is told that was none; on within 30 s",
    seconds: 40,
    short_seconds: 12,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let mut running = stage.begin(Stage::lasting(stage.seconds)).await;
    running.sold_percent(25).await;
    let since = monotonic();
    stage.engines(&["kill", "postgres"]);
    stage.notes.does("PostgreSQL is stopped at once");
    let before = running.story.witness.tally();
    tokio::time::sleep(AWAY).await;
    let during = running.story.witness.tally();
    // An answer may have been on its way when the database went.
    let placed = during.orders - before.orders;
    stage.notes.saw("orders_told_while_away", placed);
    stage.engines(&["up", "postgres"]);
    stage.notes.does("PostgreSQL is back");
    running.back_to_normal(stage, since, FIRST_EPOCH).await;
    judge::sold_out(stage, running).await;
}
