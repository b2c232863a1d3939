//! `/orders/{order}`: is my money safe, is my unit safe, what happens next and until when.

use askama::Template;
use sale::{Money, OrderState, Timestamp};
use serde_json::json;

use super::{HeldOrder, OrderLine, Tone as _, rendered, script_json};
use crate::{Layout, assets};

/// A state that the order has been in.
#[derive(Clone, Copy, Debug)]
pub struct HistoryEntry {
    /// The state.
    pub state: OrderState,
    /// Since when.
    pub at: Timestamp,
}

/// The page of one order.
#[derive(Clone, Debug, Template)]
#[template(path = "order.html")]
pub struct OrderPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Id of the order.
    pub order: String,
    /// Id of the sale.
    pub sale: String,
    /// Its name in the page's language.
    pub sale_name: String,
    /// Where it stands.
    pub state: OrderState,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
    /// All of it.
    pub total: Money,
    /// Set while it can be paid.
    pub payment: Option<HeldOrder>,
    /// State of the last payment attempt as in the API, such as `declined`; the script reloads when it changes.
    pub attempt: Option<String>,
    /// Where the provider wants the buyer to go, if anywhere.
    pub redirect_url: Option<String>,
    /// The charge has not been tried although its time is over: the page says that payments are delayed.
    pub delayed: bool,
    /// Whether the buyer may cancel it.
    pub cancellable: bool,
    /// Every state so far, oldest first.
    pub history: Vec<HistoryEntry>,
}

impl OrderPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    /// A decline with the hold still alive reads differently from a first visit.
    fn title(&self) -> &'static str {
        if self.is_declined() {
            self.layout.messages().checkout.declined
        } else {
            self.layout.messages().order.state(self.state).state
        }
    }

    fn is_declined(&self) -> bool {
        self.state == OrderState::PendingPayment && self.attempt.as_deref() == Some("declined")
    }

    /// Whether the state may still change by itself, so that the page asks.
    const fn is_moving(&self) -> bool {
        matches!(
            self.state,
            OrderState::PendingPayment
                | OrderState::PaymentProcessing
                | OrderState::PaymentUnknown
                | OrderState::NeedsReview
                | OrderState::Preparing
                | OrderState::Shipped
                | OrderState::RefundPending
        )
    }

    /// Whether the next thing to do is to join the line again.
    const fn leads_back(&self) -> bool {
        matches!(
            self.state,
            OrderState::Expired | OrderState::Cancelled | OrderState::PaymentFailed | OrderState::Refunded
        )
    }

    fn data(&self) -> String {
        script_json(&json!({
            "order": self.order,
            "state": self.state.as_str(),
            "attempt": self.attempt,
            "moving": self.is_moving(),
        }))
    }
}
