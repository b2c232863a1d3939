//! Whether the process is ready: it is not stopping, and the stores that it cannot work without answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sale::clock::monotonic;
use stores::database::Database;

use crate::lifecycle::Lifecycle;

/// How long a reading counts: many probes at once must not burden a store that is slow already.
const FRESH_FOR: Duration = Duration::from_millis(500);
/// A store that takes longer does not answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// When the database was asked, and what the trouble was.
type Reading = (Instant, Option<&'static str>);

#[derive(Clone)]
pub struct Health {
    lifecycle: Lifecycle,
    database: Database,
    last: Arc<Mutex<Option<Reading>>>,
}

impl Health {
    pub fn new(lifecycle: Lifecycle, database: Database) -> Self {
        Self { lifecycle, database, last: Arc::default() }
    }

    /// What keeps the process from being ready.
    pub async fn trouble(&self) -> Option<&'static str> {
        if !self.lifecycle.is_ready() {
            return Some("stopping");
        }
        let now = monotonic();
        if let Some((read, trouble)) = *self.last.lock()
            && now.duration_since(read) < FRESH_FOR
        {
            return trouble;
        }
        let answered = tokio::time::timeout(TIMEOUT, self.database.sync_clock()).await;
        let trouble = (!matches!(answered, Ok(Ok(())))).then_some("the database does not answer");
        *self.last.lock() = Some((now, trouble));
        trouble
    }
}
