//! How the banks behind the sandbox's methods behave.

use parking_lot::Mutex;
use sale::{Timestamp, ids::parse_charge_key};
use sha2::{Digest as _, Sha256};

use super::settings::SandboxSettings;

/// The slow bank's time, longer than a worker waits for one call.
const SLOW_MS: i64 = 3_000;

/// How the bank behind a charge behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bank {
    Authorises,
    Declines { last: bool },
    Leaves,
    LosesTheAnswer,
    IsSlow,
}

pub(super) const METHODS: &[&str] = &[
    "sandbox_ok",
    "sandbox_declined",
    "sandbox_declined_once",
    "sandbox_leave",
    "sandbox_timeout",
    "sandbox_slow",
    "sandbox_random",
];

impl Bank {
    /// The bank of a charge. `None` for a method that is none of the sandbox's.
    pub(super) fn of(method: &str, key: &str, settings: &SandboxSettings) -> Option<Self> {
        Some(match method {
            "sandbox_ok" => Self::Authorises,
            "sandbox_declined" => Self::Declines { last: true },
            "sandbox_declined_once" if parse_charge_key(key).is_some_and(|(_, attempt)| attempt > 1) => {
                Self::Authorises
            }
            "sandbox_declined_once" => Self::Declines { last: false },
            "sandbox_leave" => Self::Leaves,
            "sandbox_timeout" => Self::LosesTheAnswer,
            "sandbox_slow" => Self::IsSlow,
            "sandbox_random" => Self::by_lot(lot(settings.seed, key), settings),
            _ => return None,
        })
    }

    fn by_lot(lot: f64, settings: &SandboxSettings) -> Self {
        let declined = settings.decline_share;
        let left = declined + settings.leave_share;
        let lost = left + settings.timeout_share;
        if lot < declined {
            Self::Declines { last: true }
        } else if lot < left {
            Self::Leaves
        } else if lot < lost {
            Self::LosesTheAnswer
        } else {
            Self::Authorises
        }
    }

    /// After how long the bank answers; never when it does not.
    pub(super) const fn answers_after_ms(self, latency_ms: i64) -> Option<i64> {
        match self {
            Self::Authorises | Self::Declines { .. } | Self::LosesTheAnswer => Some(latency_ms),
            Self::Leaves => None,
            Self::IsSlow => Some(SLOW_MS),
        }
    }
}

/// When each of the bank's clerks is free again; empty when there is one for everybody.
pub(super) struct Clerks(Mutex<Vec<Timestamp>>);

impl Clerks {
    pub(super) fn new(at_once: u32) -> Self {
        Self(Mutex::new((0..at_once).map(|_| Timestamp::default()).collect()))
    }

    /// When a charge that comes now is answered, if it takes so long: once the first of the clerks is free.
    pub(super) fn answer_at(&self, takes_ms: i64, now: Timestamp) -> Timestamp {
        let mut clerks = self.0.lock();
        let Some(first) = clerks.iter_mut().min() else { return now.plus_millis(takes_ms) };
        *first = (*first).max(now).plus_millis(takes_ms);
        *first
    }
}

/// A number from 0 to 1 that the seed and the key decide.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
fn lot(seed: u64, key: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(key.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.finalize()[..8]);
    (u64::from_be_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use sale::{OrderId, Timestamp};

    use super::*;

    #[test]
    fn the_shares_decide_repeatably() {
        let settings =
            SandboxSettings { decline_share: 0.3, leave_share: 0.1, timeout_share: 0.1, ..SandboxSettings::default() };
        let draw = |n: u32| Bank::of("sandbox_random", &format!("pay:x:{n}"), &settings);
        let count = |bank| (0..10_000).filter(|n| draw(*n) == Some(bank)).count();
        assert!((2_800..3_200).contains(&count(Bank::Declines { last: true })));
        assert!((850..1_150).contains(&count(Bank::Leaves)));
        assert!((850..1_150).contains(&count(Bank::LosesTheAnswer)));
        assert_eq!(draw(7), draw(7));
        assert_eq!(Bank::of("cash", "k", &settings), None);
    }

    #[test]
    fn declined_once_declines_the_first_attempt() {
        let key = |attempt: u32| sale::ids::charge_key(OrderId::derive(Timestamp::from_millis(1), &[]), attempt);
        let bank = |attempt| Bank::of("sandbox_declined_once", &key(attempt), &SandboxSettings::default());
        assert_eq!(bank(1), Some(Bank::Declines { last: false }));
        assert_eq!(bank(2), Some(Bank::Authorises));
    }
}
