//! The status of a ticket in the store.

use sale::{HoldId, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketStatus {
    /// In the queue. The frame says how many may be ahead; a number that an earlier epoch called is at the front.
    Waiting,
    /// May enter until then.
    Called { until: Timestamp },
    /// Missed the first call and returned: in the queue at the front.
    Late,
    /// Entered; the pass is in the database.
    Admitted,
    /// The pass was used for this hold.
    Consumed { hold: HoldId },
    /// Gave the place up.
    Left,
    /// Missed both calls.
    Expired,
}
