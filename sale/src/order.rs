//! Orders, holds and payment attempts: their states and the transitions between them.
//!
//! The database makes every transition a guarded update that names the state it leaves: of two that race exactly one
//! wins, and a repeated one changes nothing.

use serde::{Deserialize, Serialize};

/// An enum of states with their names in the API and the database.
macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:tt,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Whether an order has its units, or how it lost them. `reserved → sold`; a reserved order may also expire, be
    /// cancelled or fail, and is sold after all when its money comes late and units are left.
    ReservationState {
        Reserved = "reserved",
        Sold = "sold",
        /// Not paid by the deadline; the units were released.
        Expired = "expired",
        /// Cancelled by the buyer; the units were released.
        Cancelled = "cancelled",
        /// The payment was declined; the units were released.
        PaymentFailed = "payment_failed",
    }
}

states! {
    /// The state of an order's money, over all attempts and refunds.
    FinancialState {
        /// Nothing was charged, and no payment is in progress.
        None = "none",
        Processing = "processing",
        /// The outcome of the payment is unknown; the units stay on hold.
        Unknown = "unknown",
        Captured = "captured",
        RefundPending = "refund_pending",
        Refunded = "refunded",
        /// A person must look at it.
        NeedsReview = "needs_review",
    }
}

states! {
    /// The progress of a sold order's delivery. Its seller advances it; the buyer confirms.
    Fulfilment {
        None = "none",
        Preparing = "preparing",
        Shipped = "shipped",
        Delivered = "delivered",
        Confirmed = "confirmed",
    }
}

states! {
    /// Who caused a transition of an order.
    Actor {
        Buyer = "buyer",
        Seller = "seller",
        Provider = "provider",
        System = "system",
    }
}

states! {
    /// The state of an order in the API: reservation, money and fulfilment in one word.
    OrderState {
        PendingPayment = "pending_payment",
        PaymentProcessing = "payment_processing",
        /// The outcome of the payment is unknown; the units stay on hold.
        PaymentUnknown = "payment_unknown",
        Paid = "paid",
        Preparing = "preparing",
        Shipped = "shipped",
        Delivered = "delivered",
        Confirmed = "confirmed",
        /// The payment was declined; the units were released.
        PaymentFailed = "payment_failed",
        /// Not paid by the deadline; the units were released.
        Expired = "expired",
        /// Cancelled by the buyer; the units were released.
        Cancelled = "cancelled",
        /// Money was captured without a unit, or has to be refunded; the refund is in progress.
        RefundPending = "refund_pending",
        Refunded = "refunded",
        /// A person must look at it.
        NeedsReview = "needs_review",
    }
}

states! {
    /// What a line of an order is for.
    LineKind {
        Item = "item",
        Shipping = "shipping",
        Discount = "discount",
    }
}

states! {
    /// The state of units on hold for an order. `held → paying → committed → returned`; a live hold may also be
    /// released or expire.
    HoldState {
        Held = "held",
        /// A payment was requested.
        Paying = "paying",
        /// Sold.
        Committed = "committed",
        /// The units were released before they were sold: cancelled, declined, or never placed.
        Released = "released",
        /// The units were released at the deadline.
        Expired = "expired",
        /// Sold units that the buyer sent back.
        Returned = "returned",
    }
}

states! {
    /// The state of one attempt to pay.
    PaymentState {
        /// Recorded; the provider may not know it yet.
        Created = "created",
        Authorised = "authorised",
        Captured = "captured",
        Declined = "declined",
        Failed = "failed",
        Voided = "voided",
        /// The provider did not answer, or not clearly; it is queried again.
        Unknown = "unknown",
        RefundPending = "refund_pending",
        Refunded = "refunded",
    }
}

states! {
    /// Whether an authorised payment is to be captured or voided. Set once, before the provider is called, so that the
    /// two never race.
    Intent {
        Capture = "capture",
        Void = "void",
    }
}

states! {
    /// Why a payment is voided.
    VoidFor {
        /// The hold expired before the provider had answered.
        Deadline = "deadline",
        /// The buyer cancelled.
        Cancel = "cancel",
    }
}

states! {
    /// The state of a refund.
    RefundState {
        Pending = "pending",
        Done = "done",
        /// The provider refused too often; a person must look at it.
        NeedsReview = "needs_review",
    }
}

