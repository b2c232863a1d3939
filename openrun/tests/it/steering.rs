//! The seller steers while the sale runs: pause, resume, the rate, the end.

use std::time::Duration;

use http::StatusCode;
use sale::clock::monotonic;
use serde_json::json;

use harness::{
    buyer::Buyer,
    engines::Engines,
    installation::Installation,
    machine_lock,
    seller::Terms,
    story::{Story, until},
};

use crate::program;

const SOON: Duration = Duration::from_secs(30);
/// A pause, a resume and a new rate are in force within a second.
const IN_FORCE: Duration = Duration::from_secs(1);

/// Two calls a second, to people who do not come.
const SLOW: Terms = Terms {
    units: 1_000,
    per_minute: 120,
    max_active: 1_000,
    hold_seconds: 60,
    enter_seconds: 600,
    pass_seconds: 600,
    ..Terms::USUAL
};

async fn joined(story: &Story, buyers: std::ops::Range<usize>) -> Vec<Buyer> {
    let mut all = Vec::new();
    for nth in buyers {
        let mut buyer = story.buyer(nth);
        assert_eq!(buyer.join().await.status, StatusCode::CREATED);
        all.push(buyer);
    }
    all
}

async fn called(story: &Story) -> u64 {
    story.seller.live().await.called_total
}

/// Calls within so many seconds.
async fn calls_within(story: &Story, seconds: u64) -> u64 {
    let before = called(story).await;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    called(story).await - before
}

async fn the_seller_steers(installation: Installation) {
    let story = Story::open(installation, SLOW).await;
    drop(joined(&story, 0..60).await);
    assert!(until(SOON, || async { called(&story).await >= 3 }).await, "people are called");

    story.seller.switch("pause").await;
    tokio::time::sleep(IN_FORCE).await;
    assert_eq!(calls_within(&story, 3).await, 0, "a paused sale calls nobody");
    assert_eq!(story.seller.state().await, "paused");
    let mut late_comer = story.buyer(60);
    assert_eq!(late_comer.join().await.status, StatusCode::CREATED, "people may join a paused sale");

    let resumed = monotonic();
    let before = called(&story).await;
    story.seller.switch("resume").await;
    assert!(until(SOON, || async { called(&story).await > before }).await);
    assert!(resumed.elapsed() < IN_FORCE * 3, "resumed after {:?}", resumed.elapsed());

    // Ten times as fast, then not at all.
    story.checker.rate_is(1_200);
    story.seller.admission(json!({"mode": "manual", "per_minute": 1_200})).await;
    assert!(until(SOON, || async { story.seller.live().await.waiting == 0 }).await, "the line is called empty");
    story.seller.admission(json!({"per_minute": 0})).await;
    tokio::time::sleep(IN_FORCE).await;
    let before = called(&story).await;
    drop(joined(&story, 61..64).await);
    assert_eq!(calls_within(&story, 2).await, 0);
    assert_eq!(called(&story).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seller_pauses_resumes_and_changes_the_rate() {
    let _machine = machine_lock::shared().await;
    the_seller_steers(Installation::embedded(&program(), &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_the_seller_pauses_resumes_and_changes_the_rate() {
    let _machine = machine_lock::shared().await;
    the_seller_steers(Installation::pair(&program(), Engines::live().await, &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_inside_may_finish_when_the_sale_closes() {
    let _machine = machine_lock::shared().await;
    let terms =
        Terms { units: 10, per_minute: 6_000, max_active: 2, hold_seconds: 60, enter_seconds: 60, ..Terms::USUAL };
    let story = Story::open(Installation::embedded(&program(), &[]).await, terms).await;
    let (mut inside, mut called, mut waiting) = (story.buyer(0), story.buyer(1), story.buyer(2));
    for buyer in [&mut inside, &mut called, &mut waiting] {
        buyer.join().await;
    }
    inside.until_state("called").await;
    called.until_state("called").await;
    let pass = inside.enter().await.expect("was called");
    let order = inside.reserve(&pass, "order").await.field("id");

    story.seller.switch("close").await;
    assert_eq!(story.seller.state().await, "draining");
    // Once the waiting room has read it, nobody else can join.
    waiting.until_state("closed").await;
    let refused = story.buyer(3).join().await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::GONE, "sale_closed"));

    // Who was called may come in, and who is inside may pay.
    let late_pass = called.enter().await.expect("was called before the end");
    let late_order = called.reserve(&late_pass, "order").await;
    assert_eq!(late_order.status, StatusCode::CREATED, "{}", late_order.json());
    let late_order = late_order.field("id");
    for (buyer, pass, order) in [(&inside, &pass, &order), (&called, &late_pass, &late_order)] {
        buyer.pay(pass, order, "pay", "sandbox_ok").await;
        assert!(until(SOON, || async { buyer.look(order).await["state"] == "paid" }).await);
    }
    assert!(until(SOON, || async { story.seller.state().await == "closed" }).await, "nobody is inside any more");
    story.verifies().await;
}
