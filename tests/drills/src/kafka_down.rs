//! Kafka is away while people buy.

use std::time::Duration;

use futures::FutureExt as _;
use harness::seller::Terms;
use sale::{clock::monotonic, ids::FIRST_EPOCH};

use crate::{assertions, drill::Drill, fixture::Fixture};

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
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let terms = Terms { max_active: INSIDE, ..Fixture::lasting(fixture.seconds + 15) };
    let mut running = fixture.begin(terms).await;
    running.sold_percent(10).await;
    fixture.engines(&["kill", "kafka"]);
    fixture.report.step(format_args!("Kafka is killed, for {} s", fixture.seconds));
    let before = running.story.checker.tally();
    tokio::time::sleep(Duration::from_secs(fixture.seconds)).await;
    running.story.tell("Kafka is still away");
    let during = running.story.checker.tally();
    let placed = during.orders - before.orders;
    let paid = during.paid - before.paid;
    fixture.report.record("orders_without_kafka", placed);
    fixture.report.record("paid_without_kafka", paid);
    fixture.report.check("checkout goes on without Kafka", placed > 0, format_args!("{placed} orders placed"));
    if fixture.seconds >= POLLER_FINDS_SECONDS {
        fixture.report.check("the pollers find payments without Kafka", paid > 0, format_args!("{paid} orders paid"));
    }
    let since = monotonic();
    fixture.engines(&["up", "kafka"]);
    fixture.report.step("Kafka is back");
    running.back_to_normal(fixture, since, FIRST_EPOCH).await;
    assertions::sold_out(fixture, running).await;
}
