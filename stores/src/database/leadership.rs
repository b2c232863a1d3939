//! Leadership of a sale's admission loop: one process at a time, each for a term of its own.

use sale::{SaleId, Term, Timestamp};

use super::Database;
use crate::StoreError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    pub term: Term,
    /// Whether this call began the term.
    pub is_new: bool,
}

/// Acquires the leadership of a sale when it is free or has expired, or renews it until `until`. Returns `None` when another
/// process leads.
pub async fn acquire(
    database: &Database,
    sale: &SaleId,
    leader: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Leadership>, StoreError> {
    const RENEW: &str =
        "UPDATE sales SET leads_until = $4 WHERE id = $1 AND leader = $2 AND leads_until > $3 RETURNING term";
    const ACQUIRE: &str = "UPDATE sales SET leader = $2, term = term + 1, leads_until = $4 WHERE id = $1 AND leads_until <= $3 \
        RETURNING term";
    for (statement, is_new) in [(RENEW, false), (ACQUIRE, true)] {
        let term = sqlx::query_scalar(statement)
            .bind(sale.as_str())
            .bind(leader)
            .bind(now.as_millis())
            .bind(until.as_millis())
            .fetch_optional(database.writer())
            .await?;
        if let Some(term) = term {
            return Ok(Some(Leadership { term, is_new }));
        }
    }
    Ok(None)
}

/// Gives up the leadership at once, on a clean stop.
pub async fn resign(database: &Database, sale: &SaleId, leader: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE sales SET leads_until = $3 WHERE id = $1 AND leader = $2")
        .bind(sale.as_str())
        .bind(leader)
        .bind(database.now().as_millis())
        .execute(database.writer())
        .await?;
    Ok(())
}
