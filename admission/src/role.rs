//! The admission role: a loop for every running sale.

use std::{collections::HashMap, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use sale::SaleId;
use stores::{StoreError, database::sales, periodic::Periodic};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    leader::{Leader, StepOutcome},
    services::Services,
    term::PREPARE_AHEAD,
};

/// The longest pause between two steps of a sale that this process leads.
const MAX_PAUSE: Duration = Duration::from_millis(100);
/// The shortest: at high rates a step calls several buyers.
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// The pause while the rate allows a call but something else does not. Each step runs two scripts in the store; a buyer
/// who joins an empty queue, or for whom a place in the checkout becomes free, waits this much longer at most.
const IDLE_PAUSE: Duration = Duration::from_millis(50);
/// How often a follower tries to take the lease, and how often new sales are looked for.
const FOLLOWER_PAUSE: Duration = Duration::from_millis(500);

/// Runs until `stop`. Loops live on `tracker`.
pub fn run(services: Services, tracker: &TaskTracker, stop: CancellationToken) -> BoxFuture<'_, ()> {
    run_until(services, tracker, stop).boxed()
}

async fn run_until(services: Services, tracker: &TaskTracker, stop: CancellationToken) {
    let mut loops: HashMap<SaleId, CancellationToken> = HashMap::new();
    let mut periodic = Periodic::every(FOLLOWER_PAUSE, "the search for running sales", &stop);
    while periodic.is_due().await {
        loops.retain(|_, ended| !ended.is_cancelled());
        let running = sales::running(&services.database).await;
        periodic.record(running.map(|running| {
            for sale in running {
                loops.entry(sale.clone()).or_insert_with(|| start(services.clone(), sale, tracker, stop.clone()));
            }
        }));
    }
}

/// Starts the loop of one sale; the token is cancelled when it has ended.
fn start(services: Services, sale: SaleId, tracker: &TaskTracker, stop: CancellationToken) -> CancellationToken {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    tracker.spawn(async move {
        let periodic = Periodic::every(MAX_PAUSE, format!("the admission of {sale}"), &stop);
        lead(Leader::new(services, sale), periodic).await;
        drop(guard);
    });
    ended
}

async fn lead(mut leader: Leader, mut periodic: Periodic) {
    while periodic.is_due().await {
        match leader.step().await {
            Ok(StepOutcome::Closed) => break,
            Ok(outcome) => {
                periodic.record(Ok::<_, StoreError>(()));
                periodic.pause_for(pause_after(outcome));
            }
            Err(trouble) => {
                periodic.pause_for(if matches!(trouble, StoreError::Lost) { MAX_PAUSE } else { FOLLOWER_PAUSE });
                periodic.record(Err(trouble));
            }
        }
    }
    leader.resign().await;
}

fn pause_after(outcome: StepOutcome) -> Duration {
    match outcome {
        StepOutcome::Leading { next_call: Some(wait) } => {
            wait.saturating_sub(PREPARE_AHEAD).clamp(MIN_PAUSE, MAX_PAUSE)
        }
        StepOutcome::Leading { next_call: None } => MAX_PAUSE,
        StepOutcome::Idle => IDLE_PAUSE,
        StepOutcome::Following | StepOutcome::Closed => FOLLOWER_PAUSE,
    }
}
