//! Ten thousand people, ten things.

use futures::FutureExt as _;
use harness::{crowd::Mood, seller::Terms};

use crate::{
    drill::Drill,
    judge,
    stage::{Running, SANDBOX, Stage},
};

const BUYERS: u64 = 10_000;

const TERMS: Terms = Terms { ..Terms::USUAL };

pub(crate) const DRILL: Drill = Drill {
    name: "seed-002",
    does: "10,000 buyers on 10 units (fewer in a short run)",
    promises: "ten are sold, to ten people; nobody is called to an empty shop; everybody keeps the place",
    seconds: 60,
    short_seconds: 12,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let (installation, redis) = stage.install(&SANDBOX).await;
    let story = stage.open(installation, TERMS).await;
    let buyers = usize::try_from(stage.share_of(BUYERS)).expect("a crowd that fits");
    stage.notes.does(format_args!("{buyers} buyers come for {} units", TERMS.units));
    let crowd = story.crowd_of(buyers, Mood::Steady);
    let witness = std::sync::Arc::clone(&story.witness);
    judge::sold_out(stage, Running { story, crowd, redis }).await;
    let (tally, live) = (witness.tally(), witness.last_live());
    let called = live.map_or(0, |live| live.called_total);
    stage.notes.saw("numbers", tally.numbers);
    stage.notes.saw("called", called);
    let told = format!("{called} were called, {} of them found nothing left", tally.refused);
    stage.notes.check("nobody is called to an empty shop", tally.refused == 0, told);
}
