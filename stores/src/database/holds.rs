//! Holds: how they end without payment, and how the stock gate is synced with that.

mod cancel;
mod gate_sync;
mod payment_deadline;

use sale::{HoldId, HoldState, OrderId, SaleId, Timestamp};

pub(super) use self::cancel::void_open;
pub use self::{
    cancel::{CancelOutcome, cancel},
    gate_sync::{mark_synced, pending_sync, pending_sync_of, sales_to_sync},
    payment_deadline::{DeadlineOutcome, enforce_payment_deadline, overdue_payments},
};
pub use super::hold_transitions::HoldRow;
use super::{
    Database,
    hold_transitions::{self, hold_id},
    order_transitions::OrderTransition,
    parameters,
    row::column,
    sql::{Sql, sql},
};
use crate::{StoreError, queue_store::HoldEnding};

/// Which of the orders that are due are read.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    pub now: Timestamp,
    /// The most orders.
    pub limit: i64,
    /// Orders that are left out.
    pub except: &'a [OrderId],
}

impl Due<'_> {
    /// The orders that a statement selects as `order_id`, with `$1` the time, `$2` the limit and `$3` the exceptions.
    async fn read(&self, database: &Database, statement: Sql) -> Result<Vec<OrderId>, StoreError> {
        let rows = sqlx::query(database.sql(statement))
            .bind(self.now.as_millis())
            .bind(self.limit)
            .bind(parameters::list(self.except))
            .fetch_all(database.reader())
            .await?;
        Ok(column(&rows, "order_id")?)
    }
}

/// Orders whose hold has no payment and whose deadline has passed.
pub async fn lapsed(database: &Database, due: Due<'_>) -> Result<Vec<OrderId>, StoreError> {
    const LAPSED: Sql = sql!(
        "SELECT order_id FROM holds WHERE state = 'held' AND deadline <= $1 AND order_id @not_in($3) \
         ORDER BY deadline LIMIT $2"
    );
    due.read(database, LAPSED).await
}

/// Ends the holds of these orders that have no payment and whose deadline has passed, but for those that another transaction
/// has locked. Returns how many.
pub async fn expire(database: &Database, orders: &[OrderId], now: Timestamp) -> Result<usize, StoreError> {
    const LOCK: Sql = sql!(
        "SELECT h.order_id, h.n, h.sale, h.buyer, h.state, h.deadline FROM holds h \
         WHERE h.order_id @in($1) AND (h.state = 'held' AND h.deadline <= $2) IS TRUE ORDER BY h.order_id, h.n @skip_locked(h)"
    );
    let mut tx = database.begin().await?;
    let due: Vec<HoldRow> = sqlx::query_as(database.sql(LOCK))
        .bind(parameters::list(orders))
        .bind(now.as_millis())
        .fetch_all(&mut *tx)
        .await?;
    if !due.is_empty() {
        let to = (HoldState::Expired, OrderTransition::EXPIRED);
        if let Err(error) = hold_transitions::release_holds(database, &mut tx, &due, to, now).await {
            // Not left to the connection's return to the pool: a caller that tries some of the orders again at once would
            // pass over their rows, as locked.
            tx.rollback().await?;
            return Err(error);
        }
        database.commit(tx).await?;
    }
    Ok(due.len())
}

/// Marks hold ids that the gate has and the database has not, so that they can never be placed. Returns those that are marked
/// now: only they may be freed as never placed. The others have an order by now.
pub async fn mark_never_placed(
    database: &Database,
    sale: &SaleId,
    ids: &[HoldId],
    now: Timestamp,
) -> Result<Vec<HoldId>, StoreError> {
    const MARK: Sql = sql!(
        "INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at) \
         SELECT r.order_id, r.n, $2, '', 'released', '{}', $3, $3 FROM @hold_ids($1) WHERE true \
         ORDER BY r.order_id, r.n ON CONFLICT DO NOTHING"
    );
    const MARKED: Sql = sql!(
        "SELECT r.order_id, r.n FROM @hold_ids($1) \
         WHERE (SELECT h.buyer FROM holds h WHERE h.order_id = r.order_id AND h.n = r.n) = ''"
    );
    let keys = parameters::hold_ids(ids);
    let mut tx = database.begin().await?;
    sqlx::query(database.sql(MARK))
        .bind(keys.as_str())
        .bind(sale.as_str())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    let found = sqlx::query(database.sql(MARKED)).bind(keys).fetch_all(&mut *tx).await?;
    database.commit(tx).await?;
    found.iter().map(|row| Ok(hold_id(row)?)).collect()
}

/// The rows of these holds.
pub async fn find(database: &Database, ids: &[HoldId]) -> Result<Vec<HoldRow>, StoreError> {
    const READ: Sql = sql!(
        "SELECT h.order_id, h.n, h.sale, h.buyer, h.state, h.deadline FROM @hold_ids($1) \
         JOIN holds h ON h.order_id = r.order_id AND h.n = r.n"
    );
    Ok(sqlx::query_as(database.sql(READ)).bind(parameters::hold_ids(ids)).fetch_all(database.reader()).await?)
}

/// How the gate has to end a hold in this state; `None` for a live one.
pub const fn ending(state: HoldState) -> Option<HoldEnding> {
    match state {
        HoldState::Held | HoldState::Paying => None,
        HoldState::Committed | HoldState::Returned => Some(HoldEnding::Committed),
        HoldState::Released | HoldState::Expired => Some(HoldEnding::Released),
    }
}

/// Orders whose payment has ended and that should have been settled by now: they are found even if an event is lost.
pub async fn unsettled(database: &Database, due: Due<'_>) -> Result<Vec<OrderId>, StoreError> {
    const UNSETTLED: Sql = sql!(
        "SELECT purchase_id AS order_id FROM payments WHERE due_at <= $1 AND state IN @ended AND purchase_id @not_in($3) \
         ORDER BY due_at LIMIT $2"
    );
    due.read(database, UNSETTLED).await
}
