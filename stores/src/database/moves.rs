//! The writes that moves of orders share. Each takes a slice and is a constant number of statements.
//!
//! Rows are locked in one order everywhere, so that no two moves wait for each other: holds, payments, orders, items,
//! buyers, and each kind sorted by its key.

use std::collections::BTreeMap;

use sale::{BuyerId, Event, EventKind, HoldId, HoldState, ItemId, OrderId, SaleId, Timestamp};
use serde::Serialize;
use serde_json::json;
use sqlx::{FromRow, Row as _, any::AnyRow};

use super::{
    Database, Sql, Tx,
    order_transitions::{OrderTransition, move_orders},
    outbox,
    row::Column,
};
use crate::StoreError;

/// Units set aside, as their row says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRow {
    pub id: HoldId,
    pub sale: SaleId,
    /// `None` on the mark of the reconciler, which belongs to no order.
    pub buyer: Option<BuyerId>,
    pub state: HoldState,
    pub deadline: Timestamp,
}

/// One parameter that carries many ids.
pub(super) fn list<T: ToString>(ids: impl IntoIterator<Item = T>) -> String {
    rows(&ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>())
}

/// One parameter that carries many rows.
pub(super) fn rows<T: Serialize>(rows: &[T]) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

pub(super) fn bad(what: &str) -> StoreError {
    StoreError::unexpected("database", format!("a row with a bad {what}"))
}

pub(super) fn order_id(text: &str) -> Result<OrderId, StoreError> {
    OrderId::parse(text).ok_or_else(|| bad("order id"))
}

/// One parameter that carries many hold ids, as rows of `order_id` and `n`.
pub(super) fn hold_keys(ids: &[HoldId]) -> String {
    rows(&ids.iter().map(|id| json!({"order_id": id.order, "n": id.n})).collect::<Vec<_>>())
}

/// How many of each item, as the column `holds.units` has it.
pub(super) fn units_text<'a>(lines: impl IntoIterator<Item = (&'a ItemId, u32)>) -> String {
    let mut units: BTreeMap<&str, u32> = BTreeMap::new();
    for (item, quantity) in lines {
        let all = units.entry(item.as_str()).or_default();
        *all = all.saturating_add(quantity);
    }
    serde_json::to_string(&units).unwrap_or_default()
}

/// The holds of these orders by order and number, locked until the transaction ends.
pub(super) async fn lock_holds(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<Vec<HoldRow>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT order_id, n, sale, buyer, state, deadline FROM holds \
                   WHERE order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
                   ORDER BY order_id, n FOR UPDATE",
        sqlite: "SELECT order_id, n, sale, buyer, state, deadline FROM holds \
                 WHERE order_id IN (SELECT value FROM json_each($1)) ORDER BY order_id, n",
    };
    Ok(sqlx::query_as(database.sql(LOCK)).bind(list(orders)).fetch_all(&mut **tx).await?)
}

/// The holds of an order, the first one first, locked until the transaction ends.
pub(super) async fn lock_order(database: &Database, tx: &mut Tx, order: OrderId) -> Result<Vec<HoldRow>, StoreError> {
    lock_holds(database, tx, &[order]).await
}

/// The hold of an order that counts, of all its holds in their order; marks of the reconciler hold nothing.
pub(super) fn latest(holds: &[HoldRow]) -> Option<&HoldRow> {
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

/// Moves locked holds from one of these states to another. Fails when one of them is in no such state: whoever has
/// locked them has looked.
pub(super) async fn hold_state(
    database: &Database,
    tx: &mut Tx,
    ids: &[HoldId],
    (from, to): (&[HoldState], HoldState),
) -> Result<(), StoreError> {
    const MOVE: Sql = Sql {
        postgres: "UPDATE holds SET state = $2, gate_synced = $3 \
                   FROM json_to_recordset($1::json) AS r(order_id text, n bigint) \
                   WHERE holds.order_id = r.order_id AND holds.n = r.n \
                   AND state = ANY (ARRAY(SELECT json_array_elements_text($4::json)))",
        sqlite: "UPDATE holds SET state = $2, gate_synced = $3 FROM json_each($1) AS r \
                 WHERE holds.order_id = r.value ->> 'order_id' AND holds.n = r.value ->> 'n' \
                 AND state IN (SELECT value FROM json_each($4))",
    };
    let moved = sqlx::query(database.sql(MOVE))
        .bind(hold_keys(ids))
        .bind(to.as_str())
        .bind(i64::from(to.is_live()))
        .bind(list(from.iter().map(|state| state.as_str())))
        .execute(&mut **tx)
        .await?;
    if moved.rows_affected() == ids.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::unexpected("database", format!("a hold in a state that does not lead to {}", to.as_str())))
    }
}

