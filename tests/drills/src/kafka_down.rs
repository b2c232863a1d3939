//! Kafka is away while people buy.

use std::time::Duration;

use futures::FutureExt as _;
use harness::seller::Terms;
use sale::{clock::monotonic, ids::FIRST_EPOCH};

use crate::{drill::Drill, judge, stage::Stage};

/// Payments wait for the poller, fifteen seconds each: as many people are inside as come in that time.
const INSIDE: u32 = 300;
/// From then on the poller must have found some payments.
const POLLER_FINDS_SECONDS: u64 = 20;

pub(crate) const DRILL: Drill = Drill {
    name: "kafka-down",
    does: "kill -9 of the only Kafka broker, which stays away (30 s)",
    promises: "people go on joining, reserving and paying; the pollers find the payments; everything is settled after it is back",
    seconds: 30,
    short_seconds: 22,
    run: |stage| run(stage).boxed_local(),
};

async fn run(stage: &Stage) {
    let terms = Terms { max_active: INSIDE, ..Stage::lasting(stage.seconds + 15) };
    let mut running = stage.begin(terms).await;
    running.sold_percent(10).await;
    stage.engines(&["kill", "kafka"]);
    stage.notes.does(format_args!("Kafka is killed, for {} s", stage.seconds));
    let before = running.story.witness.tally();
    tokio::time::sleep(Duration::from_secs(stage.seconds)).await;
    running.story.tell("Kafka is still away");
    let during = running.story.witness.tally();
    let placed = during.orders - before.orders;
    let paid = during.paid - before.paid;
    stage.notes.saw("orders_without_kafka", placed);
    stage.notes.saw("paid_without_kafka", paid);
    stage.notes.check("checkout goes on without Kafka", placed > 0, format_args!("{placed} orders placed"));
    if stage.seconds >= POLLER_FINDS_SECONDS {
        stage.notes.check("the pollers find payments without Kafka", paid > 0, format_args!("{paid} orders paid"));
    }
    let since = monotonic();
    stage.engines(&["up", "kafka"]);
    stage.notes.does("Kafka is back");
    running.back_to_normal(stage, since, FIRST_EPOCH).await;
    judge::sold_out(stage, running).await;
}
