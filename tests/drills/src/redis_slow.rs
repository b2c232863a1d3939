//! Redis answers late, then not at all, then scripts run and their answers are lost.

use std::time::Duration;

use futures::FutureExt as _;
use harness::{engines::Engines, http::Request, installation::Installation, story::Story};
use sale::{clock::monotonic, ids::FIRST_EPOCH};
use serde_json::json;
use stores::testing::RedisServer;

use crate::{
    assertions,
    drill::Drill,
    fixture::{Fixture, Running, SANDBOX, STEADY},
    toxiproxy::Toxiproxy,
};

const LATENCY_MS: u64 = 500;
const BLACK_HOLE: Duration = Duration::from_secs(5);
/// Connections are reset for so long, so many times.
const RESETS: u32 = 6;
const RESET_FOR: Duration = Duration::from_millis(300);
const RESET_EVERY: Duration = Duration::from_secs(1);
/// A page that waits is answered from memory: on a busy machine too.
const PAGE_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Whoever needs the store has a clear answer within this time.
const JOIN_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub(crate) const DRILL: Drill = Drill {
    name: "redis-slow",
    does: "500 ms between Openrun and Redis, then a black hole of 5 s, then resets after the script ran",
    promises: "pages that wait are answered from memory; who needs the store gets a clear answer; a lost answer takes nothing twice",
    seconds: 40,
    short_seconds: 20,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let redis = RedisServer::start().await;
    let proxy = Toxiproxy::before(redis.url().trim_start_matches("redis://")).await;
    let engines = Engines::with_queue(&proxy.url()).await;
    let installation = Installation::live(&fixture.tools.program, engines, &SANDBOX).await;
    let terms = harness::seller::Terms { units: Fixture::lasting(fixture.seconds).units, ..STEADY };
    let story = fixture.open(installation, terms).await;
    let load = story.start_load(usize::try_from(terms.units).expect("a load that fits") * 5 / 4 + 40);
    let mut running = Running { story, load, redis };
    running.sold_percent(10).await;

    fixture.report.step(format_args!("every answer of Redis takes {LATENCY_MS} ms longer"));
    proxy.poison("latency", json!({"latency": LATENCY_MS})).await;
    probe(fixture, &running.story, "slow", Duration::from_secs(fixture.seconds / 4)).await;
    proxy.cure().await;

    fixture.report.step("Redis swallows everything");
    proxy.poison("timeout", json!({"timeout": 0})).await;
    probe(fixture, &running.story, "away", BLACK_HOLE).await;
    proxy.cure().await;
    let since = monotonic();
    running.back_to_normal(fixture, since, FIRST_EPOCH).await;

    fixture.report.step("scripts run, and their answers are lost with the connection");
    for _ in 0..RESETS {
        proxy.poison("reset_peer", json!({"timeout": 0})).await;
        tokio::time::sleep(RESET_FOR).await;
        proxy.cure().await;
        tokio::time::sleep(RESET_EVERY).await;
    }
    let since = monotonic();
    running.back_to_normal(fixture, since, FIRST_EPOCH).await;
    assertions::sold_out(fixture, running).await;
    drop(proxy);
}

/// Asks for the frame and for places in line all the time, and tells how long that took.
async fn probe(fixture: &Fixture, story: &Story, when: &str, during: Duration) {
    let (frame, joins) =
        (format!("/v1/sales/{}/frame", story.seller.sale), format!("/v1/sales/{}/tickets", story.seller.sale));
    let (client, front) = (&story.installation.client, &story.installation.fronts[0]);
    let (mut slowest_page, mut slowest_join, mut unclear, mut asked) = (Duration::ZERO, Duration::ZERO, 0, 0);
    let started = monotonic();
    while started.elapsed() < during {
        asked += 1;
        let at = monotonic();
        let page = client.ask(front, &Request::get(&frame)).await;
        slowest_page = slowest_page.max(at.elapsed());
        let at = monotonic();
        let key = format!("probe-{when}-{asked}");
        let join = client.ask(front, &Request::post(&joins).key(&key)).await;
        slowest_join = slowest_join.max(at.elapsed());
        // A place, or "not now" and when to ask again.
        let clear = join.is_ok_and(|join| join.status.is_success() || join.header("retry-after").is_some());
        unclear += u32::from(!clear || !page.is_ok_and(|page| page.status.is_success()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = format!("slowest of {asked} {slowest_page:?}");
    fixture.report.check(
        format_args!("I15: a page is answered from memory, Redis {when}"),
        slowest_page < fixture.limit(PAGE_ANSWERS_WITHIN),
        told,
    );
    let told = format!("slowest of {asked} {slowest_join:?}, {unclear} unclear");
    let good = unclear == 0 && slowest_join < fixture.limit(JOIN_ANSWERS_WITHIN);
    fixture.report.check(format_args!("I12: a join gets a place or a clear no, Redis {when}"), good, told);
}
