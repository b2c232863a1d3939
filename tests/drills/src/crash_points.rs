//! A process is killed right after each step that another store has still to hear of, one point after another.

use std::{os::unix::process::ExitStatusExt as _, time::Duration};

use futures::FutureExt as _;
use harness::{
    process::Process,
    story::{Story, until},
};
use sale::{OrderId, clock::monotonic, ids::charge_key};
use serde_json::json;
use stores::{
    failpoint::Point,
    payments::{self, ChargeRef, ProviderSettings},
    testing,
};
use tokio_util::task::TaskTracker;

use crate::{
    assertions,
    database::{self, Looks},
    drill::Drill,
    fixture::{Fixture, Running},
};

/// A point is reached within this time: some of them wait for a buyer who does not pay.
const REACHED_WITHIN: Duration = Duration::from_secs(40);
/// The signal that a fail point sends.
const SIGKILL: i32 = 9;
/// A refund is asked for every ten seconds.
const REFUNDED_WITHIN: Duration = Duration::from_secs(40);
/// What the last units are sold at, when all points are done.
const AT_LAST_PER_MINUTE: u32 = 3_000;
/// How long Redis or the database stay away.
const AWAY: Duration = Duration::from_secs(2);

pub(crate) const DRILL: Drill = Drill {
    name: "crash-points",
    does: "kill -9 at each of the crash points 1 to 13, 16 and 17, and of Redis (14), the database and Kafka (15)",
    promises: "whatever was left behind is repaired by whoever ARCHITECTURE.md names, without hands, within 30 s",
    seconds: 150,
    short_seconds: 110,
    run: |fixture| run(fixture).boxed_local(),
};

/// The role that gets to a point.
const fn role_of(point: Point) -> &'static str {
    match point {
        Point::UnitsTaken | Point::OrderCommitted | Point::HandlerBegun => "checkout-",
        Point::EventWritten | Point::EventPublished => "relay-",
        Point::PaymentWritten
        | Point::ChargeCreated
        | Point::ChargeRecorded
        | Point::ChargeSent
        | Point::CaptureRecorded
        | Point::RefundSent => "payments-",
        Point::StockCommitted | Point::HoldReleased | Point::EffectDone => "stock-",
        Point::CalledUpToRaised => "admission-",
        Point::TicketEntered => "waiting-room-",
    }
}

async fn run(fixture: &Fixture) {
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    running.sold_percent(2).await;
    for point in Point::ALL.into_iter().filter(|point| *point != Point::RefundSent) {
        die_at(fixture, &mut running.story, point).await;
    }
    let since = monotonic();
    running.back_to_normal(fixture, since, 1).await;
    engines_die(fixture, &mut running).await;
    running.story.checker.rate_is(AT_LAST_PER_MINUTE);
    running.story.seller.admission(json!({"per_minute": AT_LAST_PER_MINUTE})).await;
    running.sold_percent(100).await;
    let Running { mut story, load, redis } = running;
    fixture.report.step("everything is sold, so money that comes now can only go back");
    load.stop().await;
    story.settled().await;
    die_at(fixture, &mut story, Point::RefundSent).await;
    assertions::agrees(fixture, &mut story).await;
    drop(redis);
}

/// Both processes of the role are armed; the first one that gets there dies. Then both go on without.
async fn die_at(fixture: &Fixture, story: &mut Story, point: Point) {
    fixture.report.step(point.as_str());
    arm(story, point, Some(point.as_str())).await;
    let refunded = if point == Point::RefundSent { Some(owe_a_refund(story).await) } else { None };
    let started = monotonic();
    let mut died = None;
    while died.is_none() && started.elapsed() < fixture.limit(REACHED_WITHIN) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        died = of_role(story, point).find_map(|process| process.ended().map(|status| (process.name.clone(), status)));
    }
    if died.is_none() {
        of_role(story, point).for_each(|process| println!("---- {}\n{}", process.name, process.last_words()));
    }
    let told = died.as_ref().map_or("no process got there".to_owned(), |(name, status)| {
        format!("{name} after {:.1} s, {status}", started.elapsed().as_secs_f64())
    });
    // One that could not start ends by itself, and has not got there.
    let is_killed = died.is_some_and(|(_, status)| status.signal() == Some(SIGKILL));
    fixture.report.check(format_args!("killed at {}", point.as_str()), is_killed, told);
    arm(story, point, None).await;
    if let Some(order) = refunded {
        is_refunded_once(fixture, story, order).await;
    }
}

fn of_role(story: &mut Story, point: Point) -> impl Iterator<Item = &mut Process> {
    let processes = story.installation.processes.iter_mut();
    processes.filter(move |process| process.name.starts_with(role_of(point)))
}

async fn arm(story: &mut Story, point: Point, plan: Option<&str>) {
    for process in of_role(story, point) {
        process.set("OPENRUN_FAIL_POINT", plan);
        process.kill();
        process.start_again();
    }
    // One that is armed may be dead before it is ready; whoever waits for the point sees it.
    if plan.is_none() {
        story.installation.ready().await;
    }
}

/// Points 14 and 15: engines die instead of processes.
async fn engines_die(fixture: &Fixture, running: &mut Running) {
    fixture.report.step("14 Redis is killed");
    let since = monotonic();
    running.redis.kill();
    tokio::time::sleep(AWAY).await;
    running.redis.start_again().await;
    running.back_to_normal(fixture, since, 2).await;
    for engine in ["postgres", "kafka"] {
        fixture.report.step(format_args!("15 {engine} is killed"));
        let since = monotonic();
        fixture.engines(&["kill", engine]);
        tokio::time::sleep(AWAY).await;
        fixture.engines(&["up", engine]);
        running.back_to_normal(fixture, since, 2).await;
    }
}

/// An order that lapsed, and its charge, which was called back.
const LAPSED: &str = "SELECT o.id || ' ' || p.provider_id FROM orders o JOIN payments p ON p.purchase_id = o.id \
    WHERE o.state = 'expired' AND p.state = 'voided' AND p.attempt = 1 AND p.provider_id IS NOT NULL LIMIT 1";

/// The provider captures a charge that it had called back, and says so, as a webhook does.
async fn owe_a_refund(story: &Story) -> OrderId {
    let mut looks = Looks::at(story).await;
    let lapsed = looks.text(LAPSED).await.expect("somebody who left without paying");
    let (lapsed, provider_id) = lapsed.split_once(' ').expect("an order and its charge");
    let lapsed = OrderId::parse(lapsed).expect("an order id");
    let database = database::of(story);
    let key = charge_key(lapsed, 1);
    testing::force_charge(&database, &key, "captured").await;
    let provider = payments::connect("sandbox:", &database, ProviderSettings::default()).expect("the sandbox");
    let worker = checkout::payments::PaymentWorker::new(database, provider, &TaskTracker::new());
    let charge = ChargeRef { key, provider_id: provider_id.to_owned() };
    worker.on_webhook(&charge).await.expect("a webhook about a late capture");
    lapsed
}

async fn is_refunded_once(fixture: &Fixture, story: &Story, order: OrderId) {
    let orders = || async {
        let orders = story.seller.orders().await;
        orders.into_iter().any(|listed| listed.id == order.to_string() && listed.state == "refunded")
    };
    let refunded = until(fixture.limit(REFUNDED_WITHIN), orders).await;
    let mut looks = Looks::at(story).await;
    let refunds = looks.number("SELECT count(*) FROM sandbox_refunds").await;
    fixture.report.check("I5: late money goes back, once", refunded && refunds == 1, format_args!("{refunds} refunds"));
}
