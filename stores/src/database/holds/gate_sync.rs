//! Syncing the stock gates: which holds have changed in the database and not in their gate yet.

use std::collections::BTreeMap;

use sale::{OrderId, SaleId};
use serde_json::json;

use super::super::{
    Database,
    hold_transitions::HoldRow,
    parameters,
    row::column,
    sql::{Sql, sql},
};
use super::ending;
use crate::{
    StoreError,
    queue_store::{HoldEnd, HoldEnding, QueueKey},
};

/// Running sales with holds that their stock gates are not synced with. A closed sale has no gate any more.
pub async fn sales_to_sync(database: &Database) -> Result<Vec<SaleId>, StoreError> {
    let rows = sqlx::query(
        "SELECT id FROM sales s WHERE closed_at IS NULL \
         AND (SELECT true FROM holds h WHERE h.sale = s.id AND h.gate_synced = 0 LIMIT 1) ORDER BY id",
    )
    .fetch_all(database.reader())
    .await?;
    Ok(column(&rows, "id")?)
}

/// The hold ends that the gate of a sale is to be synced with, oldest order first.
pub async fn pending_sync(database: &Database, sale: &SaleId, limit: i64) -> Result<Vec<HoldEnd>, StoreError> {
    let holds: Vec<HoldRow> = sqlx::query_as(
        "SELECT order_id, n, sale, buyer, state, deadline FROM holds WHERE sale = $1 AND gate_synced = 0 \
         ORDER BY order_id, n LIMIT $2",
    )
    .bind(sale.as_str())
    .bind(limit)
    .fetch_all(database.reader())
    .await?;
    Ok(holds.iter().map(hold_end).collect())
}

/// The hold ends of these orders that the gates are to be synced with, by sale.
pub async fn pending_sync_of(
    database: &Database,
    orders: &[OrderId],
) -> Result<BTreeMap<SaleId, Vec<HoldEnd>>, StoreError> {
    const READ: Sql = sql!(
        "SELECT order_id, n, sale, buyer, state, deadline FROM holds WHERE order_id @in($1) AND (gate_synced = 0) IS TRUE \
         ORDER BY order_id, n"
    );
    let mut ends: BTreeMap<SaleId, Vec<HoldEnd>> = BTreeMap::new();
    if orders.is_empty() {
        return Ok(ends);
    }
    let holds: Vec<HoldRow> =
        sqlx::query_as(database.sql(READ)).bind(parameters::list(orders)).fetch_all(database.reader()).await?;
    for hold in holds {
        ends.entry(hold.sale.clone()).or_default().push(hold_end(&hold));
    }
    Ok(ends)
}

/// A live hold is synced only when the outcome of its payment is unknown.
fn hold_end(hold: &HoldRow) -> HoldEnd {
    HoldEnd { hold: hold.id, ending: ending(hold.state).unwrap_or(HoldEnding::Inactive) }
}

/// Records that the gate was synced in the epoch of `key`. Does nothing in another epoch, whose gate is synced anew.
pub async fn mark_synced(database: &Database, key: &QueueKey, ends: &[HoldEnd]) -> Result<(), StoreError> {
    const MARK: Sql = sql!(
        "UPDATE holds SET gate_synced = 1 FROM @hold_ends($1) \
         WHERE holds.order_id = r.order_id AND holds.n = r.n AND (holds.state IN @live) = (r.live = 1) \
         AND EXISTS (SELECT 1 FROM sales WHERE id = $2 AND epoch = $3 AND epoch_nonce = $4)"
    );
    let synced: Vec<_> = ends
        .iter()
        .map(|end| {
            let live = i64::from(end.ending == HoldEnding::Inactive);
            json!({"order_id": end.hold.order, "n": end.hold.n, "live": live})
        })
        .collect();
    sqlx::query(database.sql(MARK))
        .bind(parameters::rows(&synced))
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .bind(key.nonce.as_bits())
        .execute(database.writer())
        .await?;
    Ok(())
}
