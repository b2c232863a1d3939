//! Several processes are one installation: whoever joined at one may go on at another.

use http::StatusCode;

use harness::{
    engines::Engines,
    http::Request,
    installation::Installation,
    machine_lock,
    seller::Terms,
    story::{Story, until},
};

use crate::program;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_a_buyer_may_change_processes_at_every_step() {
    let _machine = machine_lock::shared().await;
    let terms = Terms { units: 3, max_active: 2, hold_seconds: 60, enter_seconds: 60, ..Terms::USUAL };
    let mut story = Story::open(Installation::pair(&program(), Engines::live().await, &[]).await, terms).await;
    let mut buyer = story.buyer(0);
    buyer.join().await;
    let place = buyer.place.clone().expect("joined");
    buyer.move_to(1);
    assert_eq!(buyer.join().await.status, StatusCode::OK, "the same key has its place at the other process");
    assert_eq!(buyer.place.as_ref().expect("joined").number, place.number);
    buyer.until_state("called").await;
    let pass = buyer.enter().await.expect("was called");
    buyer.move_to(1);
    let again = buyer.enter().await.expect("asked again");
    assert_eq!(again.id, pass.id);
    let order = buyer.reserve(&again, "order").await.field("id");
    buyer.move_to(1);
    assert_eq!(buyer.reserve(&pass, "order").await.field("id"), order);
    buyer.pay(&pass, &order, "pay", "sandbox_ok").await;
    buyer.move_to(1);
    assert!(until(SOON, || async { buyer.look(&order).await["state"] == "paid" }).await);

    frames_are_the_same_bytes(&story).await;

    // New keys, one process after the other, as people roll out.
    let mut waiting = story.buyer(1);
    waiting.join().await;
    story.installation.run(&["keys", "rotate"]);
    for nth in 0..2 {
        story.installation.processes[nth].kill();
        story.installation.processes[nth].start_again();
        story.installation.ready().await;
    }
    waiting.until_state("called").await;
    assert_eq!(waiting.enter().await.map(|_| ()).map_err(|refused| refused.json()), Ok(()));
    assert!(until(SOON, || async { story.seller.live().await.units.held == 0 }).await);
    story.verifies().await;
}

/// Both processes give the same frame under the same tag, and nothing to whoever has it already.
async fn frames_are_the_same_bytes(story: &Story) {
    let (client, path) = (&story.installation.client, format!("/v1/sales/{}/frame", story.seller.sale));
    let same = until(SOON, || async {
        let mut frames = Vec::new();
        for front in &story.installation.fronts {
            frames.push(client.ask(front, &Request::get(&path)).await.expect("a frame"));
        }
        let etags = [frames[0].header("etag"), frames[1].header("etag")];
        let known = Request::get(&path).header("if-none-match", etags[0].unwrap_or_default());
        let other = client.ask(&story.installation.fronts[1], &known).await.expect("an answer");
        etags[0] == etags[1] && frames[0].body == frames[1].body && other.status == StatusCode::NOT_MODIFIED
    })
    .await;
    assert!(same, "two processes show different frames");
}
