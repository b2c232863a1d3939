//! Redis is emptied in the middle of a sale.

use futures::FutureExt as _;
use sale::clock::monotonic;

use crate::{drill::Drill, judge, stage::Stage};

pub(crate) const DRILL: Drill = Drill {
    name: "flushall",
    does: "FLUSHALL in the middle of a sale",
    promises: "nobody is called, let in or given units until the line is filled again; everybody keeps the place; on within 30 s",
    seconds: 40,
    short_seconds: 12,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let mut running = stage.begin(Stage::lasting(stage.seconds)).await;
    running.sold_percent(25).await;
    stage.notes.does("Redis is emptied");
    let since = monotonic();
    running.redis.command(&["FLUSHALL"]).await.expect("empty Redis");
    running.back_to_normal(stage, since, 2).await;
    judge::sold_out(stage, running).await;
}
