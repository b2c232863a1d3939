//! Transitions of orders: from which states to which, by which actor and why.
//!
//! These are all transitions that an order can make. A transition applies to every order of a slice, or fails. An order that
//! needs review stays so, whatever its reservation goes through, until a person decides.

use sale::{
    OrderId, OrderState, Timestamp,
    order::{Actor, FinancialState, Fulfilment, ReservationState},
};
use sqlx::any::AnyRow;

use super::{
    Database, Tx, parameters,
    row::Column,
    sql::{Sql, sql},
};
use crate::StoreError;

use FinancialState as F;
use ReservationState as R;

/// A transition of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderTransition {
    from: &'static [R],
    from_financial: &'static [F],
    /// `None` leaves the reservation as it is.
    to: Option<R>,
    to_financial: F,
    actor: Actor,
    reason: &'static str,
}

/// Orders that ended without units.
const ENDED: &[R] = &[R::Expired, R::Cancelled, R::PaymentFailed];
/// The states of the money of a reserved order.
const UNPAID: &[F] = &[F::None, F::Processing, F::Unknown, F::NeedsReview];

impl OrderTransition {
    pub(super) const PAYMENT_REQUESTED: Self = Self {
        from: &[R::Reserved],
        from_financial: &[F::None],
        to: None,
        to_financial: F::Processing,
        actor: Actor::Buyer,
        reason: "payment_requested",
    };
    /// The deadline has passed, and the provider has not confirmed that the charge is voided.
    pub(super) const PAYMENT_UNKNOWN: Self = Self {
        from: &[R::Reserved],
        from_financial: &[F::Processing],
        to: None,
        to_financial: F::Unknown,
        actor: Actor::System,
        reason: "no_answer",
    };
    /// The attempt ended without a capture, and the buyer may make another one.
    pub(super) const HELD_AGAIN: Self = Self {
        from: &[R::Reserved],
        from_financial: UNPAID,
        to: None,
        to_financial: F::None,
        actor: Actor::Provider,
        reason: "declined",
    };
    pub(super) const SOLD: Self = Self {
        from: &[R::Reserved],
        from_financial: UNPAID,
        to: Some(R::Sold),
        to_financial: F::Captured,
        actor: Actor::Provider,
        reason: "captured",
    };
    /// The money was captured after the units were freed, and units were left; a refund of an earlier attempt may have been
    /// owed before.
    pub(super) const SOLD_LATE: Self =
        Self { from: ENDED, from_financial: F::ALL, reason: "captured_late", ..Self::SOLD };
    pub(super) const PAYMENT_FAILED: Self = Self {
        from: &[R::Reserved],
        from_financial: UNPAID,
        to: Some(R::PaymentFailed),
        to_financial: F::None,
        actor: Actor::Provider,
        reason: "declined",
    };
    pub(super) const EXPIRED: Self =
        Self { to: Some(R::Expired), actor: Actor::System, reason: "deadline", ..Self::PAYMENT_FAILED };
    pub(super) const CANCELLED: Self =
        Self { to: Some(R::Cancelled), actor: Actor::Buyer, reason: "cancelled", ..Self::PAYMENT_FAILED };
    /// The money was captured late, and no units were left within the limit.
    pub(super) const REFUND_OWED: Self = Self {
        from: ENDED,
        from_financial: F::ALL,
        to: None,
        to_financial: F::RefundPending,
        actor: Actor::System,
        reason: "no_units_left",
    };
    /// The same for an order that cost nothing.
    pub(super) const NOTHING_OWED: Self = Self { to_financial: F::Refunded, ..Self::REFUND_OWED };
    pub(super) const REFUNDED: Self = Self {
        from: ENDED,
        from_financial: &[F::RefundPending, F::Refunded, F::NeedsReview],
        to: None,
        to_financial: F::Refunded,
        actor: Actor::Provider,
        reason: "refunded",
    };
    pub(super) const REFUND_REFUSED: Self =
        Self { to_financial: F::NeedsReview, actor: Actor::System, reason: "refund_refused", ..Self::REFUNDED };
    /// The provider has charged another amount than requested.
    pub(super) const AMOUNT_DIFFERS: Self = Self {
        from: R::ALL,
        from_financial: F::ALL,
        to: None,
        to_financial: F::NeedsReview,
        actor: Actor::System,
        reason: "amount_differs",
    };
    /// The provider has captured money under an id that was never committed.
    pub(super) const OTHER_CHARGE: Self = Self { reason: "other_charge", ..Self::AMOUNT_DIFFERS };

    /// The state of an order in the API after this transition, unless it needs review. If the reservation stays as it is, either
    /// it is reserved or the money alone decides.
    fn word(self) -> OrderState {
        OrderState::of(self.to.unwrap_or(R::Reserved), self.to_financial, Fulfilment::None)
    }
}

/// Moves orders and appends the step to their histories.
///
/// # Errors
/// When one of them is in none of the states that the transition leaves, which the caller has ruled out under the locks of
/// their holds.
pub(super) async fn move_orders(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
    transition: OrderTransition,
    now: Timestamp,
) -> Result<(), StoreError> {
    const MOVE: Sql = sql!(
        "UPDATE orders SET state = coalesce($2, state), changed_at = $4, \
           financial_state = CASE financial_state WHEN 'needs_review' THEN financial_state ELSE $3 END \
         WHERE id @in($1) AND state @in($5) AND financial_state @in($6) RETURNING financial_state"
    );
    let word = transition.word().as_str();
    let moved: Vec<String> = sqlx::query_scalar(database.sql(MOVE))
        .bind(parameters::list(orders))
        .bind(transition.to.map(R::as_str))
        .bind(transition.to_financial.as_str())
        .bind(now.as_millis())
        .bind(parameters::list(transition.from.iter().map(|state| state.as_str())))
        .bind(parameters::list(transition.from_financial.iter().map(|state| state.as_str())))
        .fetch_all(&mut **tx)
        .await?;
    if moved.len() != orders.len() {
        return Err(StoreError::unexpected("database", format!("an order in a state that does not lead to {word}")));
    }
    append_history(database, tx, orders, transition, now).await?;
    let in_review = moved.iter().filter(|state| *state == F::NeedsReview.as_str()).count();
    for (word, count) in [(word, orders.len() - in_review), (OrderState::NeedsReview.as_str(), in_review)] {
        if count > 0 {
            metrics::counter!("openrun_orders_total", "state" => word).increment(count as u64);
        }
    }
    Ok(())
}

async fn append_history(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
    transition: OrderTransition,
    now: Timestamp,
) -> Result<(), StoreError> {
    const APPEND: Sql = sql!(
        "INSERT INTO order_history (order_id, nth, state, actor, reason, at) \
         SELECT o.id, (SELECT coalesce(max(h.nth), 1) + 1 FROM order_history h WHERE h.order_id = o.id), \
           CASE o.financial_state WHEN 'needs_review' THEN 'needs_review' ELSE $2 END, $3, $4, $5 \
         FROM orders o WHERE o.id @in($1)"
    );
    sqlx::query(database.sql(APPEND))
        .bind(parameters::list(orders))
        .bind(transition.word().as_str())
        .bind(transition.actor.as_str())
        .bind(transition.reason)
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The state in the API for the columns `state`, `financial_state` and `fulfilment` of a row.
pub(super) fn order_state(row: &AnyRow) -> sqlx::Result<OrderState> {
    let (reservation, financial) = (Column::read(row, "state")?, Column::read(row, "financial_state")?);
    Ok(OrderState::of(reservation, financial, Column::read(row, "fulfilment")?))
}
