//! What the pages of the checkout and of the order both show: the lines of an order, and an order that can be paid.

use sale::{Money, Timestamp};

use super::payment_method::is_test;

/// One line of an order.
#[derive(Clone, Debug)]
pub struct OrderLine {
    /// Name of the item in the page's language.
    pub name: String,
    /// How many.
    pub quantity: u64,
    /// Price of all of them.
    pub total: Money,
}

/// An order that waits for its payment.
#[derive(Clone, Debug)]
pub struct HeldOrder {
    /// Id of the order.
    pub order: String,
    /// What is held.
    pub lines: Vec<OrderLine>,
    /// All of it.
    pub total: Money,
    /// The end of the hold.
    pub until: Timestamp,
    /// Ids of payment methods; the first is chosen.
    pub methods: Vec<String>,
    /// Idempotency key of the payment.
    pub key: String,
}

impl HeldOrder {
    pub(super) fn is_test(&self) -> bool {
        is_test(&self.methods)
    }
}
