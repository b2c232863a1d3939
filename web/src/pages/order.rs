//! `/orders/{order}`: is my money safe, is my unit safe, what happens next and until when.

use askama::Template;
use serde_json::json;

use super::{HeldOrder, rendered, script_json};
use crate::{
    Moment, Money, Shell, assets,
    words::{OrderStateWords, Words},
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// Held, not paid.
    PendingPayment,
    /// The payment is under way.
    PaymentProcessing,
    /// Paid.
    Paid,
    /// The hold ran out.
    Expired,
    /// Cancelled before payment.
    Cancelled,
    /// Declined for good.
    PaymentFailed,
    /// Nobody knows yet whether it was charged.
    PaymentUnknown,
    /// A person has to look.
    NeedsReview,
    /// The money is on its way back.
    RefundPending,
    /// The money is back.
    Refunded,
}

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

/// A state that the order has been in.
#[derive(Clone, Copy, Debug)]
pub struct HistoryEntry {
    /// The state.
    pub state: OrderState,
    /// Since when.
    pub at: Moment,
}

/// The page of one order.
#[derive(Clone, Debug, Template)]
#[template(path = "order.html")]
pub struct OrderPage {
    /// Language, nonce, time.
    pub shell: Shell,
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

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::PendingPayment,
        Self::PaymentProcessing,
        Self::Paid,
        Self::Expired,
        Self::Cancelled,
        Self::PaymentFailed,
        Self::PaymentUnknown,
        Self::NeedsReview,
        Self::RefundPending,
        Self::Refunded,
    ];

    /// Snake case, as in the API.
    pub const fn code(self) -> &'static str {
        match self {
            Self::PendingPayment => "pending_payment",
            Self::PaymentProcessing => "payment_processing",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::PaymentFailed => "payment_failed",
            Self::PaymentUnknown => "payment_unknown",
            Self::NeedsReview => "needs_review",
            Self::RefundPending => "refund_pending",
            Self::Refunded => "refunded",
        }
    }

    /// Reads the code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The four answers in words.
    pub(crate) const fn words(self, words: &Words) -> &OrderStateWords {
        match self {
            Self::PendingPayment => &words.order.pending_payment,
            Self::PaymentProcessing => &words.order.payment_processing,
            Self::Paid => &words.order.paid,
            Self::Expired => &words.order.expired,
            Self::Cancelled => &words.order.cancelled,
            Self::PaymentFailed => &words.order.payment_failed,
            Self::PaymentUnknown => &words.order.payment_unknown,
            Self::NeedsReview => &words.order.needs_review,
            Self::RefundPending => &words.order.refund_pending,
            Self::Refunded => &words.order.refunded,
        }
    }

    /// How the state is coloured; its words say the same.
    pub(crate) const fn tone(self) -> &'static str {
        match self {
            Self::Paid => "good",
            Self::PendingPayment | Self::PaymentProcessing => "accent",
            Self::PaymentUnknown | Self::NeedsReview | Self::RefundPending => "warning",
            Self::PaymentFailed => "trouble",
            Self::Expired | Self::Cancelled | Self::Refunded => "quiet",
        }
    }

    /// Whether it may still change by itself, so that the page asks.
    const fn is_moving(self) -> bool {
        matches!(
            self,
            Self::PendingPayment
                | Self::PaymentProcessing
                | Self::PaymentUnknown
                | Self::NeedsReview
                | Self::RefundPending
        )
    }

    /// Whether joining the line again is the way on.
    const fn leads_back(self) -> bool {
        matches!(self, Self::Expired | Self::Cancelled | Self::PaymentFailed | Self::Refunded)
    }
}

impl OrderPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    /// A decline with the hold still alive reads differently from a first visit.
    fn title(&self) -> &'static str {
        if self.is_declined() {
            self.shell.words().checkout.declined
        } else {
            self.state.words(self.shell.words()).state
        }
    }

    fn is_declined(&self) -> bool {
        self.state == OrderState::PendingPayment && self.attempt.as_deref() == Some("declined")
    }

    fn data(&self) -> String {
        script_json(&json!({
            "order": self.order,
            "state": self.state.code(),
            "attempt": self.attempt,
            "moving": self.state.is_moving(),
        }))
    }
}
