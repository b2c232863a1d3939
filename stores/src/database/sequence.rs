//! Queue numbers that are written ahead: `allocated_up_to` before a number is given, `called_up_to` before one is called.
//!
//! Both are guarded by epoch and nonce, so a process that still believes in a lost store raises neither.

use sale::Term;

use super::{
    Database,
    row::{signed, unsigned},
    sql::{Sql, sql},
};
use crate::{StoreError, queue_store::QueueKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaiseOutcome {
    RaisedTo(u64),
    /// The sale is in another epoch, or another leader's term has begun.
    Refused,
}

impl RaiseOutcome {
    fn of(raised: Option<i64>) -> Self {
        raised.map_or(Self::Refused, |number| Self::RaisedTo(unsigned(number)))
    }
}

/// Allocates the next `block` numbers, for joins in this epoch.
pub async fn allocate(database: &Database, key: &QueueKey, block: u64) -> Result<RaiseOutcome, StoreError> {
    const ALLOCATE: &str = "UPDATE sales SET allocated_up_to = allocated_up_to + $4 \
        WHERE id = $1 AND epoch = $2 AND epoch_nonce = $3 RETURNING allocated_up_to";
    let raised = sqlx::query_scalar(ALLOCATE)
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .bind(key.nonce.as_bits())
        .bind(signed(block))
        .fetch_optional(database.writer())
        .await?;
    Ok(RaiseOutcome::of(raised))
}

/// Records that numbers up to `number` are about to be called, by the leader of `term`.
pub async fn mark_called(
    database: &Database,
    key: &QueueKey,
    term: Term,
    number: u64,
) -> Result<RaiseOutcome, StoreError> {
    const MARK: Sql = sql!(
        "UPDATE sales SET called_up_to = @greatest(called_up_to, $5) \
         WHERE id = $1 AND epoch = $2 AND epoch_nonce = $3 AND term = $4 RETURNING called_up_to"
    );
    let raised = sqlx::query_scalar(database.sql(MARK))
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .bind(key.nonce.as_bits())
        .bind(term)
        .bind(signed(number))
        .fetch_optional(database.writer())
        .await?;
    Ok(RaiseOutcome::of(raised))
}
