//! Joining the queue.

use sale::{BuyerId, Epoch, Timestamp};

use super::TicketStatus;

/// The request of a buyer to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRequest {
    pub buyer: BuyerId,
    /// The ticket that the buyer already carries; it is requeued at its own number when the store has lost it.
    pub ticket: Option<TicketClaims>,
}

/// The claims of a verified ticket that the store decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketClaims {
    pub number: u64,
    /// The epoch in which the number was given. A place that is missing from the store is requeued only when this epoch
    /// is earlier than the store's; otherwise the buyer has left it.
    pub epoch: Epoch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// A new number, with the time of joining that is recorded for it; later joins return the same time.
    New { number: u64, joined_at: Timestamp },
    /// The place that the buyer had. `joined_at` is `None` when the epoch that recorded it is lost.
    Existing { number: u64, joined_at: Option<Timestamp>, status: TicketStatus },
    /// The next number lies above `allocated_up_to`; allocate more in the database first.
    AllocationReached,
}
