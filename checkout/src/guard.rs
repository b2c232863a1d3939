//! The guard: notices that a sale's life in the queue store is lost, or was never begun, and fills it from the database.

use std::time::Duration;

use sale::SaleId;
use stores::{
    StoreError,
    database::{Database, numbers, sales, snapshot},
    line::Line,
};
use tokio_util::sync::CancellationToken;

/// How often every running sale is looked at: a lost line stands still until somebody looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a process that raised an epoch has for filling the store before another one raises it again.
const PATIENCE_MS: i64 = 3_000;

/// Watches over all running sales until `stop`.
pub async fn guard(database: &Database, line: &dyn Line, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(trouble) = look(database, line).await {
            tracing::warn!("the lines could not be looked at: {trouble}");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// One look at every running sale.
pub async fn look(database: &Database, line: &dyn Line) -> Result<(), StoreError> {
    for sale in sales::running(database).await? {
        match look_at(database, line, &sale).await {
            // Another process is at it.
            Ok(()) | Err(StoreError::Lost) => {}
            Err(trouble) => tracing::debug!(%sale, "the line could not be looked at: {trouble}"),
        }
    }
    Ok(())
}

async fn look_at(database: &Database, line: &dyn Line, sale: &SaleId) -> Result<(), StoreError> {
    let Some(epoch) = numbers::epoch(database, sale).await? else { return Ok(()) };
    match line.life(sale).await {
        Ok(life) if life == epoch && epoch > 0 => return Ok(()),
        Ok(_) | Err(StoreError::Lost) => {}
        Err(trouble) => return Err(trouble),
    }
    let began = sales::epoch_began(database, sale).await?;
    if epoch > 0 && database.now().millis_since(began) < PATIENCE_MS {
        return Ok(());
    }
    snapshot::restore(database, line, sale).await.map(|_| ())
}
