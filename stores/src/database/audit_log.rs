//! The audit log: every action of a seller is recorded in the transaction that carries it out.

use sale::{SaleId, Timestamp};

use super::{Database, Tx, row::row};
use crate::StoreError;

row! {
    /// Who did what to a sale.
    #[derive(Clone, PartialEq, Eq)]
    pub struct AuditEntry {
        pub at: Timestamp,
        /// An authority or a hashed address, never a name.
        pub actor: String,
        pub action: String,
        /// What the action needs to be understood later; empty or JSON.
        pub detail: String,
    }
}

pub async fn record(tx: &mut Tx, sale: &SaleId, entry: &AuditEntry) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit_log (sale, at, actor, action, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(sale.as_str())
        .bind(entry.at.as_millis())
        .bind(entry.actor.as_str())
        .bind(entry.action.as_str())
        .bind(entry.detail.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The latest entries about a sale, newest first.
pub async fn latest(database: &Database, sale: &SaleId, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
    const LATEST: &str = "SELECT at, actor, action, detail FROM audit_log WHERE sale = $1 ORDER BY id DESC LIMIT $2";
    Ok(sqlx::query_as(LATEST).bind(sale.as_str()).bind(limit).fetch_all(database.reader()).await?)
}
