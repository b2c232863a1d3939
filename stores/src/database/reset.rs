//! The demo's reset: deletes everything that happened in a sale, and opens it again.

use sale::{EpochNonce, SaleId, Timestamp};

use super::{
    Database,
    audit_log::{self, AuditEntry},
};
use crate::StoreError;

/// The deletions, children first. Each statement takes the id of the sale.
const DELETIONS: [&str; 15] = [
    "DELETE FROM sandbox_refunds WHERE charge_id IN (SELECT c.id FROM payments p \
     JOIN orders o ON o.id = p.purchase_id \
     JOIN sandbox_charges c ON c.key = 'pay:' || p.purchase_id || ':' || p.attempt WHERE o.sale = $1)",
    "DELETE FROM sandbox_charges WHERE key IN (SELECT 'pay:' || p.purchase_id || ':' || p.attempt FROM payments p \
     JOIN orders o ON o.id = p.purchase_id WHERE o.sale = $1)",
    "DELETE FROM outbox WHERE order_id IN (SELECT id FROM orders WHERE sale = $1)",
    "DELETE FROM money_moves WHERE purchase_id IN (SELECT id FROM orders WHERE sale = $1)",
    "DELETE FROM refund_lines WHERE order_id IN (SELECT id FROM orders WHERE sale = $1)",
    "DELETE FROM refunds WHERE payment_id IN (SELECT p.id FROM payments p \
     JOIN orders o ON o.id = p.purchase_id WHERE o.sale = $1)",
    "DELETE FROM payment_parts WHERE order_id IN (SELECT id FROM orders WHERE sale = $1)",
    "DELETE FROM payments WHERE purchase_id IN (SELECT id FROM orders WHERE sale = $1)",
    "DELETE FROM order_history WHERE order_id IN (SELECT id FROM orders WHERE sale = $1)",
    "DELETE FROM order_lines WHERE sale = $1",
    "DELETE FROM holds WHERE sale = $1",
    "DELETE FROM orders WHERE sale = $1",
    "DELETE FROM passes WHERE sale = $1",
    "DELETE FROM buyers WHERE sale = $1",
    "DELETE FROM cases WHERE sale = $1",
];

/// Deletes what happened in a sale and opens it at `opens_at`. The epoch is raised and numbers continue above those given, so
/// that no earlier ticket counts.
pub async fn reset(
    database: &Database,
    sale: &SaleId,
    opens_at: Timestamp,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    // First, because placements lock the items: an order is written as a whole before, or is refused by the epoch.
    sqlx::query("UPDATE items SET held = 0, sold = 0 WHERE sale = $1").bind(sale.as_str()).execute(&mut *tx).await?;
    for statement in DELETIONS {
        sqlx::query(statement).bind(sale.as_str()).execute(&mut *tx).await?;
    }
    sqlx::query(
        "UPDATE sales SET opens_at = $2, paused = 0, closing = 0, closed_at = NULL, epoch = epoch + 1, \
         epoch_nonce = $3, epoch_at = 0, called_up_to = allocated_up_to, version = version + 1 WHERE id = $1",
    )
    .bind(sale.as_str())
    .bind(opens_at.as_millis())
    .bind(EpochNonce::random().as_bits())
    .execute(&mut *tx)
    .await?;
    audit_log::record(&mut tx, sale, entry).await?;
    tx.commit().await?;
    Ok(())
}
