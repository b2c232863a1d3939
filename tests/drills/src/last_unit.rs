//! A thousand buyers want the one unit there is, and more of them are let in than there are units.

use futures::FutureExt as _;
use harness::{behaviour::BehaviourMix, seller::Terms};

use crate::{
    assertions,
    drill::Drill,
    fixture::{Fixture, Running, SANDBOX},
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
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let (installation, redis) = fixture.install(&SANDBOX).await;
    let story = fixture.open(installation, TERMS).await;
    fixture.report.step(format_args!("{BUYERS} buyers come for one unit"));
    let load = story.start_load_of(BUYERS, BehaviourMix::Steady);
    assertions::sold_out(fixture, Running { story, load, redis }).await;
}
