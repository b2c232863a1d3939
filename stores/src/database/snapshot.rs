//! Snapshots: what a queue store is filled with, read from the database as of one moment.

use std::collections::HashMap;

use sale::{
    BuyerId, HoldId, OrderId, SaleId, Timestamp,
    sale::{Line as OrderLine, Place},
};
use sqlx::{Any, Row as _, Transaction};

use super::{
    Database,
    order_transitions::order_state,
    row::{corrupt_row, unsigned},
    sales,
};
use crate::{
    StoreError,
    queue_store::{Snapshot, SnapshotHold, SnapshotPass},
};

/// Everything that the database knows about a sale, as of one moment.
pub async fn read(database: &Database, sale: &SaleId) -> Result<Snapshot, StoreError> {
    let mut tx = database.read_whole().await?;
    let Some(known) = sales::load_in(&mut tx, sale).await? else {
        return Err(StoreError::unexpected("database", "a sale that is gone"));
    };
    Ok(Snapshot {
        allocated_up_to: known.allocated_up_to,
        called_up_to: known.called_up_to,
        version: known.sale.version,
        stock: known.stock,
        holds: live_holds(&mut tx, sale).await?,
        buyers: buyers(&mut tx, sale).await?,
        passes: passes(&mut tx, sale).await?,
    })
}

async fn live_holds(tx: &mut Transaction<'_, Any>, sale: &SaleId) -> Result<Vec<SnapshotHold>, StoreError> {
    let rows = sqlx::query(
        "SELECT l.order_id || ':' || l.n, l.buyer, l.item, l.quantity, o.state, o.financial_state, o.fulfilment FROM hold_lines l \
         JOIN orders o ON o.id = l.order_id \
         WHERE l.sale = $1 AND l.state IN ('held', 'paying') ORDER BY l.order_id, l.n, l.item",
    )
    .bind(sale.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let mut holds: Vec<SnapshotHold> = Vec::new();
    for row in rows {
        let hold = HoldId::parse(row.try_get(0)?).ok_or_else(|| corrupt_row("hold id"))?;
        let item = row.try_get::<&str, _>(2)?.parse().map_err(|_| corrupt_row("item"))?;
        let quantity = u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| corrupt_row("quantity"))?;
        let units = OrderLine { item, quantity };
        match holds.last_mut() {
            Some(last) if last.hold == hold => last.lines.push(units),
            _ => holds.push(SnapshotHold {
                hold,
                buyer: buyer(row.try_get(1)?)?,
                lines: vec![units],
                active: order_state(&row)?.is_active(),
            }),
        }
    }
    Ok(holds)
}

async fn buyers(tx: &mut Transaction<'_, Any>, sale: &SaleId) -> Result<Vec<(BuyerId, u32)>, StoreError> {
    let rows = sqlx::query("SELECT buyer, units FROM buyers WHERE sale = $1 AND units > 0")
        .bind(sale.as_str())
        .fetch_all(&mut **tx)
        .await?;
    rows.into_iter()
        .map(|row| {
            let units = u32::try_from(row.try_get::<i64, _>(1)?).map_err(|_| corrupt_row("count of units"))?;
            Ok((buyer(row.try_get(0)?)?, units))
        })
        .collect()
}

async fn passes(tx: &mut Transaction<'_, Any>, sale: &SaleId) -> Result<Vec<SnapshotPass>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.number, p.buyer, p.expires_at, p.ended, o.id FROM passes p LEFT JOIN orders o ON o.pass = p.id \
         WHERE p.sale = $1 ORDER BY p.number",
    )
    .bind(sale.as_str())
    .fetch_all(&mut **tx)
    .await?;
    let mut newest: HashMap<BuyerId, usize> = HashMap::new();
    let mut passes: Vec<SnapshotPass> = Vec::with_capacity(rows.len());
    for row in rows {
        let order =
            row.try_get::<Option<&str>, _>(4)?.map(|id| OrderId::parse(id).ok_or_else(|| corrupt_row("order id")));
        let pass = SnapshotPass {
            place: Place { number: unsigned(row.try_get(0)?), buyer: buyer(row.try_get(1)?)? },
            expires_at: Timestamp::from_millis(row.try_get(2)?),
            ended: row.try_get::<i64, _>(3)? != 0,
            hold: order.transpose()?.map(HoldId::first),
        };
        // A buyer who joined again has a later number; only the latest place counts.
        if let Some(at) = newest.get(&pass.place.buyer) {
            passes[*at] = pass;
        } else {
            newest.insert(pass.place.buyer, passes.len());
            passes.push(pass);
        }
    }
    Ok(passes)
}

fn buyer(text: &str) -> Result<BuyerId, StoreError> {
    BuyerId::parse(text).ok_or_else(|| corrupt_row("buyer"))
}
