//! Every act of a seller is recorded in the transaction that carries it out.

use sale::{SaleId, Timestamp};

use super::{Database, Tx, row::row};
use crate::StoreError;

row! {
    /// Who did what to a sale. `actor` is an authority or a hashed address, never a name.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Act {
        pub at: Timestamp,
        pub actor: String,
        pub act: String,
        pub detail: String,
    }
}

pub async fn record(tx: &mut Tx, sale: &SaleId, act: &Act) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit_log (sale, at, actor, action, detail) VALUES ($1, $2, $3, $4, $5)")
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
    const LATEST: &str =
        "SELECT at, actor, action AS act, detail FROM audit_log WHERE sale = $1 ORDER BY id DESC LIMIT $2";
    Ok(sqlx::query_as(LATEST).bind(sale.as_str()).bind(limit).fetch_all(database.reader()).await?)
}
