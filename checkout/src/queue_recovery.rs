//! Queue recovery: notices that the queue of a running sale was lost from the queue store, or was never filled, and fills
//! it from the database under a new epoch.

use std::{collections::HashMap, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
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

/// How often every running sale is checked: a lost queue stands still until then.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// How long a process that created a sale or raised its epoch has for filling the store before another one raises it
/// again.
const FILL_GRACE_MS: i64 = 3_000;

/// Fills the queue store of a new sale: its first epoch begins. Fails as [`restore`] does.
pub async fn open(database: &Database, queue: &dyn SaleQueueStore, sale: &SaleId) -> Result<QueueKey, StoreError> {
    restore(database, queue, &Loss::of_new_sale(sale)).await
}

/// Raises the epoch of a sale whose queue is lost, and fills the queue store from the database. Returns the new epoch.
///
/// Of several processes that notice the loss one raises the epoch. Should it stop before the store is filled, the queue
/// stays lost and the next process to check raises the epoch again.
///
/// # Errors
/// [`StoreError::Lost`] when another process has raised the epoch first.
pub async fn restore(database: &Database, queue: &dyn SaleQueueStore, loss: &Loss) -> Result<QueueKey, StoreError> {
    let nonce = EpochNonce::random();
    let Some(key) = epochs::raise(database, loss, nonce, database.now()).await? else { return Err(StoreError::Lost) };
    queue.rebuild(&key, &snapshot::read(database, &key.sale).await?, database.now()).await?;
    if loss.key.epoch == 0 {
        tracing::info!(sale = %key.sale, "the queue of this sale is ready");
    } else {
        metrics::counter!("openrun_stores_lost_total").increment(1);
        tracing::warn!(sale = %key.sale, epoch = key.epoch, "the queue store was lost and is filled again from the database");
    }
    Ok(key)
}

/// Restores lost queues, and remembers what it has seen of the running sales.
#[derive(Debug, Default)]
pub struct QueueRecovery {
    /// When each queue was last seen complete: passes get back the time since then.
    last_complete_at: HashMap<SaleId, Timestamp>,
}

impl QueueRecovery {
    /// Checks all running sales until `stop`.
    pub fn run<'a>(
        self,
        database: &'a Database,
        queue: &'a dyn SaleQueueStore,
        stop: CancellationToken,
    ) -> BoxFuture<'a, ()> {
        self.run_until(database, queue, stop).boxed()
    }

    async fn run_until(mut self, database: &Database, queue: &dyn SaleQueueStore, stop: CancellationToken) {
        // Metrics and logs know the loop by this name.
        let mut periodic = Periodic::every(CHECK_EVERY, "the guard", &stop);
        while periodic.is_due().await {
            periodic.record(self.run_once(database, queue).await);
        }
    }

    /// Checks every running sale once, and restores those whose queue is lost.
    pub async fn run_once(&mut self, database: &Database, queue: &dyn SaleQueueStore) -> Result<(), StoreError> {
        let running = sales::running(database).await?;
        self.last_complete_at.retain(|sale, _| running.contains(sale));
        for sale in running {
            match self.restore_if_lost(database, queue, &sale).await {
                // Another process is restoring it.
                Ok(()) | Err(StoreError::Lost) => {}
                Err(error) => tracing::debug!(%sale, "the queue could not be checked: {error}"),
            }
        }
        Ok(())
    }

    async fn restore_if_lost(
        &mut self,
        database: &Database,
        queue: &dyn SaleQueueStore,
        sale: &SaleId,
    ) -> Result<(), StoreError> {
        let Some(key) = epochs::queue_key(database, sale).await? else { return Ok(()) };
        let checked_at = database.now();
        let found = match queue.current_key(sale).await {
            Ok(current) if current == key && key.epoch > 0 => {
                self.last_complete_at.insert(sale.clone(), checked_at);
                return Ok(());
            }
            Ok(current) => current.epoch,
            Err(StoreError::Lost) => 0,
            Err(error) => return Err(error),
        };
        let began = sales::epoch_began(database, sale).await?;
        if database.now().millis_since(began) < FILL_GRACE_MS {
            return Ok(());
        }
        let last_complete_at = self.last_complete_at.get(sale).copied();
        let loss = Loss { key, found, last_complete_at };
        restore(database, queue, &loss).await.map(drop)
    }
}
