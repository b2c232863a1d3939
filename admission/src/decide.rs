//! How many may be called now: `min(rate, cap, units, waiting)`, and what limits it.

/// What the leader sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observed {
    /// Open, not paused, in no trouble.
    pub open: bool,
    /// Calls that the bucket of the rate allows.
    pub rate: u64,
    pub waiting: u64,
    /// Called and on their way in.
    pub called: u64,
    /// Inside, the seller's cap, and those inside without units yet.
    pub active: u64,
    pub max_active: u64,
    pub without_hold: u64,
    pub free_units: u64,
    pub units_per_order: f64,
    /// Share of calls beyond the free units.
    pub overcall: f64,
}

/// What keeps more people from being called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Nobody,
    NotOpen,
    Rate,
    Cap,
    Units,
}

impl Limit {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody_waiting",
            Self::NotOpen => "not_open",
            Self::Rate => "rate",
            Self::Cap => "cap",
            Self::Units => "units",
        }
    }
}

/// The number to call, and what set it.
pub fn calls(seen: &Observed) -> (u64, Limit) {
    if !seen.open {
        return (0, Limit::NotOpen);
    }
    let cap = seen.max_active.saturating_sub(seen.called.saturating_add(seen.active));
    let limits =
        [(seen.waiting, Limit::Nobody), (cap, Limit::Cap), (units(seen), Limit::Units), (seen.rate, Limit::Rate)];
    limits.into_iter().min_by_key(|(calls, _)| *calls).unwrap_or((0, Limit::Nobody))
}

/// Calls that the free units back: those on their way to a unit count first. Always one while a unit is free and nobody
/// is on the way to it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts far below 2^52, floored on purpose"
)]
fn units(seen: &Observed) -> u64 {
    let on_the_way = seen.called.saturating_add(seen.without_hold);
    if seen.free_units == 0 {
        return 0;
    }
    let backed = seen.free_units as f64 * (1.0 + seen.overcall) / seen.units_per_order.max(1.0);
    let least = u64::from(on_the_way == 0);
    (backed as u64).saturating_sub(on_the_way).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Observed = Observed {
        open: true,
        rate: 100,
        waiting: 100,
        called: 0,
        active: 0,
        max_active: 100,
        without_hold: 0,
        free_units: 100,
        units_per_order: 1.0,
        overcall: 0.0,
    };

    #[test]
    fn the_smallest_limit_counts() {
        for (seen, calls_now, limit) in [
            (Observed { rate: 7, ..SEEN }, 7, Limit::Rate),
            (Observed { waiting: 3, ..SEEN }, 3, Limit::Nobody),
            (Observed { max_active: 10, called: 4, active: 4, ..SEEN }, 2, Limit::Cap),
            (Observed { max_active: 10, called: 14, ..SEEN }, 0, Limit::Cap),
            (Observed { free_units: 10, called: 4, without_hold: 4, active: 9, ..SEEN }, 2, Limit::Units),
            (Observed { free_units: 10, overcall: 0.5, ..SEEN }, 15, Limit::Units),
            (Observed { free_units: 10, units_per_order: 2.0, ..SEEN }, 5, Limit::Units),
            (Observed { open: false, ..SEEN }, 0, Limit::NotOpen),
        ] {
            assert_eq!(calls(&seen), (calls_now, limit), "{seen:?}");
        }
    }

    #[test]
    fn nobody_is_called_to_an_empty_shop_and_a_last_unit_always_calls_one() {
        let empty = Observed { free_units: 0, overcall: 10.0, ..SEEN };
        assert_eq!(calls(&empty), (0, Limit::Units));
        let last = Observed { free_units: 1, units_per_order: 4.0, ..SEEN };
        assert_eq!(calls(&last), (1, Limit::Units));
        assert_eq!(calls(&Observed { called: 1, ..last }), (0, Limit::Units));
    }
}