/// What becomes of the units of a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Units {
    Back,
    Sold,
}

/// Moves the units of locked, live holds: back to the free ones, or to the sold ones.
pub(super) async fn units(database: &Database, tx: &mut Tx, moved: &[(HoldId, Units)]) -> Result<(), StoreError> {
    // The items are taken in the order that the sums come in, which is the one everybody locks them in.
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
        .map(|(id, to)| json!({"order_id": id.order, "n": id.n, "sold": i64::from(*to == Units::Sold)}))
        .collect();
    sqlx::query(database.sql(MOVE_ITEMS)).bind(rows(&flagged)).execute(&mut **tx).await?;
    let back: Vec<_> = moved.iter().filter(|(_, to)| *to == Units::Back).map(|(id, _)| *id).collect();
    if back.is_empty() { Ok(()) } else { buyers_back(database, tx, &hold_keys(&back)).await }
}

/// What a buyer gives back counts no longer against the limit.
async fn buyers_back(database: &Database, tx: &mut Tx, keys: &str) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT b.buyer FROM buyers b WHERE (b.sale, b.buyer) IN ( \
        SELECT h.sale, h.buyer FROM json_to_recordset($1::json) AS r(order_id text, n bigint) \
        JOIN holds h ON h.order_id = r.order_id AND h.n = r.n) \
        ORDER BY b.sale, b.buyer FOR UPDATE";
    const MOVE: Sql = Sql {
        postgres: "UPDATE buyers SET units = buyers.units - u.units FROM ( \
                     SELECT l.sale, l.buyer, sum(l.quantity)::bigint AS units \
                     FROM json_to_recordset($1::json) AS r(order_id text, n bigint) \
                     JOIN hold_lines l ON l.order_id = r.order_id AND l.n = r.n GROUP BY l.sale, l.buyer) AS u \
                   WHERE buyers.sale = u.sale AND buyers.buyer = u.buyer",
        sqlite: "UPDATE buyers SET units = buyers.units - u.units FROM ( \
                   SELECT l.sale, l.buyer, sum(l.quantity) AS units FROM json_each($1) AS r \
                   JOIN hold_lines l ON l.order_id = r.value ->> 'order_id' AND l.n = r.value ->> 'n' \
                   GROUP BY l.sale, l.buyer) AS u \
                 WHERE buyers.sale = u.sale AND buyers.buyer = u.buyer",
    };
    if database.is_postgres() {
        sqlx::query(LOCK).bind(keys).execute(&mut **tx).await?;
    }
    sqlx::query(database.sql(MOVE)).bind(keys).execute(&mut **tx).await?;
    Ok(())
}

/// Gives the units of locked, live holds back and ends their orders.
pub(super) async fn give_back(
    database: &Database,
    tx: &mut Tx,
    holds: &[HoldRow],
    (to, transition): (HoldState, OrderTransition),
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<_> = holds.iter().map(|hold| hold.id).collect();
    let orders: Vec<_> = ids.iter().map(|id| id.order).collect();
    hold_state(database, tx, &ids, (HoldState::LIVE, to)).await?;
    move_orders(database, tx, &orders, transition, now).await?;
    units(database, tx, &ids.iter().map(|id| (*id, Units::Back)).collect::<Vec<_>>()).await?;
    let events: Vec<_> = holds.iter().flat_map(|hold| failed_events(hold, now)).collect();
    outbox::append(database, tx, &events).await
}

/// What is told of a hold whose units went back.
pub(super) fn failed_events(hold: &HoldRow, now: Timestamp) -> [Event; 2] {
    [EventKind::HoldEnded, EventKind::OrderFailed].map(|kind| Event::about(kind, &hold.sale, hold.id.order, now, 0))
}
