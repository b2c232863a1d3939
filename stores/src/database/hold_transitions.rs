//! Transitions of holds, with the units of items and buyers that follow. Each function takes a slice and issues a constant
//! number of statements.
//!
//! Every transaction locks rows in one order, so that no two of them deadlock: holds, payments, orders, items, buyers, and
//! within a table by key.

use sale::{BuyerId, Event, EventKind, HoldId, HoldState, OrderId, SaleId, Timestamp};
use serde_json::json;
use sqlx::{FromRow, Row as _, any::AnyRow};

use super::{
    Database, Tx,
    order_transitions::{OrderTransition, move_orders},
    outbox, parameters,
    row::Column,
    sql::{Sql, sql},
};
use crate::StoreError;

/// A row of `holds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRow {
    pub id: HoldId,
    pub sale: SaleId,
    /// `None` on a row that marks a hold as never to be placed.
    pub buyer: Option<BuyerId>,
    pub state: HoldState,
    pub deadline: Timestamp,
}

/// The holds of these orders by order and number, locked until the transaction ends.
pub(super) async fn lock_holds(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<Vec<HoldRow>, StoreError> {
    const LOCK: Sql = sql!(
        "SELECT h.order_id, h.n, h.sale, h.buyer, h.state, h.deadline FROM holds h WHERE h.order_id @in($1) \
         ORDER BY h.order_id, h.n @lock(h)"
    );
    select_holds(tx, database.sql(LOCK), orders).await
}

/// The same, passing over those that another transaction has locked.
pub(super) async fn lock_free_holds(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<Vec<HoldRow>, StoreError> {
    const LOCK: Sql = sql!(
        "SELECT h.order_id, h.n, h.sale, h.buyer, h.state, h.deadline FROM holds h WHERE h.order_id @in($1) \
         ORDER BY h.order_id, h.n @skip_locked(h)"
    );
    select_holds(tx, database.sql(LOCK), orders).await
}

async fn select_holds(tx: &mut Tx, statement: &'static str, orders: &[OrderId]) -> Result<Vec<HoldRow>, StoreError> {
    Ok(sqlx::query_as(statement).bind(parameters::list(orders)).fetch_all(&mut **tx).await?)
}

/// The current hold of an order, of all its holds in ascending order: the latest one that is not a mark.
pub(super) fn current_hold(holds: &[HoldRow]) -> Option<&HoldRow> {
    holds.iter().rfind(|hold| hold.buyer.is_some())
}

impl FromRow<'_, AnyRow> for HoldRow {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: hold_id(row)?,
            sale: Column::read(row, "sale")?,
            buyer: BuyerId::parse(row.try_get("buyer")?),
            state: Column::read(row, "state")?,
            deadline: Column::read(row, "deadline")?,
        })
    }
}

/// The hold that the columns `order_id` and `n` of a row name.
pub(super) fn hold_id(row: &AnyRow) -> sqlx::Result<HoldId> {
    Ok(HoldId { order: Column::read(row, "order_id")?, n: Column::read(row, "n")? })
}

/// Moves locked holds from one of these states to another.
///
/// # Errors
/// When one of them is in none of these states, which the caller has ruled out under the lock.
pub(super) async fn move_holds(
    database: &Database,
    tx: &mut Tx,
    ids: &[HoldId],
    (from, to): (&[HoldState], HoldState),
) -> Result<(), StoreError> {
    const MOVE: Sql = sql!(
        "UPDATE holds SET state = $2, gate_synced = $3 FROM @hold_ids($1) \
         WHERE holds.order_id = r.order_id AND holds.n = r.n AND holds.state @in($4)"
    );
    let moved = sqlx::query(database.sql(MOVE))
        .bind(parameters::hold_ids(ids))
        .bind(to.as_str())
        .bind(i64::from(to.is_live()))
        .bind(parameters::list(from.iter().map(|state| state.as_str())))
        .execute(&mut **tx)
        .await?;
    if moved.rows_affected() == ids.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::unexpected("database", format!("a hold in a state that does not lead to {}", to.as_str())))
    }
}

/// Where the units of a hold go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitMove {
    /// Free for others again.
    Release,
    /// Sold for good.
    Sell,
}