states! {
    /// Why a refund is owed without a request.
    RefundReason {
        /// The money came after the units had been released, and no others were free.
        LatePayment = "late_payment",
        /// The purchase was paid already.
        SecondCharge = "second_charge",
    }
}

impl HoldState {
    /// The states in which units are on hold and not sold.
    pub const LIVE: &'static [Self] = &[Self::Held, Self::Paying];

    /// Whether the units are on hold and not sold.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Held | Self::Paying)
    }
}

impl PaymentState {
    /// Whether the outcome is not known yet.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Created | Self::Authorised | Self::Unknown)
    }
}

impl OrderState {
    /// The state in one word. A refund in progress and a case for a person come before everything else.
    pub const fn of(reservation: ReservationState, financial: FinancialState, fulfilment: Fulfilment) -> Self {
        use FinancialState as F;
        use ReservationState as R;
        match (reservation, financial) {
            (_, F::NeedsReview) => Self::NeedsReview,
            (_, F::RefundPending) => Self::RefundPending,
            (_, F::Refunded) => Self::Refunded,
            (R::Reserved, F::None) => Self::PendingPayment,
            (R::Reserved, F::Processing | F::Captured) => Self::PaymentProcessing,
            (R::Reserved, F::Unknown) => Self::PaymentUnknown,
            (R::Expired, _) => Self::Expired,
            (R::Cancelled, _) => Self::Cancelled,
            (R::PaymentFailed, _) => Self::PaymentFailed,
            (R::Sold, _) => match fulfilment {
                Fulfilment::None => Self::Paid,
                Fulfilment::Preparing => Self::Preparing,
                Fulfilment::Shipped => Self::Shipped,
                Fulfilment::Delivered => Self::Delivered,
                Fulfilment::Confirmed => Self::Confirmed,
            },
        }
    }

    /// Whether the order's units are on hold.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::PendingPayment | Self::PaymentProcessing | Self::PaymentUnknown)
    }

    /// Whether the units are sold and the money is kept.
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Paid | Self::Preparing | Self::Shipped | Self::Delivered | Self::Confirmed)
    }

    /// Whether the buyer counts as active in the checkout. An order with an unknown payment does not, so that it keeps
    /// nobody else out.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::PendingPayment | Self::PaymentProcessing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_one_state() {
        use FinancialState as F;
        use Fulfilment as G;
        use OrderState as O;
        use ReservationState as R;
        let rows = [
            (R::Reserved, F::None, G::None, O::PendingPayment),
            (R::Reserved, F::Processing, G::None, O::PaymentProcessing),
            (R::Reserved, F::Unknown, G::None, O::PaymentUnknown),
            (R::Reserved, F::NeedsReview, G::None, O::NeedsReview),
            (R::Sold, F::Captured, G::None, O::Paid),
            (R::Sold, F::Captured, G::Preparing, O::Preparing),
            (R::Sold, F::Captured, G::Shipped, O::Shipped),
            (R::Sold, F::Captured, G::Delivered, O::Delivered),
            (R::Sold, F::Captured, G::Confirmed, O::Confirmed),
            (R::Sold, F::RefundPending, G::Shipped, O::RefundPending),
            (R::Sold, F::Refunded, G::Delivered, O::Refunded),
            (R::Expired, F::None, G::None, O::Expired),
            (R::Expired, F::RefundPending, G::None, O::RefundPending),
            (R::Cancelled, F::None, G::None, O::Cancelled),
            (R::Cancelled, F::Refunded, G::None, O::Refunded),
            (R::PaymentFailed, F::None, G::None, O::PaymentFailed),
            (R::PaymentFailed, F::NeedsReview, G::None, O::NeedsReview),
        ];
        for (reservation, financial, fulfilment, word) in rows {
            let of = OrderState::of(reservation, financial, fulfilment);
            assert_eq!(of, word, "{reservation:?} {financial:?} {fulfilment:?}");
        }
    }

    #[test]
    fn an_order_is_live_while_it_is_reserved() {
        for reservation in ReservationState::ALL {
            for financial in [FinancialState::None, FinancialState::Processing, FinancialState::Unknown] {
                let is_live = OrderState::of(*reservation, financial, Fulfilment::None).is_live();
                assert_eq!(is_live, *reservation == ReservationState::Reserved, "{reservation:?} {financial:?}");
            }
        }
    }
}
