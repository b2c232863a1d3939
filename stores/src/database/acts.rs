//! Every act of a seller is recorded in the transaction that carries it out.

use sale::{SaleId, Timestamp};
use sqlx::Row as _;

use super::{Database, Tx};
use crate::StoreError;

/// Who did what to a sale. `actor` is an authority or a hashed address, never a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    pub at: Timestamp,
    pub actor: String,
    pub act: String,
    pub detail: String,
}

pub async fn record(tx: &mut Tx, sale: &SaleId, act: &Act) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO acts (sale, at, actor, act, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(sale.as_str())
        .bind(act.at.as_millis())
        .bind(act.actor.as_str())
        .bind(act.act.as_str())
        .bind(act.detail.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The latest acts on a sale, newest first.
pub async fn latest(database: &Database, sale: &SaleId, limit: i64) -> Result<Vec<Act>, StoreError> {
    let rows = sqlx::query("SELECT at, actor, act, detail FROM acts WHERE sale = $1 ORDER BY id DESC LIMIT $2")
        .bind(sale.as_str())
        .bind(limit)
        .fetch_all(database.reader())
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Act {
                at: Timestamp::from_millis(row.try_get(0)?),
                actor: row.try_get(1)?,
                act: row.try_get(2)?,
                detail: row.try_get(3)?,
            })
        })
        .collect()
}
