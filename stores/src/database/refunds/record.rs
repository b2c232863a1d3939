//! Recording the provider's answers to refunds.

use sale::{HoldState, Timestamp, order::RefundState};

use super::{
    super::{
        Database, Tx,
        cases::{self, CaseKind, NewCase},
        hold_transitions,
        money_moves::{self, MoneyMove, MoveKind},
        order_transitions::{OrderTransition, move_orders},
    },
    RefundRow,
};
use crate::{StoreError, charge::RefundProgress};

/// How often a provider may refuse a refund before it needs review.
const MAX_REFUSALS: u32 = 30;
/// The wait after a refusal, while the provider works on it, and after the first silence.
const RETRY_AFTER_MS: i64 = 10_000;
/// The longest wait for a provider that is silent.
const MAX_RETRY_AFTER_MS: i64 = 300_000;

/// The provider's answer to a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundAnswer {
    Progress {
        provider_ref: Option<String>,
        progress: RefundProgress,
    },
    /// No answer in time, which is never a refusal.
    Silence,
}

/// What follows from an answer of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Done,
    NeedsReview,
    Retry { refusals: u32, silences: u32, after_ms: i64 },
}

fn next(refund: &RefundRow, answer: &RefundAnswer) -> Next {
    let RefundRow { refusals, silences, .. } = *refund;
    match answer {
        RefundAnswer::Progress { progress: RefundProgress::Done, .. } => Next::Done,
        RefundAnswer::Progress { progress: RefundProgress::Pending, .. } => {
            Next::Retry { refusals, silences, after_ms: RETRY_AFTER_MS }
        }
        RefundAnswer::Progress { progress: RefundProgress::Refused { .. }, .. } => {
            let refusals = refusals.saturating_add(1);
            if refusals >= MAX_REFUSALS {
                return Next::NeedsReview;
            }
            Next::Retry { refusals, silences, after_ms: RETRY_AFTER_MS }
        }
        RefundAnswer::Silence => {
            let doubled = RETRY_AFTER_MS.saturating_mul(1_i64.checked_shl(silences.min(16)).unwrap_or(i64::MAX));
            Next::Retry { refusals, silences: silences.saturating_add(1), after_ms: doubled.min(MAX_RETRY_AFTER_MS) }
        }
    }
}

/// Records the provider's answer to a refund. Returns whether the refund needs review from now on. An order that is paid by
/// another attempt keeps its state.
pub async fn record(
    database: &Database,
    refund: &RefundRow,
    answer: &RefundAnswer,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[refund.order]).await?;
    let next = next(refund, answer);
    if !write(&mut tx, refund, answer, next, now).await? {
        return Ok(false);
    }
    if next == Next::Done {
        count_refunded(database, &mut tx, refund, now).await?;
    }
    let transition = match next {
        Next::Done => Some(OrderTransition::REFUNDED),
        Next::NeedsReview => Some(OrderTransition::REFUND_REFUSED),
        Next::Retry { .. } => None,
    };
    if next == Next::NeedsReview {
        let (kind, subject) = (CaseKind::RefundRefused, refund.id.clone());
        let case = NewCase { kind, subject, order: refund.order, detail: String::new() };
        cases::open(&mut tx, &case, now).await?;
    }
    let is_sold = holds.iter().any(|hold| hold.state == HoldState::Committed);
    if let Some(transition) = transition.filter(|_| !is_sold) {
        move_orders(database, &mut tx, &[refund.order], transition, now).await?;
    }
    database.commit(tx).await?;
    Ok(next == Next::NeedsReview)
}

