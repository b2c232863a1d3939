//! The writes that moves of orders share. Each takes a slice and is a constant number of statements.
//!
//! Rows are locked in one order everywhere, so that no two moves wait for each other: holds, payments, orders, items,
//! buyers, and each kind sorted by its key.

use sale::{BuyerId, Event, EventKind, HoldId, HoldState, OrderId, OrderState, SaleId, Timestamp};
use serde::Serialize;
use serde_json::json;
use sqlx::{Row as _, any::AnyRow};

use super::{Database, Sql, Tx, outbox};
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

/// The holds with these ids, locked until the transaction ends.
pub(super) async fn lock_holds(database: &Database, tx: &mut Tx, ids: &[HoldId]) -> Result<Vec<HoldRow>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT id, sale, buyer, state, deadline FROM holds \
                   WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, sale, buyer, state, deadline FROM holds WHERE id IN (SELECT value FROM json_each($1)) \
                 ORDER BY id",
    };
    let found = sqlx::query(database.sql(LOCK)).bind(list(ids)).fetch_all(&mut **tx).await?;
    found.iter().map(read_hold).collect()
}

/// The holds of an order, the first one first, locked until the transaction ends.
pub(super) async fn lock_order(database: &Database, tx: &mut Tx, order: OrderId) -> Result<Vec<HoldRow>, StoreError> {
    lock_holds(database, tx, &HoldId::all_of(order)).await
}

pub(super) fn read_hold(row: &AnyRow) -> Result<HoldRow, StoreError> {
    Ok(HoldRow {
        id: HoldId::parse(row.try_get(0)?).ok_or_else(|| bad("hold id"))?,
        sale: row.try_get::<&str, _>(1)?.parse().map_err(|_| bad("sale"))?,
        buyer: BuyerId::parse(row.try_get(2)?),
        state: HoldState::parse(row.try_get(3)?).ok_or_else(|| bad("hold state"))?,
        deadline: Timestamp::from_millis(row.try_get(4)?),
    })
}

/// Moves locked holds to a state.
pub(super) async fn hold_state(
    database: &Database,
    tx: &mut Tx,
    ids: &[HoldId],
    state: HoldState,
) -> Result<(), StoreError> {
    const MOVE: Sql = Sql {
        postgres: "UPDATE holds SET state = $2, gate_told = $3 WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "UPDATE holds SET state = $2, gate_told = $3 WHERE id IN (SELECT value FROM json_each($1))",
    };
    sqlx::query(database.sql(MOVE))
        .bind(list(ids))
        .bind(state.as_str())
        .bind(i64::from(state.is_live()))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Moves orders to a state and writes the step into their histories.
pub(super) async fn order_state(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
    state: OrderState,
    now: Timestamp,
) -> Result<(), StoreError> {
    const MOVE: Sql = Sql {
        postgres: "UPDATE orders SET state = $2, changed_at = $3 \
                   WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "UPDATE orders SET state = $2, changed_at = $3 WHERE id IN (SELECT value FROM json_each($1))",
    };
    const REMEMBER: Sql = Sql {
        postgres: "INSERT INTO order_history (order_id, nth, state, at) \
                   SELECT o.id, (SELECT coalesce(max(h.nth), 1) + 1 FROM order_history h WHERE h.order_id = o.id), $2, $3 \
                   FROM orders o WHERE o.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "INSERT INTO order_history (order_id, nth, state, at) \
                 SELECT o.id, (SELECT coalesce(max(h.nth), 1) + 1 FROM order_history h WHERE h.order_id = o.id), $2, $3 \
                 FROM orders o WHERE o.id IN (SELECT value FROM json_each($1))",
    };
    for statement in [MOVE, REMEMBER] {
        sqlx::query(database.sql(statement))
            .bind(list(orders))
            .bind(state.as_str())
            .bind(now.as_millis())
            .execute(&mut **tx)
            .await?;
    }
    metrics::counter!("openrun_orders_total", "state" => state.as_str()).increment(orders.len() as u64);
    Ok(())
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
                     FROM json_to_recordset($1::json) AS r(id text, sold bigint) \
                     JOIN holds h ON h.id = r.id JOIN order_lines l ON l.order_id = h.order_id \
                     GROUP BY l.sale, l.item ORDER BY l.sale, l.item) AS u \
                   WHERE items.sale = u.sale AND items.id = u.item",
        sqlite: "UPDATE items SET held = items.held - u.units, sold = items.sold + u.bought FROM ( \
                   SELECT l.sale, l.item, sum(l.quantity) AS units, sum(l.quantity * (r.value ->> 'sold')) AS bought \
                   FROM json_each($1) AS r \
                   JOIN holds h ON h.id = r.value ->> 'id' JOIN order_lines l ON l.order_id = h.order_id \
                   GROUP BY l.sale, l.item) AS u \
                 WHERE items.sale = u.sale AND items.id = u.item",
    };
    if moved.is_empty() {
        return Ok(());
    }
    let flagged: Vec<_> =
        moved.iter().map(|(id, to)| json!({"id": id.to_string(), "sold": i64::from(*to == Units::Sold)})).collect();
    sqlx::query(database.sql(MOVE_ITEMS)).bind(rows(&flagged)).execute(&mut **tx).await?;
    let back: Vec<_> = moved.iter().filter(|(_, to)| *to == Units::Back).map(|(id, _)| *id).collect();
    if back.is_empty() { Ok(()) } else { buyers_back(database, tx, &list(back)).await }
}

