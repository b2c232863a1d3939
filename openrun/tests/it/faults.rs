//! Faults in the middle of a sale: afterwards everything holds as if nothing had been, without hands.

use std::time::Duration;

use sale::clock::monotonic;

use harness::{
    engines::Engines,
    installation::Installation,
    load_generator::LoadGenerator,
    machine_lock,
    seller::Terms,
    story::{GENEROUS, NORMAL_WITHIN, Story},
};
use stores::testing::RedisServer;

use crate::{program, the_sale::SANDBOX};

const BUYERS: usize = 600;
const TERMS: Terms = Terms { units: 300, per_minute: 3_000, max_active: 60, ..Terms::USUAL };
/// Well above what it takes, because the machine may be busy.
const SELLS_WITHIN: Duration = Duration::from_mins(10);
/// How old the state is that Redis is put back to.
const COPY_AGE: Duration = Duration::from_secs(10);
/// How long whoever watches over the processes takes to start one again.
const AWAY: Duration = Duration::from_secs(2);

async fn begin(installation: Installation) -> (Story, LoadGenerator) {
    let story = Story::open(installation, TERMS).await;
    let load = story.start_load(BUYERS);
    (story, load)
}

async fn end(story: Story, load: LoadGenerator) {
    story.sold(i64::from(TERMS.units), SELLS_WITHIN).await;
    load.stop().await;
    story.ends_sold_out().await;
}

/// `kill -9` of one process, which comes back after a moment. Afterwards the store is in the life `epoch`.
async fn kill(story: &mut Story, nth: usize, epoch: i64) {
    let since = monotonic();
    let process = &mut story.installation.processes[nth];
    process.kill();
    let name = process.name.clone();
    story.tell(&format!("killed {name}"));
    tokio::time::sleep(AWAY).await;
    story.installation.processes[nth].start_again();
    story.normal_again(since, epoch, NORMAL_WITHIN * GENEROUS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_process_is_killed_twice() {
    let _machine = machine_lock::exclusive().await;
    let (mut story, load) = begin(Installation::embedded(&program(), &SANDBOX).await).await;
    // The line is in the process, so each kill begins a new life.
    for (units, epoch) in [(60, 2), (150, 3)] {
        story.sold(units, SELLS_WITHIN).await;
        kill(&mut story, 0, epoch).await;
    }
    end(story, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_one_process_of_every_role_is_killed() {
    let _machine = machine_lock::exclusive().await;
    let (mut story, load) = begin(Installation::live(&program(), Engines::live().await, &SANDBOX).await).await;
    story.sold(20, SELLS_WITHIN).await;
    // One of each two; what it had claimed, or led, is the other one's until it is back.
    for nth in (0..story.installation.processes.len()).step_by(2) {
        kill(&mut story, nth, 1).await;
    }
    end(story, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_redis_is_emptied() {
    let _machine = machine_lock::exclusive().await;
    let redis = RedisServer::start().await;
    let engines = Engines::with_queue(&redis.url()).await;
    let (mut story, load) = begin(Installation::live(&program(), engines, &SANDBOX).await).await;
    story.sold(60, SELLS_WITHIN).await;
    let since = monotonic();
    redis.command(&["FLUSHALL"]).await.expect("empty Redis");
    story.tell("emptied Redis");
    story.normal_again(since, 2, NORMAL_WITHIN * GENEROUS).await;
    end(story, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_redis_is_put_back_to_an_older_state() {
    let _machine = machine_lock::exclusive().await;
    let mut redis = RedisServer::start().await;
    let engines = Engines::with_queue(&redis.url()).await;
    let (mut story, load) = begin(Installation::live(&program(), engines, &SANDBOX).await).await;
    story.sold(30, SELLS_WITHIN).await;
    let copy = redis.copy();
    let copied = monotonic();
    story.tell("copied what Redis wrote");
    story.sold(120, SELLS_WITHIN).await;
    tokio::time::sleep(COPY_AGE.saturating_sub(copied.elapsed())).await;
    let since = monotonic();
    redis.put_back(&copy).await;
    story.tell("put the copy back");
    story.normal_again(since, 2, NORMAL_WITHIN * GENEROUS).await;
    end(story, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_all_processes_are_restarted_one_by_one() {
    let _machine = machine_lock::exclusive().await;
    let (mut story, load) = begin(Installation::live(&program(), Engines::live().await, &SANDBOX).await).await;
    story.sold(20, SELLS_WITHIN).await;
    for nth in 0..story.installation.processes.len() {
        let process = &mut story.installation.processes[nth];
        process.end().await;
        process.start_again();
        process.ready(&story.installation.client).await;
    }
    story.tell("restarted every process");
    let failed = story.installation.client.server_errors();
    assert!(failed.is_empty(), "{} requests failed: {:?}", failed.len(), &failed[..failed.len().min(5)]);
    end(story, load).await;
}
