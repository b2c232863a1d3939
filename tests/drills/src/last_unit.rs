//! A thousand buyers want the one unit there is, and more of them are let in than there are units.

use futures::FutureExt as _;
use harness::{crowd::Mood, seller::Terms};

use crate::{
    drill::Drill,
    judge,
    stage::{Running, SANDBOX, Stage},
};

const BUYERS: usize = 1_000;

const TERMS: Terms = Terms {
    units: 1,
    per_minute: 60_000,
    max_active: 1_000,
    // The most that a seller may ask for.
    overcall: 10.0,
    ..Terms::USUAL
};

pub(crate) const DRILL: Drill = Drill {
    name: "last-unit",
    does: "1,000 buyers on one unit, eleven of them inside at a time",
    promises: "exactly one gets it, however often a payment fails before; nobody else has an order that is paid",
    seconds: 30,
    short_seconds: 10,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let (installation, redis) = stage.install(&SANDBOX).await;
    let story = stage.open(installation, TERMS).await;
    stage.notes.does(format_args!("{BUYERS} buyers come for one unit"));
    let crowd = story.crowd_of(BUYERS, Mood::Steady);
    judge::sold_out(stage, Running { story, crowd, redis }).await;
}
