//! Charges and refunds as a provider describes them: types that the port of [`payments`](crate::payments) and the rows of
//! the [`database`](crate::database) share.

use sale::{Money, Timestamp};

/// A created charge by its two names: our key, and the provider's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeRef {
    pub key: String,
    pub provider_id: String,
}

/// The state of a charge at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// Registered and not confirmed: no money moves.
    Created,
    /// The buyer has to continue at this address.
    RequiresAction {
        url: String,
    },
    /// The buyer or the bank has not decided.
    Pending,
    Authorised,
    Captured,
    /// `last`: no other attempt can succeed.
    Declined {
        last: bool,
    },
    Voided,
}

/// A charge in the provider's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Our key; `None` on a charge that this program did not create.
    pub key: Option<String>,
    pub provider_id: String,
    pub money: Money,
    pub state: ChargeState,
    /// Captured, in minor units.
    pub captured: i64,
    /// Refunded, in minor units.
    pub refunded: i64,
    /// Until when an authorised charge can be captured.
    pub authorised_until: Option<Timestamp>,
    /// Why it was declined, in the provider's words.
    pub failure: Option<String>,
}

/// How far the provider is with a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundProgress {
    /// The provider has it and will carry it out.
    Pending,
    Done,
    /// The provider has refused it. A retry may succeed.
    Refused {
        reason: String,
    },
}
