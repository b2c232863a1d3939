//! The rank of a ticket: its position in the order in which a sale calls.
//!
//! The number of a ticket is its identity: it is given once, in the order of arrival, and never changes. Wherever the
//! program needs a position instead, it is the rank, and [`Kind::rank`] alone computes it.

use crate::sale::Kind;

/// A position in the order of calls, from 1. The lowest ranks that wait are called first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u64);

impl Rank {
    /// The position as a number, from 1.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl Kind {
    /// The rank of the ticket with this number; `None` while, or because, tickets of this kind are in no order.
    ///
    /// A pure function of the kind with its terms: two processes always agree. The seed of a draw will be one of the
    /// terms of its kind, so until it is revealed there is no rank.
    pub const fn rank(self, number: u64) -> Option<Rank> {
        match self {
            Self::OpenRun => Some(Rank(number)),
            // Draws and raffles are refused by the API so far; a regular product is ordered without a queue.
            Self::Draw { .. } | Self::Raffle { .. } | Self::Regular => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn an_open_run_calls_in_the_order_of_arrival() {
        assert!(Kind::OpenRun.rank(1) < Kind::OpenRun.rank(2));
        assert_eq!(Kind::OpenRun.rank(7).map(Rank::get), Some(7));
    }

    #[test]
    fn nobody_has_a_rank_where_no_order_is_known() {
        let at = Timestamp::default();
        let raffle = Kind::Raffle { entries_open_at: at, entries_close_at: at, purchase_window_seconds: 60 };
        for kind in [Kind::Draw { lobby_opens_at: at }, raffle, Kind::Regular] {
            assert_eq!(kind.rank(1), None, "{kind:?}");
        }
    }
}
