//! The guard: notices that a sale's life in the queue store is lost, or was never begun, and fills it from the database.

use std::{collections::HashMap, time::Duration};

use sale::{SaleId, Timestamp};
use stores::{
    StoreError,
    database::{
        Database,
        numbers::{self, Loss},
        sales, snapshot,
    },
    periodic::Periodic,
    queue_store::SaleQueueStore,
};
use tokio_util::sync::CancellationToken;

/// How often every running sale is looked at: a lost line stands still until somebody looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a process that made a sale or raised its epoch has for filling the store before another one raises it again.
const PATIENCE_MS: i64 = 3_000;

/// Watches over all running sales until `stop`.
pub async fn guard(database: &Database, queue: &dyn SaleQueueStore, stop: CancellationToken) {
    let mut guard = Guard::default();
    let mut periodic = Periodic::every(LOOK_EVERY, "the guard", &stop);
    while periodic.is_due().await {
        periodic.record(guard.look(database, queue).await);
    }
}

/// What one guard has seen of the running sales.
#[derive(Debug, Default)]
pub struct Guard {
    /// When each was last seen whole: passes get back the time since then.
    whole_at: HashMap<SaleId, Timestamp>,
}

impl Guard {
    /// One look at every running sale.
    pub async fn look(&mut self, database: &Database, queue: &dyn SaleQueueStore) -> Result<(), StoreError> {
        let running = sales::running(database).await?;
        self.whole_at.retain(|sale, _| running.contains(sale));
        for sale in running {
            match self.look_at(database, queue, &sale).await {
                // Another process is at it.
                Ok(()) | Err(StoreError::Lost) => {}
                Err(trouble) => tracing::debug!(%sale, "the queue could not be looked at: {trouble}"),
            }
        }
        Ok(())
    }

    async fn look_at(
        &mut self,
        database: &Database,
        queue: &dyn SaleQueueStore,
        sale: &SaleId,
    ) -> Result<(), StoreError> {
        let Some(key) = numbers::queue_key(database, sale).await? else { return Ok(()) };
        let asked = database.now();
        let found = match queue.current_key(sale).await {
            Ok(life) if life == key && key.epoch > 0 => {
                self.whole_at.insert(sale.clone(), asked);
                return Ok(());
            }
            Ok(life) => life.epoch,
            Err(StoreError::Lost) => 0,
            Err(trouble) => return Err(trouble),
        };
        let began = sales::epoch_began(database, sale).await?;
        if database.now().millis_since(began) < PATIENCE_MS {
            return Ok(());
        }
        let whole_at = self.whole_at.get(sale).copied();
        let loss = Loss { sale: key.sale, epoch: key.epoch, found, whole_at };
        snapshot::restore(database, queue, &loss).await.map(drop)
    }
}
