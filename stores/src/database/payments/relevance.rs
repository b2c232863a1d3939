//! Whether a report about a charge counts for its attempt, and what is done with one that does not.

use sale::Timestamp;

use super::{
    super::{
        Database, Tx,
        cases::{self, CaseKind, NewCase},
        order_transitions::{OrderTransition, move_orders},
        sql::{Sql, sql},
    },
    PaymentRow,
};
use crate::{
    StoreError,
    charge::{Charge, ChargeState},
};

/// How a report about a charge relates to its attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relevance {
    /// It is about the committed charge and about our money.
    Counts,
    /// It is about another charge, which has captured nothing.
    Ignored,
    /// The committed charge is about another amount or currency.
    AmountDiffers,
    /// Another charge than the committed one has captured money.
    OtherCharge,
}

/// The outcome of a report that does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SetAside {
    /// It changes nothing.
    Ignored,
    /// A case is open, and the attempt is no longer polled.
    NeedsReview(CaseKind),
}

/// Only the charge whose id was committed counts for its attempt. At a provider that forgets keys, the key of an attempt may
/// have created others. Those are never confirmed, so if one has captured money, it needs review.
fn relevance(charge: &Charge, payment: &PaymentRow) -> Relevance {
    let is_committed = payment.provider_id.as_ref() == Some(&charge.provider_id);
    let is_whole = charge.state != ChargeState::Captured || charge.captured == payment.money.amount;
    match is_committed {
        true if charge.money == payment.money && is_whole => Relevance::Counts,
        true => Relevance::AmountDiffers,
        false if charge.captured > 0 => Relevance::OtherCharge,
        false => Relevance::Ignored,
    }
}

/// Sets a report aside that does not count for its locked attempt. Returns `None` when it counts.
///
/// If it needs review, a case is opened, and the attempt is no longer polled.
pub(super) async fn set_aside(
    database: &Database,
    tx: &mut Tx,
    (payment, charge): (&PaymentRow, &Charge),
    now: Timestamp,
) -> Result<Option<SetAside>, StoreError> {
    const SET_ASIDE: Sql = sql!("UPDATE payments SET due_at = NULL WHERE id = $1 AND state IN @open");
    let (kind, subject, transition) = match relevance(charge, payment) {
        Relevance::Counts => return Ok(None),
        Relevance::Ignored => return Ok(Some(SetAside::Ignored)),
        Relevance::AmountDiffers => (CaseKind::ChargeMismatch, payment.id.to_string(), OrderTransition::AMOUNT_DIFFERS),
        Relevance::OtherCharge => (CaseKind::OtherCharge, charge.provider_id.clone(), OrderTransition::OTHER_CHARGE),
    };
    sqlx::query(database.sql(SET_ASIDE)).bind(payment.id.to_string()).execute(&mut **tx).await?;
    let case = NewCase { kind, subject, order: payment.order, detail: String::new() };
    if cases::open(tx, &case, now).await? {
        move_orders(database, tx, &[payment.order], transition, now).await?;
    }
    Ok(Some(SetAside::NeedsReview(kind)))
}

#[cfg(test)]
mod tests {
    use sale::{Currency, Money, OrderId, PaymentState, testing::won};

    use super::*;
    use crate::testing;

    fn charge(provider_id: &str, money: Money, state: ChargeState, captured: i64) -> Charge {
        Charge {
            key: None,
            provider_id: provider_id.to_owned(),
            money,
            state,
            captured,
            refunded: 0,
            authorised_until: None,
            failure: None,
        }
    }

    fn attempt(provider_id: Option<&str>) -> PaymentRow {
        let order = OrderId::derive(Timestamp::from_millis(1), &[]);
        let provider_id = provider_id.map(str::to_owned);
        PaymentRow { money: won(5), provider_id, ..testing::attempt(order, PaymentState::Created) }
    }

    #[test]
    fn only_the_committed_charge_speaks_for_its_attempt() {
        use ChargeState as C;
        use Relevance as R;
        let dollars = Money { amount: 5, currency: Currency::parse("USD").unwrap() };
        let rows = [
            (Some("ours"), charge("ours", won(5), C::Authorised, 0), R::Counts),
            (Some("ours"), charge("ours", won(5), C::Captured, 5), R::Counts),
            (Some("ours"), charge("ours", won(5), C::Captured, 4), R::AmountDiffers),
            (Some("ours"), charge("ours", won(4), C::Created, 0), R::AmountDiffers),
            (Some("ours"), charge("ours", dollars, C::Authorised, 0), R::AmountDiffers),
            (Some("ours"), charge("other", won(5), C::Created, 0), R::Ignored),
            (Some("ours"), charge("other", won(5), C::Authorised, 0), R::Ignored),
            (Some("ours"), charge("other", won(5), C::Voided, 0), R::Ignored),
            (Some("ours"), charge("other", won(5), C::Captured, 5), R::OtherCharge),
            (Some("ours"), charge("other", dollars, C::Captured, 4), R::OtherCharge),
            (None, charge("other", won(5), C::Authorised, 0), R::Ignored),
            (None, charge("other", won(5), C::Captured, 5), R::OtherCharge),
        ];
        for (committed, charge, expected) in rows {
            assert_eq!(relevance(&charge, &attempt(committed)), expected, "{committed:?} {charge:?}");
        }
    }
}
