//! A missed call costs little once: who comes late is at the front again, once.

use http::StatusCode;

use harness::{engines::Engines, installation::Installation, machine_lock, seller::Terms, story::Story};

use crate::program;

/// One person inside at a time, five seconds to come.
const NARROW: Terms = Terms { max_active: 1, hold_seconds: 60, ..Terms::USUAL };

async fn a_missed_call_is_forgiven_once(installation: Installation) {
    let story = Story::open(installation, NARROW).await;
    let mut never = story.buyer(0);
    never.join().await;
    never.until_state("called").await;
    never.until_state("late").await;
    never.until_state("called").await;
    never.until_state("expired").await;
    let refused = never.enter().await.expect_err("both calls were missed");
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::GONE, "ticket_gone"));

    // A pause gives the late one time to come back before the next is called.
    let (mut late, mut next) = (story.buyer(1), story.buyer(2));
    late.join().await;
    next.join().await;
    late.until_state("called").await;
    story.seller.switch("pause").await;
    late.until_state("late").await;
    story.seller.switch("resume").await;
    late.until_state("called").await;
    assert_eq!(next.stand().await["state"], "waiting");
    let pass = late.enter().await.expect("comes to the second call");
    assert_eq!(late.stand().await["state"], "admitted");
    assert_eq!(late.reserve(&pass, "order").await.status, StatusCode::CREATED);
    assert_eq!(late.stand().await["state"], "consumed");

    // Who missed both may join again, at the end.
    let again = never.join().await;
    assert_eq!((again.status, again.json()["number"].as_u64()), (StatusCode::CREATED, Some(4)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_call_is_forgiven_once_embedded() {
    let _machine = machine_lock::shared().await;
    a_missed_call_is_forgiven_once(Installation::embedded(&program(), &[]).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_a_missed_call_is_forgiven_once() {
    let _machine = machine_lock::shared().await;
    a_missed_call_is_forgiven_once(Installation::pair(&program(), Engines::live().await, &[]).await).await;
}
