//! Ten thousand orders on ten thousand units.

use futures::FutureExt as _;
use harness::{crowd::Mood, seller::Terms};
use sale::clock::monotonic;

use crate::{
    drill::Drill,
    judge,
    stage::{Running, Stage},
};

const ORDERS: u64 = 10_000;

const TERMS: Terms = Terms {
    units: 0,
    per_minute: 60_000,
    max_active: 1_000,
    hold_seconds: 60,
    enter_seconds: 60,
    pass_seconds: 300,
    ..Terms::USUAL
};

/// Everybody pays.
const SANDBOX: [(&str, &str); 1] = [("OPENRUN_SANDBOX_LATENCY_MS", "50")];

pub(crate) const DRILL: Drill = Drill {
    name: "seed-003",
    does: "10,000 orders on 10,000 units (fewer in a short run), up to 1,000 people inside at a time",
    promises: "every unit is sold, once; every order is paid, once; nobody is turned away",
    seconds: 120,
    short_seconds: 12,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let orders = stage.share_of(ORDERS);
    let (installation, redis) = stage.install(&SANDBOX).await;
    let terms = Terms { units: u32::try_from(orders).expect("a sale that fits"), ..TERMS };
    let story = stage.open(installation, terms).await;
    let began = monotonic();
    stage.notes.does(format_args!("{orders} buyers come for {orders} units"));
    let crowd = story.crowd_of(usize::try_from(orders).expect("a crowd that fits"), Mood::Steady);
    let witness = std::sync::Arc::clone(&story.witness);
    judge::sold_out(stage, Running { story, crowd, redis }).await;
    let tally = witness.tally();
    stage.notes.saw("sold_within_seconds", began.elapsed().as_secs());
    let told = format!("{} orders, {} refused", tally.orders, tally.refused);
    stage.notes.check("one order for every unit", tally.orders as u64 == orders && tally.refused == 0, told);
}
