//! Ten thousand orders on ten thousand units.

use futures::FutureExt as _;
use harness::{behaviour::BehaviourMix, seller::Terms};
use sale::clock::monotonic;

use crate::{
    assertions,
    drill::Drill,
    fixture::{Fixture, Running},
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
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let orders = fixture.share_of(ORDERS);
    let (installation, redis) = fixture.install(&SANDBOX).await;
    let terms = Terms { units: u32::try_from(orders).expect("a sale that fits"), ..TERMS };
    let story = fixture.open(installation, terms).await;
    let began = monotonic();
    fixture.report.step(format_args!("{orders} buyers come for {orders} units"));
    let load = story.start_load_of(usize::try_from(orders).expect("a load that fits"), BehaviourMix::Steady);
    let checker = std::sync::Arc::clone(&story.checker);
    assertions::sold_out(fixture, Running { story, load, redis }).await;
    let tally = checker.tally();
    fixture.report.record("sold_within_seconds", began.elapsed().as_secs());
    let told = format!("{} orders, {} refused", tally.orders, tally.refused);
    fixture.report.check("one order for every unit", tally.orders as u64 == orders && tally.refused == 0, told);
}
