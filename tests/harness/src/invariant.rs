//! What must always hold, as ARCHITECTURE.md numbers it, as far as it can be seen from outside.

use std::fmt;

/// One of the invariants; the last one is no number of the list but what every visitor may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Sold and held are never more than the stock.
    I1,
    /// Free, held and sold are the stock.
    I2,
    /// A paid order has its units.
    I3,
    /// One release per hold, none for a paid one.
    I4,
    /// At most one captured charge per order.
    I5,
    /// A ticket never loses its number.
    I6,
    /// Called in order.
    I7,
    /// Never above the rate.
    I8,
    /// Called and active are within the cap.
    I9,
    /// A pass works once, for one order.
    I10,
    /// The limit per buyer.
    I11,
    /// Bounded, and overload answers fast.
    I12,
    /// Normal again after a fault, without hands.
    I13,
    /// The page never lies.
    I15,
    /// Every step gets an answer that the walk knows.
    Walk,
}

impl Invariant {
    /// It as a short sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::I1 => "sold + held never above the stock",
            Self::I2 => "free + held + sold is the stock",
            Self::I3 => "a paid order has its units",
            Self::I4 => "one release per hold, none for a paid one",
            Self::I5 => "at most one captured charge per order",
            Self::I6 => "a ticket never loses its number, and nobody has another's",
            Self::I7 => "called in order",
            Self::I8 => "never above rate × window + burst",
            Self::I9 => "called + active within the cap",
            Self::I10 => "one pass per ticket, one order per pass",
            Self::I11 => "the limit per buyer",
            Self::I12 => "bounded, and no fault inside a process",
            Self::I13 => "normal again without hands",
            Self::I15 => "a place never rises, a frame is the same everywhere",
            Self::Walk => "every step gets an answer of its list",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Something that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What it breaks.
    pub invariant: Invariant,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}
