//! The moves of orders: from which states to which, who moves them and why.
//!
//! All that an order can go through stands here. A move is carried out on every order of a slice or fails. What a person
//! has to look at stays so, whatever its reservation goes through, until that person decides.

use sale::{
    OrderId, OrderState, Timestamp,
    order::{Actor, FinancialState, Fulfilment, ReservationState},
};
use sqlx::any::AnyRow;

use super::{Database, Sql, Tx, parameters, row::Column};
use crate::StoreError;

use FinancialState as F;
use ReservationState as R;

/// One move of an order.
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
/// What the money of a reserved order may have come to.
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
    /// The deadline is over, and the provider has not confirmed that the charge is called back.
    pub(super) const PAYMENT_UNKNOWN: Self = Self {
        from: &[R::Reserved],
        from_financial: &[F::Processing],
        to: None,
        to_financial: F::Unknown,
        actor: Actor::System,
        reason: "no_answer",
    };
    /// The attempt ended without money, and the buyer may try again.
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
    /// The money came after the units had gone back, and units were left; money of an earlier attempt may have been owed
    /// back before.
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
    /// The money came late, and no units were left within the limit.
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
    /// The provider charged another amount than was asked for.
    pub(super) const AMOUNT_DIFFERS: Self = Self {
        from: R::ALL,
        from_financial: F::ALL,
        to: None,
        to_financial: F::NeedsReview,
        actor: Actor::System,
        reason: "amount_differs",
    };
    /// The provider has taken money under an id that was never committed.
    pub(super) const OTHER_CHARGE: Self = Self { reason: "other_charge", ..Self::AMOUNT_DIFFERS };

    /// What the API says of an order after this move, unless a person has to look at it. Where the reservation stays as it is, either it is reserved or the
    /// money alone decides.
    fn word(self) -> OrderState {
        OrderState::of(self.to.unwrap_or(R::Reserved), self.to_financial, Fulfilment::None)
    }
}

/// Moves orders and writes the step into their histories. Fails when one of them is in no state that the move leaves:
/// whoever has locked its holds has looked.
pub(super) async fn move_orders(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
    transition: OrderTransition,
    now: Timestamp,
) -> Result<(), StoreError> {
    const MOVE: Sql = Sql {
        postgres: "UPDATE orders SET state = coalesce($2, state), changed_at = $4, financial_state = \
                     CASE financial_state WHEN 'needs_review' THEN financial_state ELSE $3 END \
                   WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
                   AND state = ANY (ARRAY(SELECT json_array_elements_text($5::json))) \
                   AND financial_state = ANY (ARRAY(SELECT json_array_elements_text($6::json))) \
                   RETURNING financial_state",
        sqlite: "UPDATE orders SET state = coalesce($2, state), changed_at = $4, financial_state = \
                   CASE financial_state WHEN 'needs_review' THEN financial_state ELSE $3 END \
                 WHERE id IN (SELECT value FROM json_each($1)) AND state IN (SELECT value FROM json_each($5)) \
                 AND financial_state IN (SELECT value FROM json_each($6)) RETURNING financial_state",
    };
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
    remember(database, tx, orders, transition, now).await?;
    let in_review = moved.iter().filter(|state| *state == F::NeedsReview.as_str()).count();
    for (word, count) in [(word, orders.len() - in_review), (OrderState::NeedsReview.as_str(), in_review)] {
        if count > 0 {
            metrics::counter!("openrun_orders_total", "state" => word).increment(count as u64);
        }
    }
    Ok(())
}

async fn remember(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
    transition: OrderTransition,
    now: Timestamp,
) -> Result<(), StoreError> {
    const REMEMBER: Sql = Sql {
        postgres: "INSERT INTO order_history (order_id, nth, state, actor, reason, at) \
                   SELECT o.id, (SELECT coalesce(max(h.nth), 1) + 1 FROM order_history h WHERE h.order_id = o.id), \
                     CASE o.financial_state WHEN 'needs_review' THEN 'needs_review' ELSE $2 END, $3, $4, $5 \
                   FROM orders o WHERE o.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "INSERT INTO order_history (order_id, nth, state, actor, reason, at) \
                 SELECT o.id, (SELECT coalesce(max(h.nth), 1) + 1 FROM order_history h WHERE h.order_id = o.id), \
                   CASE o.financial_state WHEN 'needs_review' THEN 'needs_review' ELSE $2 END, $3, $4, $5 \
                 FROM orders o WHERE o.id IN (SELECT value FROM json_each($1))",
    };
    sqlx::query(database.sql(REMEMBER))
        .bind(parameters::list(orders))
        .bind(transition.word().as_str())
        .bind(transition.actor.as_str())
        .bind(transition.reason)
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The word for the columns `state`, `financial_state` and `fulfilment` of a row.
pub(super) fn order_state(row: &AnyRow) -> sqlx::Result<OrderState> {
    let (reservation, financial) = (Column::read(row, "state")?, Column::read(row, "financial_state")?);
    Ok(OrderState::of(reservation, financial, Column::read(row, "fulfilment")?))
}
