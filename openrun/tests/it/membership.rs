//! A process that does not belong to the installation of its database does nothing, and loses nothing.

use std::{fs, time::Duration};

use http::StatusCode;
use serde_json::json;

use harness::{
    http::Request,
    installation::Installation,
    machine_lock,
    seller::Terms,
    story::{Story, until},
};
use stores::testing::free_port;

use crate::program;

/// Longer than any step takes, on a busy machine too.
const SOON: Duration = Duration::from_mins(1);
const MAIL_URL: &str = "OPENRUN_MAIL_URL";

async fn says(story: &Story, path: &str, text: &str) -> bool {
    let answer = story.installation.client.ask(&story.installation.fronts[0], &Request::get(path)).await;
    answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.body).contains(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_other_keys_answers_nobody_and_loses_no_mail() {
    let _machine = machine_lock::shared().await;
    // The mail of the order waits for a server that is away.
    let away = format!("smtp://127.0.0.1:{}?from=shop@example.com", free_port());
    let terms = Terms { per_minute: 6_000, max_active: 1, hold_seconds: 600, ..Terms::USUAL };
    let mut story = Story::open(Installation::embedded(&program(), &[(MAIL_URL, &away)]).await, terms).await;
    let mut buyer = story.buyer(0);
    buyer.join().await;
    buyer.until_state("called").await;
    let pass = buyer.enter().await.expect("was called");
    let (client, front) = (story.installation.client.clone(), story.installation.fronts[0].clone());
    let path = |step: &str| format!("/v1/sales/{}/{step}", story.seller.sale);
    let body = json!({"lines": [{"item": "pair", "quantity": 1}], "contact": {"email": "buyer@example.com"}});
    let order = Request::post(path("orders")).bearer(&pass.text).key("order").json(body);
    assert_eq!(client.ask(&front, &order).await.expect("an answer").status, StatusCode::CREATED);
    let join = Request::post(path("tickets")).key("a newcomer");

    let keys = story.installation.keys_file();
    let right = keys.with_extension("right");
    story.installation.processes[0].kill();
    fs::rename(&keys, &right).expect("take the keys away");
    story.installation.run(&["keys", "init"]);
    story.installation.processes[0].set(MAIL_URL, None);
    story.installation.processes[0].start_again();
    assert!(until(SOON, || says(&story, "/readyz", "other keys")).await);
    let refused = client.ask(&front, &join).await.expect("an answer");
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"));
    assert!(refused.header("retry-after").is_some());

    story.installation.processes[0].kill();
    fs::rename(&right, &keys).expect("give the keys back");
    story.installation.processes[0].start_again();
    story.installation.ready().await;
    assert!(until(SOON, || says(&story, "/metrics", r#"openrun_mails_total{result="accepted"} 1"#)).await);
    // The line is filled again first.
    let joined = client.ask_patiently(&story.installation.fronts, 0, &join).await.expect("an answer");
    assert_eq!(joined.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_begins_when_the_obstacle_is_gone() {
    let _machine = machine_lock::shared().await;
    let terms = Terms { per_minute: 6_000, max_active: 1, ..Terms::USUAL };
    let mut story = Story::open(Installation::embedded(&program(), &[]).await, terms).await;
    story.installation.processes[0].kill();
    fs::remove_file(story.installation.keys_file()).expect("lose the keys");
    story.installation.run(&["keys", "init"]);
    story.installation.processes[0].start_again();
    assert!(until(SOON, || says(&story, "/readyz", "other keys")).await);
    // While it runs, a person says that its keys are the right ones from now on.
    story.installation.run(&["installation", "adopt"]);
    story.installation.ready().await;
    let mut buyer = story.buyer(0);
    assert_eq!(buyer.join().await.status, StatusCode::CREATED);
    buyer.until_state("called").await;
}
