//! How buyers behave.

/// How a buyer behaves the first time; afterwards everybody who lost wants the thing badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Steady,
    /// Goes away while waiting.
    Leaves,
    /// Misses the first call.
    ComesLate,
    /// Misses both.
    NeverComes,
    /// Asks for the pass again at another process, and for another order with it.
    AsksTwice,
    /// Cancels the order instead of paying.
    Cancels,
    /// Comes back for a second unit after the first.
    Greedy,
}

/// Who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BehaviourMix {
    /// All behaviours, those who leave, miss their calls or want more among them.
    Mixed,
    /// People who want one unit and do as they are told.
    Steady,
}

impl Behaviour {
    /// That of the `nth` buyer of a mixed load.
    pub(crate) const fn of(nth: usize) -> Self {
        match nth % 40 {
            3 | 17 => Self::Leaves,
            7 => Self::ComesLate,
            11 => Self::NeverComes,
            13 | 29 => Self::AsksTwice,
            19 => Self::Cancels,
            23 => Self::Greedy,
            _ => Self::Steady,
        }
    }
}
