//! 2,000 buyers on 1,000 units, 30 % declined, 10 % leaving: everything is sold, once.

use std::time::Duration;

use harness::{engines::Engines, installation::Installation, machine_lock, seller::Terms, story::Story};

use crate::program;

/// The provider of a sale where payments fail as they do.
pub(crate) const SANDBOX: [(&str, &str); 3] = [
    ("OPENRUN_SANDBOX_DECLINE_SHARE", "0.3"),
    ("OPENRUN_SANDBOX_LEAVE_SHARE", "0.1"),
    ("OPENRUN_SANDBOX_LATENCY_MS", "50"),
];

const BUYERS: usize = 2_000;
const TERMS: Terms = Terms { units: 1_000, per_minute: 9_000, ..Terms::USUAL };
/// Well above what it takes, because the machine may be busy.
const SELLS_WITHIN: Duration = Duration::from_mins(10);

async fn sells_out(installation: Installation) {
    let story = Story::open(installation, TERMS).await;
    let load = story.start_load(BUYERS);
    story.sold(i64::from(TERMS.units), SELLS_WITHIN).await;
    story.tell("everything is sold");
    load.stop().await;
    story.ends_sold_out().await;
    let tally = story.checker.tally();
    assert!(tally.failed > 300, "payments failed and people left: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_buyers_on_a_thousand_units_embedded() {
    let _machine = machine_lock::exclusive().await;
    sells_out(Installation::embedded(&program(), &SANDBOX).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_two_thousand_buyers_on_a_thousand_units() {
    let _machine = machine_lock::exclusive().await;
    sells_out(Installation::live(&program(), Engines::live().await, &SANDBOX).await).await;
}
