//! What a visitor holds outlives the processes: tickets, passes, orders.

use http::StatusCode;

use harness::{
    installation::Installation,
    machine_lock,
    seller::Terms,
    story::{Story, until},
};

use crate::program;
use std::time::Duration;

/// Longer than any step takes, on a busy machine too.
const SOON: Duration = Duration::from_secs(30);

/// Nobody is called unless a test says so.
const STILL: Terms =
    Terms { per_minute: 0, max_active: 20, hold_seconds: 300, enter_seconds: 300, pass_seconds: 600, ..Terms::USUAL };

async fn kill_and_start(story: &mut Story) {
    let process = &mut story.installation.processes[0];
    process.kill();
    process.start_again();
    story.installation.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_restart_keeps_places_passes_and_orders() {
    let _machine = machine_lock::shared().await;
    let terms = Terms { per_minute: 6_000, max_active: 2, ..STILL };
    let mut story = Story::open(Installation::embedded(&program(), &[]).await, terms).await;
    let mut first = story.buyer(0);
    let mut second = story.buyer(1);
    first.join().await;
    second.join().await;
    let (mut waiting, mut numbers) = (Vec::new(), Vec::new());
    for nth in 2..6 {
        let mut buyer = story.buyer(nth);
        buyer.join().await;
        numbers.push(buyer.place.clone().expect("joined").number);
        waiting.push(buyer);
    }
    assert_eq!(numbers, [3, 4, 5, 6]);
    first.until_state("called").await;
    second.until_state("called").await;
    let pass = first.enter().await.expect("was called");
    let second_pass = second.enter().await.expect("was called");
    let order = first.reserve(&pass, "order").await;
    assert_eq!(order.status, StatusCode::CREATED);
    let order = order.field("id");

    kill_and_start(&mut story).await;

    assert_eq!(first.look(&order).await["state"], "pending_payment");
    assert_eq!(first.reserve(&pass, "order").await.field("id"), order, "the same key finds the same order");
    assert_eq!(first.reserve(&pass, "another").await.code(), "pass_used");
    let again = second.enter().await.expect("the pass is asked for again");
    assert_eq!(again.id, second_pass.id);
    for (buyer, number) in waiting.iter_mut().zip(&numbers) {
        assert_eq!(buyer.until_state("waiting").await["number"], *number);
    }
    let mut newcomer = story.buyer(6);
    newcomer.join().await;
    let number = newcomer.place.clone().expect("joined").number;
    assert!(number > 6, "number {number} was given before");

    // The sale goes on: the order is paid, and whoever is first is called first.
    first.pay(&pass, &order, "pay", "sandbox_ok").await;
    assert!(until(SOON, || async { first.look(&order).await["state"] == "paid" }).await);
    waiting[0].until_state("called").await;
    assert_eq!(newcomer.stand().await["state"], "waiting");
    assert!(until(SOON, || async { story.seller.live().await.units.held == 0 }).await);
    story.verifies().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tickets_and_passes_outlive_a_rotation_of_the_keys() {
    let _machine = machine_lock::shared().await;
    let terms = Terms { per_minute: 6_000, max_active: 1, ..STILL };
    let mut story = Story::open(Installation::embedded(&program(), &[]).await, terms).await;
    let (mut inside, mut waiting) = (story.buyer(0), story.buyer(1));
    inside.join().await;
    waiting.join().await;
    inside.until_state("called").await;
    let pass = inside.enter().await.expect("was called");

    story.installation.run(&["keys", "rotate"]);
    kill_and_start(&mut story).await;

    waiting.until_state("waiting").await;
    assert_eq!(waiting.place.as_ref().expect("joined").number, 2);
    assert_eq!(inside.reserve(&pass, "order").await.status, StatusCode::CREATED);
    let mut newcomer = story.buyer(2);
    assert_eq!(newcomer.join().await.status, StatusCode::CREATED);
    newcomer.until_state("waiting").await;
    let known = story.seller.ask(harness::http::Request::get("/.well-known/jwks.json")).await.json();
    assert!(known["keys"].as_array().is_some_and(|keys| keys.len() == 3), "{known}");
}
