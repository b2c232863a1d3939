//! The admission role: a loop for every running sale.

use std::{collections::HashMap, time::Duration};

use sale::SaleId;
use stores::{StoreError, database::sales};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::lead::{AHEAD, Leader, Stepped, Stores};

/// The longest wait between two looks at a sale that this process leads.
const TICK: Duration = Duration::from_millis(100);
/// The shortest: at high rates calls travel in batches.
const SHORTEST_TICK: Duration = Duration::from_millis(10);
/// The wait while the rate allows a call and something else does not. Each look costs the store two scripts; who comes
/// into an empty line, or waits for a place inside, waits this much longer at most.
const IDLE_TICK: Duration = Duration::from_millis(50);
/// How often a follower asks whether the lead is free, and how often new sales are looked for.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// Runs until `stop`. Loops live on `tracker`.
pub async fn run(stores: Stores, tracker: &TaskTracker, stop: CancellationToken) {
    let mut loops: HashMap<SaleId, CancellationToken> = HashMap::new();
    while !stop.is_cancelled() {
        loops.retain(|_, ended| !ended.is_cancelled());
        let running = sales::running(&stores.database).await.unwrap_or_else(|trouble| {
            tracing::warn!(%trouble, "cannot look for running sales; trying again");
            Vec::new()
        });
        for sale in running {
            let leader = || Leader::new(stores.clone(), sale.clone());
            loops.entry(sale.clone()).or_insert_with(|| start(leader(), tracker, stop.clone()));
        }
        pause(LOOK_AFTER, &stop).await;
    }
}

/// Starts the loop of one sale; the token is cancelled when it has ended.
fn start(leader: Leader, tracker: &TaskTracker, stop: CancellationToken) -> CancellationToken {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    tracker.spawn(async move {
        lead(leader, &stop).await;
        drop(guard);
    });
    ended
}

async fn lead(mut leader: Leader, stop: &CancellationToken) {
    let mut in_trouble = false;
    while !stop.is_cancelled() {
        let wait = match leader.step().await {
            Ok(Stepped::Over) => break,
            Ok(stepped) => {
                in_trouble = false;
                wait_after(stepped)
            }
            Err(trouble) => {
                if !std::mem::replace(&mut in_trouble, true) {
                    tracing::warn!(%trouble, "admission stands still: nobody is called");
                }
                if matches!(trouble, StoreError::Lost) { TICK } else { LOOK_AFTER }
            }
        };
        pause(wait, stop).await;
    }
    leader.resign().await;
}

/// Waits, but not beyond `stop`.
async fn pause(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}

fn wait_after(stepped: Stepped) -> Duration {
    match stepped {
        Stepped::Leading { next_call: Some(wait) } => wait.saturating_sub(AHEAD).clamp(SHORTEST_TICK, TICK),
        Stepped::Leading { next_call: None } => TICK,
        Stepped::Idle => IDLE_TICK,
        Stepped::Following | Stepped::Over => LOOK_AFTER,
    }
}
