//! `/sales/{sale}/checkout`: choose, reserve, and pay while the hold lives.

use askama::Template;
use sale::{Money, Timestamp};

use super::{HeldOrder, rendered, time_limit};
use crate::{ErrorCode, Layout, assets, plain::Plain};

/// The checkout of one buyer.
#[derive(Clone, Debug, Template)]
#[template(path = "checkout.html")]
pub struct CheckoutPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Id of the sale.
    pub sale: String,
    /// Its name in the page's language.
    pub sale_name: String,
    /// Where the buyer stands.
    pub state: CheckoutState,
}

/// Where a checkout stands.
#[derive(Clone, Debug)]
pub enum CheckoutState {
    /// Inside with a good pass.
    Choosing {
        /// What can be had.
        choices: Vec<Choice>,
        /// The end of the pass.
        pass_until: Timestamp,
        /// Units that one buyer may have of all items together.
        per_buyer_limit: u64,
        /// Time to pay after reserving.
        hold_seconds: u64,
        /// What was typed before, if the form comes back.
        email: String,
        /// Whether that is no address.
        is_email_invalid: bool,
        /// Why the form came back.
        error: Option<ErrorCode>,
        /// Idempotency key of the reservation.
        key: String,
    },
    /// Reserved and not paid.
    Held(HeldOrder),
    /// The last attempt was declined; the hold lives.
    Declined(HeldOrder),
    /// A payment is under way.
    Paying {
        /// The order.
        order: String,
    },
    /// The hold's time ran out.
    HoldExpired,
    /// The last free unit went while choosing; the pass is still good.
    SoldOut {
        /// The end of the pass.
        pass_until: Timestamp,
    },
    /// The pass led to an order already.
    PassUsed {
        /// The order, if it is this session's.
        order: Option<String>,
    },
    /// The pass has run out.
    PassExpired,
}

/// One item to choose.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Id of the item; the form field is `quantity_{id}`.
    pub id: String,
    /// Its name in the page's language.
    pub name: String,
    /// Price of one unit.
    pub price: Money,
    /// Most that may be chosen now; 0 when none is free.
    pub most: u64,
    /// What is filled in: what was typed before, if the form comes back.
    pub quantity: String,
    /// What is wrong with it.
    pub fault: Option<QuantityFault>,
}

/// What can be wrong with the quantity of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityFault {
    /// No number of units that can be had.
    OutOfRange,
    /// With the other items it is more than one buyer may have.
    AboveLimit,
}

impl CheckoutPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    fn title(&self) -> &'static str {
        let messages = &self.layout.messages().checkout;
        match self.state {
            CheckoutState::Choosing { .. } => messages.choosing,
            CheckoutState::Held(_) => messages.held,
            CheckoutState::Declined(_) => messages.declined,
            CheckoutState::Paying { .. } => self.layout.messages().order.payment_processing.state,
            CheckoutState::HoldExpired => messages.expired,
            CheckoutState::SoldOut { .. } => messages.sold_out,
            CheckoutState::PassUsed { .. } => messages.used,
            CheckoutState::PassExpired => messages.pass_expired,
        }
    }

    fn fault(&self, choice: &Choice, per_buyer_limit: impl Plain<u64>) -> Option<String> {
        let messages = self.layout.messages();
        choice.fault.map(|fault| match fault {
            QuantityFault::OutOfRange => messages.checkout.quantity_fault.with(choice.most),
            QuantityFault::AboveLimit => messages.sale.limit.of(per_buyer_limit),
        })
    }

    fn hint(&self, hold_seconds: impl Plain<u64>) -> String {
        let messages = self.layout.messages();
        messages.checkout.reserve_hint.with(time_limit(messages, hold_seconds.plain()))
    }
}
