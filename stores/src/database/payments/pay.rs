//! Requesting an attempt to pay.

use sale::{
    Currency, Event, EventKind, HoldState, OrderId, PaymentState, SaleId, Timestamp, ids::PaymentId,
    order::FinancialState,
};

use super::{
    super::{
        Database, Tx, hold_transitions,
        order_transitions::{OrderTransition, move_orders},
        outbox,
        row::row,
    },
    PaymentRow, STEP_TIMEOUT_MS, lock_all,
};
use crate::StoreError;

/// A buyer's request.
#[derive(Clone, Copy, Debug)]
pub struct PayRequest<'a> {
    pub order: OrderId,
    pub idempotency_key: &'a str,
    pub method: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayOutcome {
    Requested,
    /// Requested before with the same key.
    Existing,
    /// The same key was used with another method.
    KeyReused,
    HoldExpired,
    InProgress,
    AlreadyPaid,
    NotFound,
}

row! {
    struct OrderColumns {
        sale: SaleId,
        amount: i64,
        currency: Currency,
        financial_state: FinancialState,
    }
}

/// Inserts an attempt to pay through a provider, with its event, in one transaction.
pub async fn pay(
    database: &Database,
    provider: &str,
    request: PayRequest<'_>,
    now: Timestamp,
) -> Result<PayOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[request.order]).await?;
    let row: Option<OrderColumns> =
        sqlx::query_as("SELECT sale, amount, currency, financial_state FROM orders WHERE id = $1")
            .bind(request.order.to_string())
            .fetch_optional(&mut *tx)
            .await?;
    let (Some(hold), Some(order)) = (hold_transitions::current_hold(&holds), row) else {
        return Ok(PayOutcome::NotFound);
    };
    if let Some(known) = same_key(&mut tx, request).await? {
        return Ok(known);
    }
    let earlier = lock_all(database, &mut tx, &[request.order]).await?;
    let is_in_review = order.financial_state == FinancialState::NeedsReview;
    if let Some(refused) = refuse((hold.state, hold.deadline), &earlier, is_in_review, now) {
        return Ok(refused);
    }
    let attempt = earlier.last().map_or(0, |payment| payment.attempt).saturating_add(1);
    let id = PaymentId::of(request.order, attempt);
    sqlx::query(
        "INSERT INTO payments (id, purchase_id, attempt, idempotency_key, method, amount, currency, state, due_at, \
         created_at, changed_at, provider) VALUES ($1, $2, $3, $4, $5, $6, $7, 'created', $8, $9, $9, $10)",
    )
    .bind(id.to_string())
    .bind(request.order.to_string())
    .bind(i64::from(attempt))
    .bind(request.idempotency_key)
    .bind(request.method)
    .bind(order.amount)
    .bind(order.currency.as_str())
    .bind(now.plus_millis(STEP_TIMEOUT_MS).as_millis())
    .bind(now.as_millis())
    .bind(provider)
    .execute(&mut *tx)
    .await?;
    sqlx::query("INSERT INTO payment_parts (payment_id, order_id, amount) VALUES ($1, $2, $3)")
        .bind(id.to_string())
        .bind(request.order.to_string())
        .bind(order.amount)
        .execute(&mut *tx)
        .await?;
    hold_transitions::move_holds(database, &mut tx, &[hold.id], (&[HoldState::Held], HoldState::Paying)).await?;
    move_orders(database, &mut tx, &[request.order], OrderTransition::PAYMENT_REQUESTED, now).await?;
    let event = Event::about(EventKind::PaymentRequested, &order.sale, request.order, now, attempt);
    outbox::append(database, &mut tx, &[event]).await?;
    database.commit(tx).await?;
    Ok(PayOutcome::Requested)
}

async fn same_key(tx: &mut Tx, request: PayRequest<'_>) -> Result<Option<PayOutcome>, StoreError> {
    let method: Option<String> =
        sqlx::query_scalar("SELECT method FROM payments WHERE purchase_id = $1 AND idempotency_key = $2")
            .bind(request.order.to_string())
            .bind(request.idempotency_key)
            .fetch_optional(&mut **tx)
            .await?;
    let outcome = |method: String| if method == request.method { PayOutcome::Existing } else { PayOutcome::KeyReused };
    Ok(method.map(outcome))
}

/// Why a new attempt is not allowed, if it is not. While an order needs review, its payment counts as in progress.
fn refuse(
    (hold, deadline): (HoldState, Timestamp),
    earlier: &[PaymentRow],
    is_in_review: bool,
    now: Timestamp,
) -> Option<PayOutcome> {
    let is_over = |payment: &PaymentRow| {
        payment.state == PaymentState::Voided || (payment.state == PaymentState::Declined && !payment.last)
    };
    let took_money = |payment: &PaymentRow| payment.state == PaymentState::Captured;
    match hold {
        HoldState::Committed | HoldState::Returned => Some(PayOutcome::AlreadyPaid),
        HoldState::Paying if earlier.iter().any(took_money) => Some(PayOutcome::AlreadyPaid),
        HoldState::Paying => Some(PayOutcome::InProgress),
        HoldState::Released | HoldState::Expired => Some(PayOutcome::HoldExpired),
        HoldState::Held if deadline <= now => Some(PayOutcome::HoldExpired),
        HoldState::Held if is_in_review => Some(PayOutcome::InProgress),
        HoldState::Held if !earlier.iter().all(is_over) => Some(PayOutcome::InProgress),
        HoldState::Held => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_new_attempt_needs_a_live_hold_and_no_open_one() {
        let now = Timestamp::from_millis(10);
        let later = now.plus_millis(1);
        let order = OrderId::derive(now, &[]);
        let attempt = |state, last| PaymentRow { last, ..testing::attempt(order, state) };
        let rows = [
            (HoldState::Held, later, vec![], None),
            (HoldState::Held, now, vec![], Some(PayOutcome::HoldExpired)),
            (HoldState::Held, later, vec![attempt(PaymentState::Declined, false)], None),
            (HoldState::Held, later, vec![attempt(PaymentState::Voided, false)], None),
            (HoldState::Held, later, vec![attempt(PaymentState::Unknown, false)], Some(PayOutcome::InProgress)),
            (HoldState::Held, later, vec![attempt(PaymentState::Declined, true)], Some(PayOutcome::InProgress)),
            (HoldState::Paying, later, vec![], Some(PayOutcome::InProgress)),
            (HoldState::Paying, now, vec![], Some(PayOutcome::InProgress)),
            (HoldState::Committed, later, vec![], Some(PayOutcome::AlreadyPaid)),
            (HoldState::Released, later, vec![], Some(PayOutcome::HoldExpired)),
            (HoldState::Expired, later, vec![], Some(PayOutcome::HoldExpired)),
            (HoldState::Returned, later, vec![], Some(PayOutcome::AlreadyPaid)),
        ];
        for (hold, deadline, earlier, expected) in rows {
            assert_eq!(refuse((hold, deadline), &earlier, false, now), expected, "{hold:?} {earlier:?}");
            let expected = expected.or(Some(PayOutcome::InProgress));
            assert_eq!(refuse((hold, deadline), &earlier, true, now), expected, "{hold:?} {earlier:?} in review");
        }
    }
}
