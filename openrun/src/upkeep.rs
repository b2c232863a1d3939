//! Upkeep of the process itself, whatever its roles are.

use std::time::Duration;

use server::Lifecycle;
use stores::{database::Database, periodic::Periodic};

use crate::telemetry::metrics::recorder;

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
    let mut periodic = Periodic::every(SYNC_CLOCK_AFTER, "the database's clock", &lifecycle.soft).later();
    lifecycle.spawn("clock", async move {
        while periodic.is_due().await {
            periodic.record(database.sync_clock().await);
        }
        anyhow::Ok(())
    });
}

/// Histograms keep their values one by one until they are added up, whether the metrics are read or not.
fn add_up_histograms(lifecycle: &Lifecycle) {
    let mut periodic = Periodic::every(ADD_UP_AFTER, "the metrics", &lifecycle.soft).later();
    let handle = recorder();
    lifecycle.spawn("metrics", async move {
        while periodic.is_due().await {
            handle.run_upkeep();
        }
        anyhow::Ok(())
    });
}
