//! How many buyers may be called now: `min(rate, cap, units, waiting)`, and which of them limits it.

/// The inputs of the decision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inputs {
    /// Whether the sale is open, not paused, and in no trouble.
    pub open: bool,
    /// Calls that the bucket of the rate allows.
    pub rate: u64,
    pub waiting: u64,
    /// Called and not entered yet.
    pub called: u64,
    /// In the checkout.
    pub active: u64,
    /// The seller's cap of called and active buyers.
    pub max_active: u64,
    /// Active buyers without units on hold.
    pub without_hold: u64,
    pub free_units: u64,
    /// Units that an order takes on average.
    pub units_per_order: f64,
    /// Share of calls beyond the free units, 0 to 10.
    pub overcall: f64,
}

/// The limit that prevents more calls.
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

/// How many to call, and what limits it.
pub fn calls(inputs: &Inputs) -> (u64, Limit) {
    if !inputs.open {
        return (0, Limit::NotOpen);
    }
    let cap = inputs.max_active.saturating_sub(inputs.called.saturating_add(inputs.active));
    let limits =
        [(inputs.waiting, Limit::Nobody), (cap, Limit::Cap), (units(inputs), Limit::Units), (inputs.rate, Limit::Rate)];
    limits.into_iter().min_by_key(|(calls, _)| *calls).unwrap_or((0, Limit::Nobody))
}

/// Calls that the free units allow, less the buyers who are called or active without units. At least one while a unit
/// is free and there are no such buyers.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts far below 2^52, floored on purpose"
)]
fn units(inputs: &Inputs) -> u64 {
    let without_units = inputs.called.saturating_add(inputs.without_hold);
    if inputs.free_units == 0 {
        return 0;
    }
    let allowed = inputs.free_units as f64 * (1.0 + inputs.overcall) / inputs.units_per_order.max(1.0);
    let least = u64::from(without_units == 0);
    (allowed as u64).saturating_sub(without_units).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUTS: Inputs = Inputs {
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
    fn the_smallest_limit_decides() {
        for (inputs, expected, limit) in [
            (Inputs { rate: 7, ..INPUTS }, 7, Limit::Rate),
            (Inputs { waiting: 3, ..INPUTS }, 3, Limit::Nobody),
            (Inputs { max_active: 10, called: 4, active: 4, ..INPUTS }, 2, Limit::Cap),
            (Inputs { max_active: 10, called: 14, ..INPUTS }, 0, Limit::Cap),
            (Inputs { free_units: 10, called: 4, without_hold: 4, active: 9, ..INPUTS }, 2, Limit::Units),
            (Inputs { free_units: 10, overcall: 0.5, ..INPUTS }, 15, Limit::Units),
            (Inputs { free_units: 10, units_per_order: 2.0, ..INPUTS }, 5, Limit::Units),
            (Inputs { open: false, ..INPUTS }, 0, Limit::NotOpen),
        ] {
            assert_eq!(calls(&inputs), (expected, limit), "{inputs:?}");
        }
    }

    #[test]
    fn nobody_is_called_without_free_units_and_the_last_unit_always_calls_one() {
        let empty = Inputs { free_units: 0, overcall: 10.0, ..INPUTS };
        assert_eq!(calls(&empty), (0, Limit::Units));
        let last = Inputs { free_units: 1, units_per_order: 4.0, ..INPUTS };
        assert_eq!(calls(&last), (1, Limit::Units));
        assert_eq!(calls(&Inputs { called: 1, ..last }), (0, Limit::Units));
    }
}
