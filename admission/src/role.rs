//! The admission role: a loop for every running sale.

use std::{collections::HashMap, time::Duration};

use sale::SaleId;
use stores::{StoreError, database::sales};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::lead::{Leader, Stepped, Stores};

/// The longest wait between two looks at a sale that this process leads.
const TICK: Duration = Duration::from_millis(100);
/// The shortest: at high rates calls travel in batches.
const SHORTEST_TICK: Duration = Duration::from_millis(10);
/// How often a follower asks whether the lead is free, and how often new sales are looked for.
const LOOK_AFTER: Duration = Duration::from_millis(500);

/// Runs until `stop`. Loops live on `tracker`.
pub async fn run(stores: Stores, tracker: &TaskTracker, stop: CancellationToken) {
    let mut loops: HashMap<SaleId, CancellationToken> = HashMap::new();
    while !stop.is_cancelled() {
        loops.retain(|_, ended| !ended.is_cancelled());
        match sales::running(&stores.database).await {
            Ok(running) => {
                for sale in running {
                    let (stores, stop) = (stores.clone(), stop.clone());
                    loops.entry(sale.clone()).or_insert_with(|| {
                        let ended = CancellationToken::new();
                        let guard = ended.clone().drop_guard();
                        tracker.spawn(async move {
                            lead(Leader::new(stores, sale), &stop).await;
                            drop(guard);
                        });
                        ended
                    });
                }
            }
            Err(trouble) => tracing::warn!(%trouble, "cannot look for running sales; trying again"),
        }
        let _ = tokio::time::timeout(LOOK_AFTER, stop.cancelled()).await;
    }
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
        let _ = tokio::time::timeout(wait, stop.cancelled()).await;
    }
    leader.resign().await;
}

fn wait_after(stepped: Stepped) -> Duration {
    match stepped {
        Stepped::Leading { next_call: Some(wait) } => wait.clamp(SHORTEST_TICK, TICK),
        Stepped::Leading { next_call: None } => TICK,
        Stepped::Following | Stepped::Over => LOOK_AFTER,
    }
}
