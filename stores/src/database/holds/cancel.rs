//! Cancelling: a buyer gives an order up.

use sale::{HoldState, OrderId, OrderState, Timestamp, order::VoidFor};

use super::super::{
    Database, Tx, hold_transitions,
    order_transitions::{OrderTransition, order_state},
    sql::{Sql, sql},
};
use crate::StoreError;

/// The outcome of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The units are free again.
    Released,
    /// The payment is being voided; the order ends when the provider has confirmed that.
    Voiding,
    /// Cancelled earlier.
    Already,
    /// The money is captured or about to be, or the order ended otherwise.
    TooLate,
    NotFound,
}

/// Cancels an order for its buyer. While a payment is in progress this sets its intent to void; the first intent wins.
pub async fn cancel(database: &Database, order: OrderId, now: Timestamp) -> Result<CancelOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[order]).await?;
    let Some(hold) = hold_transitions::current_hold(&holds) else { return Ok(CancelOutcome::NotFound) };
    match hold.state {
        HoldState::Held => {
            let to = (HoldState::Released, OrderTransition::CANCELLED);
            hold_transitions::release_holds(database, &mut tx, std::slice::from_ref(hold), to, now).await?;
            database.commit(tx).await?;
            Ok(CancelOutcome::Released)
        }
        HoldState::Paying => {
            let is_first = void_open(database, &mut tx, order, VoidFor::Cancel, now).await?;
            let is_voiding = is_first || is_voiding(database, &mut tx, order).await?;
            database.commit(tx).await?;
            Ok(if is_voiding { CancelOutcome::Voiding } else { CancelOutcome::TooLate })
        }
        HoldState::Released => cancelled_before(&mut tx, order).await,
        HoldState::Committed | HoldState::Expired | HoldState::Returned => Ok(CancelOutcome::TooLate),
    }
}

/// Sets the intent of the open payment to void. Returns false when it has an intent already, or no payment is open.
pub(in crate::database) async fn void_open(
    database: &Database,
    tx: &mut Tx,
    order: OrderId,
    reason: VoidFor,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const VOID: Sql = sql!(
        "UPDATE payments SET intent = 'void', void_for = $2, due_at = $3, polls = 0 \
         WHERE purchase_id = $1 AND intent IS NULL AND state IN @open"
    );
    let voided = sqlx::query(database.sql(VOID))
        .bind(order.to_string())
        .bind(reason.as_str())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(voided.rows_affected() > 0)
}

/// Whether the open payment is being voided, which makes a second cancellation the same request.
async fn is_voiding(database: &Database, tx: &mut Tx, order: OrderId) -> Result<bool, StoreError> {
    const READ: Sql = sql!("SELECT 1 FROM payments WHERE purchase_id = $1 AND intent = 'void' AND state IN @open");
    let row = sqlx::query(database.sql(READ)).bind(order.to_string()).fetch_optional(&mut **tx).await?;
    Ok(row.is_some())
}

async fn cancelled_before(tx: &mut Tx, order: OrderId) -> Result<CancelOutcome, StoreError> {
    let row = sqlx::query("SELECT state, financial_state, fulfilment FROM orders WHERE id = $1")
        .bind(order.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(CancelOutcome::NotFound) };
    let cancelled = order_state(&row)? == OrderState::Cancelled;
    Ok(if cancelled { CancelOutcome::Already } else { CancelOutcome::TooLate })
}
