//! A lost queue store is filled again: the epoch is raised, one consistent snapshot is read, and the new life begins.

use std::collections::HashMap;

use sale::{
    BuyerId, EpochNonce, HoldId, OrderId, SaleId, Timestamp,
    sale::{Line as OrderLine, Place},
};
use sqlx::{Any, Row as _, Transaction};

use super::{
    Database,
    numbers::{self, Loss, unsigned},
    order_transitions::order_state,
    sales,
};
use crate::{
    StoreError,
    queue_store::{QueueKey, SaleQueueStore, Snapshot, SnapshotHold, SnapshotPass},
};

/// Begins the first life of a new sale in `queue`. As [`restore`] says, it may be another process that does.
pub async fn begin(database: &Database, queue: &dyn SaleQueueStore, sale: &SaleId) -> Result<QueueKey, StoreError> {
    restore(database, queue, &Loss { sale: sale.clone(), epoch: 0, found: 0, whole_at: None }).await
}

/// Restores the sale's life in `queue`; tells the life that counts now.
///
/// Of several processes that notice the loss one raises the epoch; the others are told that the line is still lost. Should
/// it die before the store is filled, the life stays lost and the next one to look raises it again.
pub async fn restore(database: &Database, queue: &dyn SaleQueueStore, loss: &Loss) -> Result<QueueKey, StoreError> {
    let nonce = EpochNonce::from_bits(rand::random());
    let Some(key) = numbers::raise_epoch(database, loss, nonce, database.now()).await? else {
        return Err(StoreError::Lost);
    };
    let sale = &key.sale;
    queue.rebuild(&key, &read(database, sale).await?, database.now()).await?;
    if loss.epoch == 0 {
        tracing::info!(%sale, "the queue of this sale is ready");
    } else {
        metrics::counter!("openrun_stores_lost_total").increment(1);
        tracing::warn!(%sale, epoch = key.epoch, "the queue store was lost and is filled again from the database");
    }
    Ok(key)
}

/// Everything that the database knows about a sale, as of one moment.
pub async fn read(database: &Database, sale: &SaleId) -> Result<Snapshot, StoreError> {
    let mut tx = database.read_whole().await?;
    let Some(known) = sales::load_in(&mut tx, sale).await? else {
        return Err(StoreError::unexpected("database", "a sale that is gone"));
    };
    Ok(Snapshot {
        allocated_up_to: known.ceiling,
        called_up_to: known.cursor,
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
        let hold = HoldId::parse(row.try_get(0)?).ok_or_else(|| bad("hold id"))?;
        let item = row.try_get::<&str, _>(2)?.parse().map_err(|_| bad("item"))?;
        let quantity = u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| bad("quantity"))?;
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
            let units = u32::try_from(row.try_get::<i64, _>(1)?).map_err(|_| bad("count of units"))?;
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
        let order = row.try_get::<Option<&str>, _>(4)?.map(|id| OrderId::parse(id).ok_or_else(|| bad("order id")));
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
    BuyerId::parse(text).ok_or_else(|| bad("buyer"))
}

fn bad(what: &str) -> StoreError {
    StoreError::unexpected("database", format!("a row with a bad {what}"))
}
