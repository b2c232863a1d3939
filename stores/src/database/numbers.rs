//! Numbers written ahead: the ceiling before a number is given, the cursor before one is called, the term before a
//! leader acts. Each is guarded by the epoch, so a process that still believes in a lost store moves none of them.

use sale::{Epoch, SaleId, Term, Timestamp};
use sqlx::Row as _;

use super::{Database, Sql};
use crate::{StoreError, queue_store::QueueKey};

/// What became of a move that names its epoch or term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    To(u64),
    /// The sale is in another epoch, or another leader reigns.
    Refused,
}

/// The epoch that counts for a sale; `None` when there is no such sale.
pub async fn epoch(database: &Database, sale: &SaleId) -> Result<Option<Epoch>, StoreError> {
    let row = sqlx::query("SELECT epoch FROM sales WHERE id = $1")
        .bind(sale.as_str())
        .fetch_optional(database.reader())
        .await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// Raises the ceiling by `block` numbers, for joins in this epoch.
pub async fn raise_ceiling(database: &Database, key: &QueueKey, block: u64) -> Result<Raised, StoreError> {
    let row = sqlx::query("UPDATE sales SET ceiling = ceiling + $3 WHERE id = $1 AND epoch = $2 RETURNING ceiling")
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .bind(signed(block))
        .fetch_optional(database.writer())
        .await?;
    row.map_or(Ok(Raised::Refused), |row| Ok(Raised::To(unsigned(row.try_get(0)?))))
}

/// Raises the cursor to `number` before it is called, for the leader of `term`.
pub async fn raise_cursor(database: &Database, key: &QueueKey, term: Term, number: u64) -> Result<Raised, StoreError> {
    const RAISE: Sql = Sql {
        postgres: "UPDATE sales SET cursor = greatest(cursor, $4) WHERE id = $1 AND epoch = $2 AND term = $3 \
                   RETURNING cursor",
        sqlite: "UPDATE sales SET cursor = max(cursor, $4) WHERE id = $1 AND epoch = $2 AND term = $3 \
                 RETURNING cursor",
    };
    let row = sqlx::query(database.sql(RAISE))
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .bind(term)
        .bind(signed(number))
        .fetch_optional(database.writer())
        .await?;
    row.map_or(Ok(Raised::Refused), |row| Ok(Raised::To(unsigned(row.try_get(0)?))))
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
    let kept = sqlx::query(
        "UPDATE sales SET leads_until = $4 WHERE id = $1 AND leader = $2 AND leads_until > $3 RETURNING term",
    )
    .bind(sale.as_str())
    .bind(leader)
    .bind(now.as_millis())
    .bind(until.as_millis())
    .fetch_optional(database.writer())
    .await?;
    if let Some(row) = kept {
        return Ok(Some(Lead { term: row.try_get(0)?, new: false }));
    }
    let taken = sqlx::query(
        "UPDATE sales SET leader = $2, term = term + 1, leads_until = $4 WHERE id = $1 AND leads_until <= $3 \
         RETURNING term",
    )
    .bind(sale.as_str())
    .bind(leader)
    .bind(now.as_millis())
    .bind(until.as_millis())
    .fetch_optional(database.writer())
    .await?;
    taken.map_or(Ok(None), |row| Ok(Some(Lead { term: row.try_get(0)?, new: true })))
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

/// Raises the epoch of a sale whose store is lost; `None` when another process did so first.
///
/// The items are locked first, as [`place`](super::place::place) locks them: whoever places orders has either finished
/// before the epoch rises, and is in the snapshot that follows, or sees the new epoch.
///
/// Passes that were good when the store was last seen whole, at `whole_at`, get the time since then back. Who has not
/// seen it, because it started later, goes by the lead of the sale, which ends within seconds of the last renewal.
pub async fn raise_epoch(
    database: &Database,
    sale: &SaleId,
    from: Epoch,
    whole_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Epoch>, StoreError> {
    // A pass carries whole seconds, and so does its row.
    const GIVE_BACK: &str = "UPDATE passes SET expires_at = expires_at + $3 WHERE sale = $1 AND ended = 0 \
         AND expires_at > $2 AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.pass = passes.id)";
    let mut tx = database.begin().await?;
    if database.is_postgres() {
        sqlx::query("SELECT id FROM items WHERE sale = $1 ORDER BY id FOR UPDATE")
            .bind(sale.as_str())
            .execute(&mut *tx)
            .await?;
    }
    let before = sqlx::query("SELECT epoch_at, leads_until FROM sales WHERE id = $1")
        .bind(sale.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    let row =
        sqlx::query("UPDATE sales SET epoch = epoch + 1, epoch_at = $3 WHERE id = $1 AND epoch = $2 RETURNING epoch")
            .bind(sale.as_str())
            .bind(from)
            .bind(now.as_millis())
            .fetch_optional(&mut *tx)
            .await?;
    if let Some(before) = before.filter(|_| row.is_some() && from > 0) {
        let (began, led): (i64, i64) = (before.try_get(0)?, before.try_get(1)?);
        let lost_at = whole_at.map_or(led, Timestamp::as_millis).clamp(began, now.as_millis().max(began));
        let away_ms = now.as_millis().saturating_sub(lost_at).saturating_add(999) / 1000 * 1000;
        sqlx::query(GIVE_BACK).bind(sale.as_str()).bind(lost_at).bind(away_ms).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    row.map_or(Ok(None), |row| Ok(Some(row.try_get(0)?)))
}

/// Numbers are far below 2^63; a larger one is clamped rather than wrapped.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Columns with a CHECK are never negative.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
