//! The guard: notices that a sale's life in the queue store is lost, or was never begun, and fills it from the database.

use std::{collections::HashMap, time::Duration};

use sale::{EpochNonce, SaleId, Timestamp};
use stores::{
    StoreError,
    database::{
        Database,
        epochs::{self, Loss},
        sales, snapshot,
    },
    periodic::Periodic,
    queue_store::{QueueKey, SaleQueueStore},
};
use tokio_util::sync::CancellationToken;

/// How often every running sale is looked at: a lost line stands still until somebody looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a process that made a sale or raised its epoch has for filling the store before another one raises it again.
const PATIENCE_MS: i64 = 3_000;

/// Fills the queue store of a new sale: its first epoch begins. Fails as [`restore`] does.
pub async fn open(database: &Database, queue: &dyn SaleQueueStore, sale: &SaleId) -> Result<QueueKey, StoreError> {
    restore(database, queue, &Loss { sale: sale.clone(), epoch: 0, found: 0, last_complete_at: None }).await
}

/// Raises the epoch of a sale whose queue is lost, and fills the queue store from the database. Returns the new epoch.
///
/// Of several processes that notice the loss one raises the epoch. Should it stop before the store is filled, the queue
/// stays lost and the next process to look raises the epoch again.
///
/// # Errors
/// [`StoreError::Lost`] when another process has raised the epoch first.
pub async fn restore(database: &Database, queue: &dyn SaleQueueStore, loss: &Loss) -> Result<QueueKey, StoreError> {
    let nonce = EpochNonce::random();
    let Some(key) = epochs::raise(database, loss, nonce, database.now()).await? else { return Err(StoreError::Lost) };
    queue.rebuild(&key, &snapshot::read(database, &key.sale).await?, database.now()).await?;
    if loss.epoch == 0 {
        tracing::info!(sale = %key.sale, "the queue of this sale is ready");
    } else {
        metrics::counter!("openrun_stores_lost_total").increment(1);
        tracing::warn!(sale = %key.sale, epoch = key.epoch, "the queue store was lost and is filled again from the database");
    }
    Ok(key)
}

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
        let Some(key) = epochs::queue_key(database, sale).await? else { return Ok(()) };
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
        let loss = Loss { sale: key.sale, epoch: key.epoch, found, last_complete_at: whole_at };
        restore(database, queue, &loss).await.map(drop)
    }
}
