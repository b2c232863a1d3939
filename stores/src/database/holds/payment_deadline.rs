//! Deadlines of holds whose order has a payment in progress.

use sale::{
    HoldState, OrderId, PaymentState, Timestamp,
    order::{FinancialState, VoidFor},
};

use super::{
    super::{
        Database, Tx,
        hold_transitions::{self, HoldRow},
        order_transitions::{OrderTransition, move_orders},
        payments::lock_all,
        row::{Column as _, corrupt_row},
        sql::{Sql, sql},
    },
    Due,
    cancel::void_open,
};
use crate::StoreError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineOutcome {
    Nothing,
    /// The payment has ended; the order is to be settled.
    Settle,
    Voiding,
    /// The provider has not confirmed the void in time: the buyer no longer counts as inside.
    Unknown,
}

/// Orders with a payment in progress whose deadline has passed. Left out are those whose charge was never sent, which does
/// not expire, and those whose payment is unknown or needs review already.
pub async fn overdue_payments(database: &Database, due: Due<'_>) -> Result<Vec<OrderId>, StoreError> {
    const OVERDUE: Sql = sql!(
        "SELECT h.order_id FROM holds h JOIN orders o ON o.id = h.order_id JOIN payments p ON p.purchase_id = o.id \
         AND p.attempt = (SELECT max(l.attempt) FROM payments l WHERE l.purchase_id = o.id) \
         WHERE h.state = 'paying' AND h.deadline <= $1 AND o.state = 'reserved' AND o.financial_state = 'processing' \
         AND (p.sent_at IS NOT NULL OR p.state <> 'created') AND h.order_id @not_in($3) ORDER BY h.deadline LIMIT $2"
    );
    due.read(database, OVERDUE).await
}

/// Enforces the deadline of an order with a payment in progress. The charge is voided first; the units stay held until the
/// provider has confirmed that. When it has not after `grace_ms`, the order's payment becomes unknown.
///
/// Does nothing to a charge that was never sent: it does not expire.
pub async fn enforce_payment_deadline(
    database: &Database,
    order: OrderId,
    now: Timestamp,
    grace_ms: i64,
) -> Result<DeadlineOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[order]).await?;
    let overdue = |hold: &&HoldRow| hold.state == HoldState::Paying && hold.deadline <= now;
    let Some(hold) = hold_transitions::current_hold(&holds).filter(overdue) else {
        return Ok(DeadlineOutcome::Nothing);
    };
    let payments = lock_all(database, &mut tx, &[order]).await?;
    let Some(last) = payments.last() else { return Err(corrupt_row("hold that is paid by nothing")) };
    // Read after everything that moves an order is locked: another worker may have been faster.
    if financial_state(&mut tx, order).await? != FinancialState::Processing {
        return Ok(DeadlineOutcome::Nothing);
    }
    if !last.state.is_open() {
        return Ok(DeadlineOutcome::Settle);
    }
    if last.provider_id.is_none() && last.state == PaymentState::Created {
        return Ok(DeadlineOutcome::Nothing);
    }
    if last.intent.is_none() {
        void_open(database, &mut tx, order, VoidFor::Deadline, now).await?;
        database.commit(tx).await?;
        return Ok(DeadlineOutcome::Voiding);
    }
    if now < hold.deadline.plus_millis(grace_ms) {
        return Ok(DeadlineOutcome::Nothing);
    }
    move_orders(database, &mut tx, &[order], OrderTransition::PAYMENT_UNKNOWN, now).await?;
    sqlx::query("UPDATE holds SET gate_synced = 0 WHERE order_id = $1 AND n = $2")
        .bind(order.to_string())
        .bind(i64::from(hold.id.n))
        .execute(&mut *tx)
        .await?;
    database.commit(tx).await?;
    Ok(DeadlineOutcome::Unknown)
}

async fn financial_state(tx: &mut Tx, order: OrderId) -> Result<FinancialState, StoreError> {
    let row = sqlx::query("SELECT financial_state FROM orders WHERE id = $1").bind(order.to_string());
    Ok(FinancialState::read(&row.fetch_one(&mut **tx).await?, "financial_state")?)
}