/// Moves the units of locked, live holds: from held to free, or from held to sold.
pub(super) async fn move_units(
    database: &Database,
    tx: &mut Tx,
    moved: &[(HoldId, UnitMove)],
) -> Result<(), StoreError> {
    // Items are locked in the order of the grouped sums, which is their key order.
    const MOVE_ITEMS: Sql = Sql {
        postgres: "UPDATE items SET held = items.held - u.units, sold = items.sold + u.bought FROM ( \
                     SELECT l.sale, l.item, sum(l.quantity)::bigint AS units, sum(l.quantity * r.sold)::bigint AS bought \
                     FROM json_to_recordset($1::json) AS r(order_id text, n bigint, sold bigint) \
                     JOIN hold_lines l ON l.order_id = r.order_id AND l.n = r.n \
                     GROUP BY l.sale, l.item ORDER BY l.sale, l.item) AS u \
                   WHERE items.sale = u.sale AND items.id = u.item",
        sqlite: "UPDATE items SET held = items.held - u.units, sold = items.sold + u.bought FROM ( \
                   SELECT l.sale, l.item, sum(l.quantity) AS units, sum(l.quantity * (r.value ->> 'sold')) AS bought \
                   FROM json_each($1) AS r \
                   JOIN hold_lines l ON l.order_id = r.value ->> 'order_id' AND l.n = r.value ->> 'n' \
                   GROUP BY l.sale, l.item) AS u \
                 WHERE items.sale = u.sale AND items.id = u.item",
    };
    if moved.is_empty() {
        return Ok(());
    }
    let flagged: Vec<_> = moved
        .iter()
        .map(|(id, to)| json!({"order_id": id.order, "n": id.n, "sold": i64::from(*to == UnitMove::Sell)}))
        .collect();
    sqlx::query(database.sql(MOVE_ITEMS)).bind(parameters::rows(&flagged)).execute(&mut **tx).await?;
    let released: Vec<_> = moved.iter().filter(|(_, to)| *to == UnitMove::Release).map(|(id, _)| *id).collect();
    if released.is_empty() { Ok(()) } else { reduce_buyers(database, tx, &parameters::hold_ids(&released)).await }
}

/// Released units no longer count against the limit of their buyers.
async fn reduce_buyers(database: &Database, tx: &mut Tx, keys: &str) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT b.buyer FROM buyers b WHERE (b.sale, b.buyer) IN ( \
        SELECT h.sale, h.buyer FROM json_to_recordset($1::json) AS r(order_id text, n bigint) \
        JOIN holds h ON h.order_id = r.order_id AND h.n = r.n) \
        ORDER BY b.sale, b.buyer FOR UPDATE";
    const REDUCE: Sql = sql!(
        "UPDATE buyers SET units = buyers.units - u.units FROM ( \
           SELECT l.sale, l.buyer, CAST(sum(l.quantity) AS BIGINT) AS units FROM @hold_ids($1) \
           JOIN hold_lines l ON l.order_id = r.order_id AND l.n = r.n GROUP BY l.sale, l.buyer) AS u \
         WHERE buyers.sale = u.sale AND buyers.buyer = u.buyer"
    );
    if database.is_postgres() {
        sqlx::query(LOCK).bind(keys).execute(&mut **tx).await?;
    }
    sqlx::query(database.sql(REDUCE)).bind(keys).execute(&mut **tx).await?;
    Ok(())
}

/// Ends locked, live holds and their orders, and frees their units.
pub(super) async fn release_holds(
    database: &Database,
    tx: &mut Tx,
    holds: &[HoldRow],
    (to, transition): (HoldState, OrderTransition),
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<_> = holds.iter().map(|hold| hold.id).collect();
    let orders: Vec<_> = ids.iter().map(|id| id.order).collect();
    move_holds(database, tx, &ids, (HoldState::LIVE, to)).await?;
    move_orders(database, tx, &orders, transition, now).await?;
    move_units(database, tx, &ids.iter().map(|id| (*id, UnitMove::Release)).collect::<Vec<_>>()).await?;
    let events: Vec<_> = holds.iter().flat_map(|hold| failed_events(hold, now)).collect();
    outbox::append(database, tx, &events).await
}

/// The events of a hold that ended without payment.
pub(super) fn failed_events(hold: &HoldRow, now: Timestamp) -> [Event; 2] {
    [EventKind::HoldEnded, EventKind::OrderFailed].map(|kind| Event::about(kind, &hold.sale, hold.id.order, now, 0))
}