/// What a buyer gives back counts no longer against the limit.
async fn buyers_back(database: &Database, tx: &mut Tx, ids_text: &str) -> Result<(), StoreError> {
    const LOCK: &str = "SELECT b.buyer FROM buyers b WHERE (b.sale, b.buyer) IN ( \
        SELECT h.sale, h.buyer FROM holds h WHERE h.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))) \
        ORDER BY b.sale, b.buyer FOR UPDATE";
    const MOVE: Sql = Sql {
        postgres: "UPDATE buyers SET units = buyers.units - u.units FROM ( \
                     SELECT h.sale, h.buyer, sum(l.quantity)::bigint AS units \
                     FROM holds h JOIN order_lines l ON l.order_id = h.order_id \
                     WHERE h.id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) GROUP BY h.sale, h.buyer) AS u \
                   WHERE buyers.sale = u.sale AND buyers.buyer = u.buyer",
        sqlite: "UPDATE buyers SET units = buyers.units - u.units FROM ( \
                   SELECT h.sale, h.buyer, sum(l.quantity) AS units \
                   FROM holds h JOIN order_lines l ON l.order_id = h.order_id \
                   WHERE h.id IN (SELECT value FROM json_each($1)) GROUP BY h.sale, h.buyer) AS u \
                 WHERE buyers.sale = u.sale AND buyers.buyer = u.buyer",
    };
    if database.is_postgres() {
        sqlx::query(LOCK).bind(ids_text).execute(&mut **tx).await?;
    }
    sqlx::query(database.sql(MOVE)).bind(ids_text).execute(&mut **tx).await?;
    Ok(())
}

/// Gives the units of locked, live holds back and ends their orders.
pub(super) async fn give_back(
    database: &Database,
    tx: &mut Tx,
    holds: &[HoldRow],
    to: (HoldState, OrderState),
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<_> = holds.iter().map(|hold| hold.id).collect();
    let orders: Vec<_> = ids.iter().map(|id| id.order).collect();
    hold_state(database, tx, &ids, to.0).await?;
    order_state(database, tx, &orders, to.1, now).await?;
    units(database, tx, &ids.iter().map(|id| (*id, Units::Back)).collect::<Vec<_>>()).await?;
    let events: Vec<_> = holds.iter().flat_map(|hold| failed_events(hold, now)).collect();
    outbox::append(database, tx, &events).await
}

/// What is told of a hold whose units went back.
pub(super) fn failed_events(hold: &HoldRow, now: Timestamp) -> [Event; 2] {
    [EventKind::HoldEnded, EventKind::OrderFailed].map(|kind| Event::about(kind, &hold.sale, hold.id.order, now, 0))
}
