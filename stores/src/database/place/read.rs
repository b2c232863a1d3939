//! What a placement reads, under the locks that it takes.

use std::collections::{BTreeSet, HashMap};

use sale::{BuyerId, ItemId, OrderId, PassId};

use super::{
    decide::{Existing, Terms},
    new_order::NewOrder,
};
use crate::{
    StoreError,
    database::{
        Database, Tx, parameters,
        row::row,
        sql::{Sql, sql},
    },
    queue_store::QueueKey,
};

row! {
    struct LockedItem {
        id: ItemId,
        free: i64,
        per_buyer_limit: i64,
        hold_seconds: i64,
    }
}

/// Locks the items of these orders. Returns how many units of each are free, and the terms of the sale; `None` when the sale
/// has none of the items.
pub(super) async fn lock_items(
    database: &Database,
    tx: &mut Tx,
    key: &QueueKey,
    orders: &[NewOrder],
) -> Result<Option<(HashMap<ItemId, i64>, Terms)>, StoreError> {
    const LOCK: Sql = sql!(
        "SELECT i.id, i.total - i.held - i.sold AS free, s.per_buyer_limit, s.hold_seconds \
         FROM items i JOIN sales s ON s.id = i.sale WHERE i.sale = $1 AND i.id @in($2) ORDER BY i.id @lock(i)"
    );
    let ids: BTreeSet<_> = orders.iter().flat_map(|order| &order.lines).map(|line| line.item.as_str()).collect();
    let items: Vec<LockedItem> = sqlx::query_as(database.sql(LOCK))
        .bind(key.sale.as_str())
        .bind(parameters::list(ids))
        .fetch_all(&mut **tx)
        .await?;
    let terms = items.first().map(|item| Terms { limit: item.per_buyer_limit, hold_seconds: item.hold_seconds });
    Ok(terms.map(|terms| (items.into_iter().map(|item| (item.id, item.free)).collect(), terms)))
}

/// Whether the sale is still in the epoch of the caller's gate. Read after the items are locked: raising the epoch locks them
/// too, so it cannot rise before this transaction ends.
pub(super) async fn is_current(tx: &mut Tx, key: &QueueKey) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM sales WHERE id = $1 AND epoch = $2 AND epoch_nonce = $3")
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .bind(key.nonce.as_bits())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

row! {
    struct ExistingRow {
        id: OrderId,
        pass: Option<PassId>,
        request_hash: String,
        is_never_placed: bool,
    }
}

pub(super) async fn existing(database: &Database, tx: &mut Tx, orders: &[NewOrder]) -> Result<Existing, StoreError> {
    const READ: Sql = sql!(
        "SELECT id, pass, request_hash, 0 AS is_never_placed FROM orders WHERE id @in($1) \
         UNION ALL \
         SELECT id, pass, request_hash, 0 FROM orders WHERE pass @in($2) \
         UNION ALL \
         SELECT order_id, NULL, '', 1 FROM holds WHERE order_id @in($1) AND n = 1 AND buyer = ''"
    );
    let rows: Vec<ExistingRow> = sqlx::query_as(database.sql(READ))
        .bind(parameters::list(orders.iter().map(|order| order.id)))
        .bind(parameters::list(orders.iter().map(|order| order.pass)))
        .fetch_all(&mut **tx)
        .await?;
    let mut existing = Existing::default();
    for row in rows {
        if row.is_never_placed {
            existing.never_placed.insert(row.id);
        } else {
            existing.by_id.insert(row.id, row.request_hash);
            existing.by_pass.extend(row.pass.map(|pass| (pass, row.id)));
        }
    }
    Ok(existing)
}

row! {
    struct LockedBuyer {
        buyer: BuyerId,
        units: i64,
    }
}

/// Locks the buyers of these orders. Returns the units that each holds or has bought.
pub(super) async fn lock_buyers(
    database: &Database,
    tx: &mut Tx,
    key: &QueueKey,
    orders: &[NewOrder],
) -> Result<HashMap<BuyerId, i64>, StoreError> {
    const LOCK: Sql =
        sql!("SELECT b.buyer, b.units FROM buyers b WHERE b.sale = $1 AND b.buyer @in($2) ORDER BY b.buyer @lock(b)");
    let buyers: Vec<LockedBuyer> = sqlx::query_as(database.sql(LOCK))
        .bind(key.sale.as_str())
        .bind(parameters::list(orders.iter().map(|order| order.buyer)))
        .fetch_all(&mut **tx)
        .await?;
    Ok(buyers.into_iter().map(|row| (row.buyer, row.units)).collect())
}
