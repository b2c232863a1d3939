//! What is to be done about an attempt to pay, and when: a pure function of its row.

use sale::{Timestamp, order::Intent};
use stores::{database::payments::PaymentRow, payments::ChargeRef};

/// The first and the longest wait before an open attempt is asked about again.
const FIRST_POLL_MS: i64 = 500;
const LONGEST_POLL_MS: i64 = 30_000;

/// What is to be done about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It ended, or takes no money before a person has looked.
    Nothing,
    /// No charge of it was ever confirmed: the first call.
    Create,
    /// No charge of it was ever confirmed, and none will be: it ends without a call.
    GiveUp,
    /// It may have been confirmed, and nobody knows what became of it.
    Query(ChargeRef),
    Capture(ChargeRef),
    Void(ChargeRef),
}

pub(super) fn next_step(payment: &PaymentRow) -> Step {
    if !payment.state.is_open() {
        return Step::Nothing;
    }
    match (payment.charge(), payment.intent) {
        (None, Some(Intent::Void)) => Step::GiveUp,
        (Some(charge), Some(Intent::Void)) => Step::Void(charge),
        _ if payment.needs_review => Step::Nothing,
        (None, _) => Step::Create,
        (Some(charge), None) => Step::Query(charge),
        (Some(charge), Some(Intent::Capture)) => Step::Capture(charge),
    }
}

/// When to ask again: twice as long each time.
pub(super) fn next_poll(asked: u32, now: Timestamp) -> Timestamp {
    let wait = FIRST_POLL_MS.saturating_mul(1_i64.checked_shl(asked.min(16)).unwrap_or(i64::MAX));
    now.plus_millis(wait.min(LONGEST_POLL_MS))
}

#[cfg(test)]
mod tests {
    use sale::{OrderId, PaymentState, ids::charge_key};
    use stores::testing;

    use super::*;

    #[test]
    fn each_state_has_one_next_step() {
        use Intent as I;
        use PaymentState as P;
        let now = Timestamp::from_millis(1);
        let order = OrderId::derive(now, &[]);
        let charge = || ChargeRef { key: charge_key(order, 1), provider_id: "ch".to_owned() };
        let rows = [
            (P::Created, None, false, Step::Create),
            (P::Unknown, None, false, Step::Create),
            (P::Created, Some(I::Void), false, Step::GiveUp),
            (P::Unknown, Some(I::Void), false, Step::GiveUp),
            (P::Created, None, true, Step::Query(charge())),
            (P::Unknown, None, true, Step::Query(charge())),
            (P::Authorised, None, true, Step::Query(charge())),
            (P::Authorised, Some(I::Capture), true, Step::Capture(charge())),
            (P::Authorised, Some(I::Void), true, Step::Void(charge())),
            (P::Unknown, Some(I::Void), true, Step::Void(charge())),
            (P::Captured, Some(I::Capture), true, Step::Nothing),
            (P::Captured, Some(I::Void), true, Step::Nothing),
            (P::Declined, None, true, Step::Nothing),
            (P::Voided, Some(I::Void), true, Step::Nothing),
            (P::RefundPending, None, true, Step::Nothing),
        ];
        for (state, intent, sent, expected) in rows {
            let provider_id = sent.then(|| "ch".to_owned());
            let payment = PaymentRow { intent, provider_id, ..testing::attempt(order, state) };
            assert_eq!(next_step(&payment), expected, "{payment:?}");
            let reviewed = if intent == Some(I::Void) { expected } else { Step::Nothing };
            let payment = PaymentRow { needs_review: true, ..payment };
            assert_eq!(next_step(&payment), reviewed, "no money is taken: {payment:?}");
        }
    }

    #[test]
    fn an_open_attempt_is_asked_about_less_and_less_often() {
        let now = Timestamp::from_millis(0);
        let waits: Vec<_> = (0..8).map(|asked| next_poll(asked, now).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(next_poll(u32::MAX, now).as_millis(), 30_000);
    }
}
