//! The colour of a state. The words beside it say the same, so no state is told by its colour alone.

use sale::{OrderState, SaleState};

/// A state with a class of the stylesheet: `good`, `accent`, `warning`, `trouble` or `quiet`.
pub(crate) trait Tone {
    fn tone(&self) -> &'static str;
}

impl Tone for SaleState {
    fn tone(&self) -> &'static str {
        match self {
            Self::Open => "good",
            Self::Paused | Self::Draining => "warning",
            Self::Scheduled | Self::Lobby => "accent",
            Self::SoldOut | Self::Closed => "quiet",
        }
    }
}

impl Tone for OrderState {
    fn tone(&self) -> &'static str {
        match self {
            Self::Paid | Self::Preparing | Self::Shipped | Self::Delivered | Self::Confirmed => "good",
            Self::PendingPayment | Self::PaymentProcessing => "accent",
            Self::PaymentUnknown | Self::NeedsReview | Self::RefundPending => "warning",
            Self::PaymentFailed => "trouble",
            Self::Expired | Self::Cancelled | Self::Refunded => "quiet",
        }
    }
}
