//! Snapshots: what a queue store is filled with, read from the database as of one moment.

use std::collections::HashMap;

use sale::{
    BuyerId, HoldId, ItemId, OrderId, OrderState, SaleId, Timestamp,
    order::{FinancialState, Fulfilment, ReservationState},
    sale::{Line, Place},
};

use super::{
    Database, Tx,
    row::row,
    sales,
    sql::{Sql, sql},
};
use crate::{
    StoreError,
    queue_store::{Snapshot, SnapshotHold, SnapshotPass},
};

/// What the queue store of a sale holds, as of one moment.
pub async fn read(database: &Database, sale: &SaleId) -> Result<Snapshot, StoreError> {
    let mut tx = database.read_whole().await?;
    let Some(known) = sales::load_in(&mut tx, sale).await? else {
        return Err(StoreError::unexpected("database", "a sale that does not exist"));
    };
    Ok(Snapshot {
        allocated_up_to: known.allocated_up_to,
        called_up_to: known.called_up_to,
        version: known.sale.version,
        stock: known.stock,
        holds: live_holds(database, &mut tx, sale).await?,
        buyers: buyers(&mut tx, sale).await?,
        passes: passes(&mut tx, sale).await?,
    })
}

row! {
    struct HoldLine {
        order_id: OrderId,
        n: u32,
        buyer: BuyerId,
        item: ItemId,
        quantity: u32,
        state: ReservationState,
        financial_state: FinancialState,
        fulfilment: Fulfilment,
    }
}

async fn live_holds(database: &Database, tx: &mut Tx, sale: &SaleId) -> Result<Vec<SnapshotHold>, StoreError> {
    const READ: Sql = sql!(
        "SELECT l.order_id, l.n, l.buyer, l.item, l.quantity, o.state, o.financial_state, o.fulfilment \
         FROM hold_lines l JOIN orders o ON o.id = l.order_id \
         WHERE l.sale = $1 AND l.state IN @live ORDER BY l.order_id, l.n, l.item"
    );
    let rows: Vec<HoldLine> = sqlx::query_as(database.sql(READ)).bind(sale.as_str()).fetch_all(&mut **tx).await?;
    let mut holds: Vec<SnapshotHold> = Vec::new();
    for row in rows {
        let hold = HoldId { order: row.order_id, n: row.n };
        let line = Line { item: row.item, quantity: row.quantity };
        match holds.last_mut() {
            Some(last) if last.hold == hold => last.lines.push(line),
            _ => holds.push(SnapshotHold {
                hold,
                buyer: row.buyer,
                lines: vec![line],
                active: OrderState::of(row.state, row.financial_state, row.fulfilment).is_active(),
            }),
        }
    }
    Ok(holds)
}

row! {
    struct BuyerUnits {
        buyer: BuyerId,
        units: u32,
    }
}

async fn buyers(tx: &mut Tx, sale: &SaleId) -> Result<Vec<(BuyerId, u32)>, StoreError> {
    const READ: &str = "SELECT buyer, units FROM buyers WHERE sale = $1 AND units > 0";
    let rows: Vec<BuyerUnits> = sqlx::query_as(READ).bind(sale.as_str()).fetch_all(&mut **tx).await?;
    Ok(rows.into_iter().map(|row| (row.buyer, row.units)).collect())
}

row! {
    struct PassWithOrder {
        number: u64,
        buyer: BuyerId,
        expires_at: Timestamp,
        ended: bool,
        order_id: Option<OrderId>,
    }
}

/// The passes of a sale, for every buyer the one with the highest number: a buyer who joined again has a later one.
async fn passes(tx: &mut Tx, sale: &SaleId) -> Result<Vec<SnapshotPass>, StoreError> {
    const READ: &str = "SELECT p.number, p.buyer, p.expires_at, p.ended, o.id AS order_id \
        FROM passes p LEFT JOIN orders o ON o.pass = p.id WHERE p.sale = $1 ORDER BY p.number";
    let rows: Vec<PassWithOrder> = sqlx::query_as(READ).bind(sale.as_str()).fetch_all(&mut **tx).await?;
    let mut positions: HashMap<BuyerId, usize> = HashMap::new();
    let mut passes: Vec<SnapshotPass> = Vec::with_capacity(rows.len());
    for row in rows {
        let pass = SnapshotPass {
            place: Place { number: row.number, buyer: row.buyer },
            expires_at: row.expires_at,
            ended: row.ended,
            hold: row.order_id.map(HoldId::first),
        };
        if let Some(position) = positions.get(&pass.place.buyer) {
            passes[*position] = pass;
        } else {
            positions.insert(pass.place.buyer, passes.len());
            passes.push(pass);
        }
    }
    Ok(passes)
}
