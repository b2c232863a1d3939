//! The model's values: drawn anew for every mold, so that no page says them by chance and no name can be chosen to
//! contain them.

use rand::RngExt as _;
use sale::Timestamp;

/// For nonces, keys and ids.
pub(crate) fn name() -> String {
    format!("model{:032x}", rand::rng().random::<u128>())
}

/// Neither one nor few, in any unit.
pub(crate) fn number() -> u64 {
    rand::rng().random_range(1 << 60..1 << 62)
}

/// Centuries before any opening, so that a countdown to it is long, in a year of four digits.
pub(crate) fn moment() -> Timestamp {
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    Timestamp::from_millis(rand::rng().random_range(-800 * YEAR_MS..-200 * YEAR_MS))
}
