//! Entering the checkout.

use sale::{Epoch, PassId, Timestamp, sale::Place};

use super::TicketStatus;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnterRequest {
    pub place: Place,
    pub ticket_epoch: Epoch,
    /// The pass that the ticket becomes.
    pub pass: PassId,
    /// When the pass ends unless it is used; until then it counts as active.
    pub expires_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnterOutcome {
    /// Entered now or before; the pass may be given out once its row is committed. `expires_at` is that of the first
    /// time.
    Admitted { expires_at: Timestamp },
    /// Waiting or late.
    NotCalled(TicketStatus),
    /// Consumed, left or expired.
    Gone(TicketStatus),
}
