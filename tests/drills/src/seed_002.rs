//! Ten thousand people, ten things.

use futures::FutureExt as _;
use harness::{behaviour::BehaviourMix, seller::Terms};

use crate::{
    assertions,
    drill::Drill,
    fixture::{Fixture, Running, SANDBOX},
};

const BUYERS: u64 = 10_000;

const TERMS: Terms = Terms { ..Terms::USUAL };

pub(crate) const DRILL: Drill = Drill {
    name: "seed-002",
    does: "10,000 buyers on 10 units (fewer in a short run)",
    promises: "ten are sold, to ten people; nobody is called to an empty shop; everybody keeps the place",
    seconds: 60,
    short_seconds: 12,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let (installation, redis) = fixture.install(&SANDBOX).await;
    let story = fixture.open(installation, TERMS).await;
    let buyers = usize::try_from(fixture.share_of(BUYERS)).expect("a load that fits");
    fixture.report.step(format_args!("{buyers} buyers come for {} units", TERMS.units));
    let load = story.start_load_of(buyers, BehaviourMix::Steady);
    let checker = std::sync::Arc::clone(&story.checker);
    assertions::sold_out(fixture, Running { story, load, redis }).await;
    let (tally, live) = (checker.tally(), checker.last_live());
    let called = live.map_or(0, |live| live.called_total);
    fixture.report.record("numbers", tally.numbers);
    fixture.report.record("called", called);
    let told = format!("{called} were called, {} of them found nothing left", tally.refused);
    fixture.report.check("nobody is called to an empty shop", tally.refused == 0, told);
}
