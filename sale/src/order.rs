//! Orders, holds and payment attempts: their states and the moves between them.
//!
//! The database carries out every move as a guarded update that names the state it leaves, so of two that race exactly
//! one wins and a repeated one changes nothing.

use serde::{Deserialize, Serialize};

/// An enum of states with their names in the API and the database.
macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:tt,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

pub(crate) use states;

states! {
    /// What the buyer sees of an order.
    OrderState {
        PendingPayment = "pending_payment",
        PaymentProcessing = "payment_processing",
        /// The provider has not told how the payment ended; the units stay held.
        PaymentUnknown = "payment_unknown",
        Paid = "paid",
        /// Declined for good; the units went back.
        PaymentFailed = "payment_failed",
        /// Not paid by the deadline; the units went back.
        Expired = "expired",
        /// The buyer let it go; the units went back.
        Cancelled = "cancelled",
        /// Money was taken without a unit, or is to go back; the refund is under way.
        RefundPending = "refund_pending",
        Refunded = "refunded",
        /// A person must look at it.
        NeedsReview = "needs_review",
    }
}

states! {
    /// Units set aside for an order.
    HoldState {
        Held = "held",
        /// A payment was asked for.
        Paying = "paying",
        /// Sold.
        Committed = "committed",
        Released = "released",
        Expired = "expired",
    }
}

states! {
    /// One attempt to pay.
    PaymentState {
        /// Written down; the provider may not know it yet.
        Created = "created",
        Authorised = "authorised",
        Captured = "captured",
        Declined = "declined",
        Failed = "failed",
        Voided = "voided",
        /// The provider did not answer, or not clearly: ask again.
        Unknown = "unknown",
        RefundPending = "refund_pending",
        Refunded = "refunded",
    }
}

states! {
    /// What is to become of an authorised payment. Set once, before the provider is told, so that capture and void
    /// never cross.
    Intent {
        Capture = "capture",
        Void = "void",
    }
}

states! {
    /// Why a payment is voided.
    VoidFor {
        /// The hold ran out before the provider had answered.
        Deadline = "deadline",
        /// The buyer cancelled.
        Cancel = "cancel",
    }
}

states! {
    /// Money on its way back.
    RefundState {
        Pending = "pending",
        Done = "done",
        /// The provider refused too often; a person must look at it.
        NeedsReview = "needs_review",
    }
}

states! {
    /// Why the rules owe money.
    RefundReason {
        /// It came after the units had gone back, and there were none to take again.
        LatePayment = "late_payment",
        /// The purchase was paid already.
        SecondCharge = "second_charge",
    }
}

impl HoldState {
    /// Whether the units are set aside and not sold.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Held | Self::Paying)
    }
}

impl PaymentState {
    /// Whether the provider still has to say how it ends.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Created | Self::Authorised | Self::Unknown)
    }
}

impl OrderState {
    /// Whether the units are still in this order's hands.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::PendingPayment | Self::PaymentProcessing | Self::PaymentUnknown)
    }

    /// Whether the buyer still counts as inside the checkout. An unknown payment does not keep others out.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::PendingPayment | Self::PaymentProcessing)
    }
}
