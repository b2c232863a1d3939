//! Numbers written ahead: the ceiling before a number is given, the cursor before one is called, the term before a
//! leader acts. Each is guarded by the epoch, so a process that still believes in a lost store moves none of them.

use super::{Database, Sql, Tx, row::row};
use crate::{StoreError, queue_store::QueueKey};
use sale::{Epoch, EpochNonce, SaleId, Term, Timestamp};

/// What became of a move that names its epoch or term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    To(u64),
    /// The sale is in another epoch, or another leader reigns.
    Refused,
}

const QUEUE_KEY: &str = "SELECT epoch, epoch_nonce FROM sales WHERE id = $1";

/// The life of a sale's line that counts; `None` when there is no such sale.
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

/// Raises the ceiling by `block` numbers, for joins in this epoch.
pub async fn raise_ceiling(database: &Database, key: &QueueKey, block: u64) -> Result<Raised, StoreError> {
    let row =
        sqlx::query_scalar("UPDATE sales SET ceiling = ceiling + $3 WHERE id = $1 AND epoch = $2 RETURNING ceiling")
            .bind(key.sale.as_str())
            .bind(key.epoch)
            .bind(signed(block))
            .fetch_optional(database.writer())
            .await?;
    Ok(row.map_or(Raised::Refused, |raised| Raised::To(unsigned(raised))))
}

/// Raises the cursor to `number` before it is called, for the leader of `term`.
pub async fn raise_cursor(database: &Database, key: &QueueKey, term: Term, number: u64) -> Result<Raised, StoreError> {
    const RAISE: Sql = Sql {
        postgres: "UPDATE sales SET cursor = greatest(cursor, $4) WHERE id = $1 AND epoch = $2 AND term = $3 \
                   RETURNING cursor",
        sqlite: "UPDATE sales SET cursor = max(cursor, $4) WHERE id = $1 AND epoch = $2 AND term = $3 \
                 RETURNING cursor",
    };
    let row = sqlx::query_scalar(database.sql(RAISE))
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .bind(term)
        .bind(signed(number))
        .fetch_optional(database.writer())
        .await?;
    Ok(row.map_or(Raised::Refused, |raised| Raised::To(unsigned(raised))))
}

/// The lead of a sale's admission loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    pub term: Term,
    /// Whether this call began the reign.
    pub new: bool,
}

/// Takes the lead when it is free or run out, or keeps it; `None` when another process leads.
pub async fn lead(
    database: &Database,
    sale: &SaleId,
    leader: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Lead>, StoreError> {
    let kept = sqlx::query_scalar(
        "UPDATE sales SET leads_until = $4 WHERE id = $1 AND leader = $2 AND leads_until > $3 RETURNING term",
    )
    .bind(sale.as_str())
    .bind(leader)
    .bind(now.as_millis())
    .bind(until.as_millis())
    .fetch_optional(database.writer())
    .await?;
    if let Some(term) = kept {
        return Ok(Some(Lead { term, new: false }));
    }
    let taken = sqlx::query_scalar(
        "UPDATE sales SET leader = $2, term = term + 1, leads_until = $4 WHERE id = $1 AND leads_until <= $3 \
         RETURNING term",
    )
    .bind(sale.as_str())
    .bind(leader)
    .bind(now.as_millis())
    .bind(until.as_millis())
    .fetch_optional(database.writer())
    .await?;
    Ok(taken.map(|term| Lead { term, new: true }))
}

/// Gives the lead up at once, on a clean stop.
pub async fn resign(database: &Database, sale: &SaleId, leader: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE sales SET leads_until = $3 WHERE id = $1 AND leader = $2")
        .bind(sale.as_str())
        .bind(leader)
        .bind(database.now().as_millis())
        .execute(database.writer())
        .await?;
    Ok(())
}

/// A line whose life is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub sale: SaleId,
    /// The epoch that is lost; 0 when there was none yet.
    pub epoch: Epoch,
    /// The epoch of the life that the store holds in its place, 0 for none. A database that was put back to an older state
    /// meets a store that is ahead of it.
    pub found: Epoch,
    /// When the store was last seen whole, by whoever noticed the loss.
    pub whole_at: Option<Timestamp>,
}

/// Raises the epoch of a sale whose store is lost, above the one that the store holds, and gives it this nonce; `None`
/// when another process did so first.
///
/// The items are locked first, as [`place`](super::place::place) locks them: whoever places orders has either finished
/// before the epoch rises, and is in the snapshot that follows, or sees the new epoch.
///
/// Passes that were good when the store was last seen whole get the time since then back. Who has not
/// seen it, because it started later, goes by the lead of the sale, which ends within seconds of the last renewal.
pub async fn raise_epoch(
    database: &Database,
    loss: &Loss,
    nonce: EpochNonce,
    now: Timestamp,
) -> Result<Option<QueueKey>, StoreError> {
    const RAISE: Sql = Sql {
        postgres: "UPDATE sales SET epoch = greatest(epoch, $3) + 1, epoch_nonce = $4, epoch_at = $5 \
                   WHERE id = $1 AND epoch = $2 RETURNING epoch",
        sqlite: "UPDATE sales SET epoch = max(epoch, $3) + 1, epoch_nonce = $4, epoch_at = $5 \
                 WHERE id = $1 AND epoch = $2 RETURNING epoch",
    };
    // A pass carries whole seconds, and so does its row.
    const GIVE_BACK: &str = "UPDATE passes SET expires_at = expires_at + $3 WHERE sale = $1 AND ended = 0 \
         AND expires_at > $2 AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.pass = passes.id)";
    let mut tx = database.begin().await?;
    if database.is_postgres() {
        sqlx::query("SELECT id FROM items WHERE sale = $1 ORDER BY id FOR UPDATE")
            .bind(loss.sale.as_str())
            .execute(&mut *tx)
            .await?;
    }
    let before: Option<(i64, i64)> = sqlx::query_as("SELECT epoch_at, leads_until FROM sales WHERE id = $1")
        .bind(loss.sale.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    let row = sqlx::query_scalar(database.sql(RAISE))
        .bind(loss.sale.as_str())
        .bind(loss.epoch)
        .bind(loss.found)
        .bind(nonce.as_bits())
        .bind(now.as_millis())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some((began, led)) = before.filter(|_| row.is_some() && loss.epoch > 0) {
        let lost_at = loss.whole_at.map_or(led, Timestamp::as_millis).clamp(began, now.as_millis().max(began));
        let away_ms = now.as_millis().saturating_sub(lost_at).saturating_add(999) / 1000 * 1000;
        sqlx::query(GIVE_BACK).bind(loss.sale.as_str()).bind(lost_at).bind(away_ms).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(row.map(|epoch| QueueKey { sale: loss.sale.clone(), epoch, nonce }))
}

/// Numbers are far below 2^63; a larger one is clamped rather than wrapped.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Columns with a CHECK are never negative.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
