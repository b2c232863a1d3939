//! The values with which a template is compiled: random, so that no page contains them by chance and nobody can choose a
//! name that contains them.

use rand::RngExt as _;
use sale::Timestamp;

/// For nonces, keys and ids.
pub(crate) fn name() -> String {
    format!("model{:032x}", rand::rng().random::<u128>())
}

/// Large, so that sentences with it have the plural, in any unit of time.
pub(crate) fn number() -> u64 {
    rand::rng().random_range(1 << 60..1 << 62)
}

/// Centuries before any opening, so that a countdown to it is long, in a year of four digits.
pub(crate) fn time() -> Timestamp {
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    Timestamp::from_millis(rand::rng().random_range(-800 * YEAR_MS..-200 * YEAR_MS))
}
