//! A charge of the ledger, and the moves that it can make.

use sale::{Money, Timestamp};

use super::{
    super::{Charge, ChargeState},
    bank::Bank,
};

/// How long an authorised charge can be captured: a week.
const AUTHORISED_FOR_MS: i64 = 7 * 24 * 3_600_000;

/// What the `state` column says. `Authorised` and `Declined` count from `answers_at` on; the others at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Created,
    Authorised,
    Declined,
    Captured,
    Voided,
}

impl Standing {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Authorised => "authorised",
            Self::Declined => "declined",
            Self::Captured => "captured",
            Self::Voided => "voided",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Created, Self::Authorised, Self::Declined, Self::Captured, Self::Voided]
            .into_iter()
            .find(|standing| standing.as_str() == text)
    }
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) method: String,
    pub(super) money: Money,
    pub(super) standing: Standing,
    /// Declined for good.
    pub(super) last: bool,
    /// When the buyer's bank answers; `None` when it never does.
    pub(super) answers_at: Option<Timestamp>,
    /// Minor units.
    pub(super) refunded: i64,
}

impl Entry {
    /// What has become of it by `now`.
    pub(super) fn state_at(&self, now: Timestamp) -> ChargeState {
        let answered = self.answers_at.is_some_and(|at| at <= now);
        match self.standing {
            Standing::Created => ChargeState::Created,
            Standing::Captured => ChargeState::Captured,
            Standing::Voided => ChargeState::Voided,
            Standing::Declined if answered => ChargeState::Declined { last: self.last },
            Standing::Authorised if answered => ChargeState::Authorised,
            Standing::Declined | Standing::Authorised => ChargeState::Pending,
        }
    }

    /// The bank has the charge from now on, and answers then.
    pub(super) fn confirm(&mut self, bank: Bank, answers_at: Option<Timestamp>) {
        (self.standing, self.last) = match bank {
            Bank::Authorises | Bank::LosesTheAnswer | Bank::IsSlow | Bank::Leaves => (Standing::Authorised, false),
            Bank::Declines { last } => (Standing::Declined, last),
        };
        self.answers_at = answers_at;
    }

    /// Takes the money of a charge that is authorised by `now`; says whether it did.
    pub(super) fn capture(&mut self, now: Timestamp) -> bool {
        let can = self.state_at(now) == ChargeState::Authorised;
        if can {
            self.standing = Standing::Captured;
        }
        can
    }

    /// Ends a charge that nothing was taken of; says whether it did.
    pub(super) fn void(&mut self, now: Timestamp) -> bool {
        let can = matches!(self.state_at(now), ChargeState::Created | ChargeState::Pending | ChargeState::Authorised);
        if can {
            self.standing = Standing::Voided;
        }
        can
    }

    pub(super) fn captured(&self) -> i64 {
        if self.standing == Standing::Captured { self.money.amount } else { 0 }
    }

    pub(super) fn charge(&self, now: Timestamp) -> Charge {
        let state = self.state_at(now);
        let is_authorised = state == ChargeState::Authorised;
        let is_declined = matches!(state, ChargeState::Declined { .. });
        Charge {
            key: Some(self.key.clone()),
            provider_id: self.id.clone(),
            money: self.money,
            state,
            captured: self.captured(),
            refunded: self.refunded,
            authorised_until: self.answers_at.filter(|_| is_authorised).map(|at| at.plus_millis(AUTHORISED_FOR_MS)),
            failure: is_declined.then(|| "declined by the bank".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sale::Currency;

    use super::*;

    fn entry(standing: Standing, answers_at: Option<i64>) -> Entry {
        Entry {
            id: "ch".to_owned(),
            key: "key".to_owned(),
            method: "sandbox_ok".to_owned(),
            money: Money { amount: 1_000, currency: Currency::parse("KRW").unwrap() },
            standing,
            last: true,
            answers_at: answers_at.map(Timestamp::from_millis),
            refunded: 0,
        }
    }

    #[test]
    fn a_charge_is_what_its_row_and_the_time_say() {
        use ChargeState as C;
        let declined = C::Declined { last: true };
        // Standing, when the bank answers, now; what it is then, and whether it can be captured and voided.
        let rows = [
            (Standing::Created, None, 0, C::Created, false, true),
            (Standing::Authorised, Some(10), 9, C::Pending, false, true),
            (Standing::Authorised, Some(10), 10, C::Authorised, true, true),
            (Standing::Authorised, None, i64::MAX, C::Pending, false, true),
            (Standing::Declined, Some(10), 9, C::Pending, false, true),
            (Standing::Declined, Some(10), 10, declined, false, false),
            (Standing::Captured, Some(10), 0, C::Captured, false, false),
            (Standing::Voided, None, 0, C::Voided, false, false),
        ];
        for (standing, answers_at, now, expected, captures, voids) in rows {
            let (entry, now) = (entry(standing, answers_at), Timestamp::from_millis(now));
            assert_eq!(entry.state_at(now), expected, "{standing:?} at {now:?}");
            assert_eq!(entry.clone().capture(now), captures, "{standing:?} at {now:?}");
            assert_eq!(entry.clone().void(now), voids, "{standing:?} at {now:?}");
        }
    }

    #[test]
    fn every_standing_has_its_word() {
        for word in ["created", "authorised", "declined", "captured", "voided"] {
            assert_eq!(Standing::parse(word).map(Standing::as_str), Some(word));
        }
        assert_eq!(Standing::parse("refunded"), None);
    }
}
