//! Upkeep of the process itself, whatever its roles are.

use std::time::Duration;

use stores::database::Database;

use crate::{lifecycle::Lifecycle, telemetry::metrics::recorder};

/// How often the database's clock is read. Between two readings the monotonic clock carries it on.
const SYNC_CLOCK_AFTER: Duration = Duration::from_secs(1);
/// How often histograms are added up: until then each value takes eight bytes, which is little even under load.
const ADD_UP_AFTER: Duration = Duration::from_secs(5);

/// Starts the loops that every process runs.
pub fn start(database: &Database, lifecycle: &Lifecycle) {
    sync_clock(database.clone(), lifecycle);
    add_up_histograms(lifecycle);
}

fn sync_clock(database: Database, lifecycle: &Lifecycle) {
    let stop = lifecycle.soft.clone();
    lifecycle.spawn("clock", async move {
        while tokio::time::timeout(SYNC_CLOCK_AFTER, stop.cancelled()).await.is_err() {
            if let Err(trouble) = database.sync_clock().await {
                tracing::debug!(%trouble, "the clock is carried on");
            }
        }
        anyhow::Ok(())
    });
}

/// Histograms keep their values one by one until they are added up, whether anybody reads the metrics or not.
fn add_up_histograms(lifecycle: &Lifecycle) {
    let (handle, stop) = (recorder(), lifecycle.soft.clone());
    lifecycle.spawn("metrics", async move {
        while tokio::time::timeout(ADD_UP_AFTER, stop.cancelled()).await.is_err() {
            handle.run_upkeep();
        }
        anyhow::Ok(())
    });
}
