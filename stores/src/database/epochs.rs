//! Epochs: which generation of the queue store's contents counts, and how a new one begins.

use sale::{Epoch, EpochNonce, SaleId, Timestamp};

use super::{
    Database, Tx,
    row::row,
    sql::{Sql, sql},
};
use crate::{StoreError, queue_store::QueueKey};

const QUEUE_KEY: &str = "SELECT epoch, epoch_nonce FROM sales WHERE id = $1";

/// The current epoch of a sale's queue; `None` when there is no such sale.
pub async fn queue_key(database: &Database, sale: &SaleId) -> Result<Option<QueueKey>, StoreError> {
    let row: Option<EpochRow> = sqlx::query_as(QUEUE_KEY).bind(sale.as_str()).fetch_optional(database.reader()).await?;
    Ok(row.map(|row| row.of(sale)))
}

/// The same for a sale that is known to exist.
pub(super) async fn queue_key_in(tx: &mut Tx, sale: &SaleId) -> Result<QueueKey, StoreError> {
    let row: EpochRow = sqlx::query_as(QUEUE_KEY).bind(sale.as_str()).fetch_one(&mut **tx).await?;
    Ok(row.of(sale))
}

row! {
    struct EpochRow {
        epoch: i64,
        epoch_nonce: EpochNonce,
    }
}

impl EpochRow {
    fn of(self, sale: &SaleId) -> QueueKey {
        QueueKey { sale: sale.clone(), epoch: self.epoch, nonce: self.epoch_nonce }
    }
}

/// A queue whose contents are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// What is lost, as the database has it; of epoch 0 when there was none yet.
    pub key: QueueKey,
    /// The epoch that the queue store holds instead; 0 when it holds none. It is ahead of the database's when the database
    /// was restored from an older backup.
    pub found: Epoch,
    /// When the process that noticed the loss last found the store complete.
    pub last_complete_at: Option<Timestamp>,
}

impl Loss {
    /// The queue of a new sale, which was never filled.
    pub fn of_new_sale(sale: &SaleId) -> Self {
        let key = QueueKey { sale: sale.clone(), epoch: 0, nonce: EpochNonce::default() };
        Self { key, found: 0, last_complete_at: None }
    }
}

/// Raises the epoch of a sale whose store is lost above the one that the store holds, and gives it this nonce. Returns
/// `None` when another process did so first.
///
/// The items are locked first, as [`place`](super::place::place) locks them: a concurrent placement has either committed
/// before the epoch rises, and is in the snapshot that follows, or it sees the new epoch.
///
/// Passes that were valid when the store was last complete are extended by the time since then. A process that started
/// later never found it complete; it takes the end of the sale's leadership, which is within seconds of the last renewal.
pub async fn raise(
    database: &Database,
    loss: &Loss,
    nonce: EpochNonce,
    now: Timestamp,
) -> Result<Option<QueueKey>, StoreError> {
    const RAISE: Sql = sql!(
        "UPDATE sales SET epoch = @greatest(epoch, $4) + 1, epoch_nonce = $5, epoch_at = $6 \
         WHERE id = $1 AND epoch = $2 AND epoch_nonce = $3 RETURNING epoch"
    );
    // A pass carries whole seconds, and so does its row.
    const EXTEND_PASSES: &str = "UPDATE passes SET expires_at = expires_at + $3 WHERE sale = $1 AND ended = 0 \
         AND expires_at > $2 AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.pass = passes.id)";
    let QueueKey { sale, epoch: lost, nonce: of_lost } = &loss.key;
    let mut tx = database.begin().await?;
    if database.is_postgres() {
        sqlx::query("SELECT id FROM items WHERE sale = $1 ORDER BY id FOR UPDATE")
            .bind(sale.as_str())
            .execute(&mut *tx)
            .await?;
    }
    let before: Option<EpochTimes> = sqlx::query_as("SELECT epoch_at, leads_until FROM sales WHERE id = $1")
        .bind(sale.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    let raised = sqlx::query_scalar(database.sql(RAISE))
        .bind(sale.as_str())
        .bind(*lost)
        .bind(of_lost.as_bits())
        .bind(loss.found)
        .bind(nonce.as_bits())
        .bind(now.as_millis())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(times) = before.filter(|_| raised.is_some() && *lost > 0) {
        let lost_at = loss.last_complete_at.unwrap_or(times.leads_until).clamp(times.epoch_at, now.max(times.epoch_at));
        let lost_for_ms = now.millis_since(lost_at).saturating_add(999) / 1000 * 1000;
        sqlx::query(EXTEND_PASSES)
            .bind(sale.as_str())
            .bind(lost_at.as_millis())
            .bind(lost_for_ms)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(raised.map(|epoch| QueueKey { sale: sale.clone(), epoch, nonce }))
}

row! {
    struct EpochTimes {
        epoch_at: Timestamp,
        leads_until: Timestamp,
    }
}