/// Moves a pending refund. Returns false when it is no longer pending.
async fn write(
    tx: &mut Tx,
    refund: &RefundRow,
    answer: &RefundAnswer,
    next: Next,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, refusals, silences, due_at) = match next {
        Next::Done => (RefundState::Done, refund.refusals, refund.silences, None),
        Next::NeedsReview => (RefundState::NeedsReview, refund.refusals.saturating_add(1), refund.silences, None),
        Next::Retry { refusals, silences, after_ms } => {
            (RefundState::Pending, refusals, silences, Some(now.plus_millis(after_ms)))
        }
    };
    let (provider_ref, failure) = match answer {
        RefundAnswer::Progress { provider_ref, progress: RefundProgress::Refused { reason } } => {
            (provider_ref.as_deref(), Some(reason.as_str()))
        }
        RefundAnswer::Progress { provider_ref, .. } => (provider_ref.as_deref(), None),
        RefundAnswer::Silence => (None, None),
    };
    let moved = sqlx::query(
        "UPDATE refunds SET state = $2, refusals = $3, silences = $4, due_at = $5, \
         provider_ref = coalesce($6, provider_ref), failure = coalesce($7, failure), changed_at = $8 \
         WHERE id = $1 AND state = 'pending'",
    )
    .bind(refund.id.as_str())
    .bind(state.as_str())
    .bind(i64::from(refusals))
    .bind(i64::from(silences))
    .bind(due_at.map(Timestamp::as_millis))
    .bind(provider_ref)
    .bind(failure)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// Counts the refunded money on the payment, and appends the money move.
async fn count_refunded(
    database: &Database,
    tx: &mut Tx,
    refund: &RefundRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let counted = sqlx::query(
        "UPDATE payments SET refunded_amount = refunded_amount + $2, changed_at = $3, \
         state = CASE WHEN refunded_amount + $2 = captured_amount THEN 'refunded' ELSE state END \
         WHERE id = $1 AND state = 'refund_pending'",
    )
    .bind(refund.payment.to_string())
    .bind(refund.money.amount)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if counted.rows_affected() != 1 {
        return Err(StoreError::unexpected(
            "database",
            format!("{} belongs to a payment that owes nothing", refund.id),
        ));
    }
    let moved = MoneyMove {
        purchase: refund.order,
        payment: refund.payment,
        refund: Some(refund.id.clone()),
        kind: MoveKind::Refunded,
        money: refund.money,
        cause: refund.reason.clone(),
    };
    money_moves::append(database, tx, &[moved], now).await
}

#[cfg(test)]
mod tests {
    use sale::{
        Currency, Money, OrderId,
        ids::{PaymentId, charge_key},
    };

    use super::*;
    use crate::charge::ChargeRef;

    fn refund(refusals: u32, silences: u32) -> RefundRow {
        let at = Timestamp::from_millis(1);
        let order = OrderId::derive(at, &[]);
        RefundRow {
            id: "refund:x:1".to_owned(),
            payment: PaymentId::of(order, 1),
            order,
            charge: ChargeRef { key: charge_key(order, 1), provider_id: "ch".to_owned() },
            money: Money { amount: 1, currency: Currency::parse("KRW").unwrap() },
            reason: "late_payment".to_owned(),
            refusals,
            silences,
        }
    }

    fn progress(progress: RefundProgress) -> RefundAnswer {
        RefundAnswer::Progress { provider_ref: None, progress }
    }

    #[test]
    fn refusals_lead_to_review_and_silence_never_does() {
        let refused = || progress(RefundProgress::Refused { reason: "no".to_owned() });
        let retry = |refusals, silences, after_ms| Next::Retry { refusals, silences, after_ms };
        let rows = [
            (refund(0, 0), progress(RefundProgress::Done), Next::Done),
            (refund(29, 99), progress(RefundProgress::Done), Next::Done),
            (refund(3, 4), progress(RefundProgress::Pending), retry(3, 4, 10_000)),
            (refund(0, 7), refused(), retry(1, 7, 10_000)),
            (refund(28, 0), refused(), retry(29, 0, 10_000)),
            (refund(29, 0), refused(), Next::NeedsReview),
            (refund(29, 0), RefundAnswer::Silence, retry(29, 1, 10_000)),
            (refund(0, 1), RefundAnswer::Silence, retry(0, 2, 20_000)),
            (refund(0, 4), RefundAnswer::Silence, retry(0, 5, 160_000)),
            (refund(0, 5), RefundAnswer::Silence, retry(0, 6, 300_000)),
            (refund(0, u32::MAX), RefundAnswer::Silence, retry(0, u32::MAX, 300_000)),
        ];
        for (refund, answer, expected) in rows {
            assert_eq!(next(&refund, &answer), expected, "{refund:?} {answer:?}");
        }
    }
}
