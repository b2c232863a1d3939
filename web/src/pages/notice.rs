//! A page for everything that did not work: what happened, whether place and money are safe, what to do.

use askama::Template;

use super::rendered;
use crate::{Shell, assets, messages::ErrorMessages};

/// What went wrong. The names are the codes of the API that a person can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No such sale.
    SaleNotFound,
    /// Before the opening.
    SaleNotOpen,
    /// The sale is over.
    SaleClosed,
    /// Every unit is sold.
    SoldOut,
    /// No ticket, or one that is not ours.
    TicketMissing,
    /// Left, used or expired.
    TicketGone,
    /// Not this ticket's turn.
    NotCalled,
    /// No pass, or one that is not ours.
    PassMissing,
    /// The pass led to an order already.
    PassUsed,
    /// The pass has run out.
    PassExpired,
    /// Ticket, pass or order of another session.
    WrongSession,
    /// A write from another site.
    CrossOrigin,
    /// Signed in, but not for this.
    NotAllowed,
    /// The hold ran out.
    HoldExpired,
    /// The buyer's limit is reached.
    LimitReached,
    /// A quantity that cannot be.
    InvalidQuantity,
    /// Something else in a form.
    InvalidField,
    /// The first call with this key is still under way.
    InFlight,
    /// The key was used with other contents.
    KeyReused,
    /// Too many joins from one network.
    RateLimited,
    /// A store does not answer, or the server is overloaded.
    StoreUnavailable,
    /// No such page.
    NotFound,
    /// No such order for this session.
    OrderNotFound,
    /// An attempt is under way or unknown.
    PaymentInProgress,
    /// Paid before.
    AlreadyPaid,
    /// Too late to cancel.
    CannotCancel,
    /// The request could not be read.
    Malformed,
    /// Somebody else changed it meanwhile.
    Conflict,
    /// The console without a session.
    SignInNeeded,
    /// Named by the API, not built.
    NotSupported,
}

/// Where a notice leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayOn {
    /// The list of sales.
    Sales,
    /// The page of a sale, by id.
    Sale(String),
    /// The waiting page of a sale, by id.
    Line(String),
    /// The checkout of a sale, by id.
    Checkout(String),
    /// An order, by id.
    Order(String),
    /// The sign-in of the console.
    Console,
    /// The same address again.
    Again(String),
}

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    /// Language, nonce, time.
    pub shell: Shell,
    /// What went wrong.
    pub reason: Reason,
    /// What to do.
    pub way_on: WayOn,
    /// The id under which the logs know this request.
    pub trace_id: String,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 30] = [
        Self::SaleNotFound,
        Self::SaleNotOpen,
        Self::SaleClosed,
        Self::SoldOut,
        Self::TicketMissing,
        Self::TicketGone,
        Self::NotCalled,
        Self::PassMissing,
        Self::PassUsed,
        Self::PassExpired,
        Self::WrongSession,
        Self::CrossOrigin,
        Self::NotAllowed,
        Self::HoldExpired,
        Self::LimitReached,
        Self::InvalidQuantity,
        Self::InvalidField,
        Self::InFlight,
        Self::KeyReused,
        Self::RateLimited,
        Self::StoreUnavailable,
        Self::NotFound,
        Self::OrderNotFound,
        Self::PaymentInProgress,
        Self::AlreadyPaid,
        Self::CannotCancel,
        Self::Malformed,
        Self::Conflict,
        Self::SignInNeeded,
        Self::NotSupported,
    ];

    /// The reason for a problem code of the API.
    pub fn from_code(code: &str) -> Self {
        match code {
            "sale_not_found" => Self::SaleNotFound,
            "sale_not_open" => Self::SaleNotOpen,
            "sale_closed" => Self::SaleClosed,
            "sold_out" => Self::SoldOut,
            "ticket_missing" | "ticket_invalid" => Self::TicketMissing,
            "ticket_gone" => Self::TicketGone,
            "not_called" => Self::NotCalled,
            "pass_missing" | "pass_invalid" => Self::PassMissing,
            "pass_used" => Self::PassUsed,
            "pass_expired" => Self::PassExpired,
            "wrong_session" | "wrong_sale" => Self::WrongSession,
            "cross_origin" => Self::CrossOrigin,
            "not_allowed" => Self::NotAllowed,
            "hold_expired" => Self::HoldExpired,
            "limit_reached" => Self::LimitReached,
            "invalid_quantity" => Self::InvalidQuantity,
            "invalid_field" | "unknown_item" | "unknown_method" => Self::InvalidField,
            "in_flight" => Self::InFlight,
            "key_reused" => Self::KeyReused,
            "rate_limited" => Self::RateLimited,
            "not_found" | "method_not_allowed" => Self::NotFound,
            "order_not_found" => Self::OrderNotFound,
            "payment_in_progress" => Self::PaymentInProgress,
            "already_paid" => Self::AlreadyPaid,
            "cannot_cancel" => Self::CannotCancel,
            "sale_exists" | "precondition_failed" | "precondition_required" => Self::Conflict,
            "token_missing" | "token_invalid" => Self::SignInNeeded,
            "not_supported" => Self::NotSupported,
            "malformed_json"
            | "malformed_form"
            | "malformed_request"
            | "idempotency_key_missing"
            | "too_large"
            | "uri_too_long"
            | "unsupported_media_type"
            | "headers_too_large" => Self::Malformed,
            _ => Self::StoreUnavailable,
        }
    }

    /// Where it usually leads, given the sale and the order that it was about; the list of sales when they are
    /// unknown.
    pub fn way_on(self, sale: Option<&str>, order: Option<&str>) -> WayOn {
        let to = |way: fn(String) -> WayOn, id: Option<&str>| id.map(|id| way(id.to_owned()));
        let found = match self {
            Self::NotCalled | Self::PassMissing => to(WayOn::Line, sale),
            Self::InvalidQuantity | Self::LimitReached | Self::KeyReused | Self::InFlight => {
                to(WayOn::Order, order).or_else(|| to(WayOn::Checkout, sale))
            }
            Self::PaymentInProgress | Self::AlreadyPaid | Self::CannotCancel | Self::PassUsed | Self::InvalidField => {
                to(WayOn::Order, order).or_else(|| to(WayOn::Sale, sale))
            }
            Self::TicketMissing
            | Self::TicketGone
            | Self::PassExpired
            | Self::HoldExpired
            | Self::SaleNotOpen
            | Self::WrongSession
            | Self::CrossOrigin
            | Self::RateLimited
            | Self::StoreUnavailable
            | Self::Malformed => to(WayOn::Sale, sale),
            Self::NotAllowed | Self::Conflict | Self::SignInNeeded | Self::NotSupported => Some(WayOn::Console),
            Self::SaleNotFound | Self::SaleClosed | Self::SoldOut | Self::NotFound | Self::OrderNotFound => None,
        };
        found.unwrap_or(WayOn::Sales)
    }

    /// What happened, and what to do.
    pub(crate) const fn messages(self, messages: &ErrorMessages) -> &[&'static str; 2] {
        match self {
            Self::SaleNotFound => &messages.sale_not_found,
            Self::SaleNotOpen => &messages.sale_not_open,
            Self::SaleClosed => &messages.sale_closed,
            Self::SoldOut => &messages.sold_out,
            Self::TicketMissing => &messages.ticket_missing,
            Self::TicketGone => &messages.ticket_gone,
            Self::NotCalled => &messages.not_called,
            Self::PassMissing => &messages.pass_missing,
            Self::PassUsed => &messages.pass_used,
            Self::PassExpired => &messages.pass_expired,
            Self::WrongSession => &messages.wrong_session,
            Self::CrossOrigin => &messages.cross_origin,
            Self::NotAllowed => &messages.not_allowed,
            Self::HoldExpired => &messages.hold_expired,
            Self::LimitReached => &messages.limit_reached,
            Self::InvalidQuantity => &messages.invalid_quantity,
            Self::InvalidField => &messages.invalid_field,
            Self::InFlight => &messages.in_flight,
            Self::KeyReused => &messages.key_reused,
            Self::RateLimited => &messages.rate_limited,
            Self::StoreUnavailable => &messages.store_unavailable,
            Self::NotFound => &messages.not_found,
            Self::OrderNotFound => &messages.order_not_found,
            Self::PaymentInProgress => &messages.payment_in_progress,
            Self::AlreadyPaid => &messages.already_paid,
            Self::CannotCancel => &messages.cannot_cancel,
            Self::Malformed => &messages.malformed,
            Self::Conflict => &messages.conflict,
            Self::SignInNeeded => &messages.sign_in_needed,
            Self::NotSupported => &messages.not_supported,
        }
    }

    /// What the person has to fear for, and need not.
    const fn safety(self, messages: &ErrorMessages) -> Option<&'static str> {
        match self {
            Self::TicketMissing
            | Self::NotCalled
            | Self::PassMissing
            | Self::WrongSession
            | Self::CrossOrigin
            | Self::RateLimited
            | Self::StoreUnavailable
            | Self::Malformed
            | Self::SaleNotOpen => Some(messages.safe_place),
            Self::SaleClosed
            | Self::SoldOut
            | Self::TicketGone
            | Self::PassUsed
            | Self::PassExpired
            | Self::HoldExpired
            | Self::LimitReached
            | Self::InvalidQuantity
            | Self::InFlight
            | Self::KeyReused
            | Self::OrderNotFound
            | Self::PaymentInProgress
            | Self::CannotCancel => Some(messages.safe_money),
            Self::NotAllowed | Self::InvalidField | Self::Conflict | Self::NotSupported => Some(messages.safe_nothing),
            Self::SaleNotFound | Self::NotFound | Self::AlreadyPaid | Self::SignInNeeded => None,
        }
    }
}

impl Notice {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    fn what(&self) -> &[&'static str; 2] {
        self.reason.messages(&self.shell.messages().error_page)
    }

    fn safe(&self) -> Option<&'static str> {
        self.reason.safety(&self.shell.messages().error_page)
    }

    fn link(&self) -> String {
        match &self.way_on {
            WayOn::Sales => "/".to_owned(),
            WayOn::Sale(sale) => format!("/sales/{sale}"),
            WayOn::Line(sale) => format!("/sales/{sale}/line"),
            WayOn::Checkout(sale) => format!("/sales/{sale}/checkout"),
            WayOn::Order(order) => format!("/orders/{order}"),
            WayOn::Console => "/console".to_owned(),
            WayOn::Again(path) => path.clone(),
        }
    }

    fn link_words(&self) -> &'static str {
        let messages = self.shell.messages();
        match self.way_on {
            WayOn::Sales => messages.common.all_sales,
            WayOn::Sale(_) => messages.common.to_sale,
            WayOn::Line(_) => messages.common.to_place,
            WayOn::Checkout(_) => messages.common.to_checkout,
            WayOn::Order(_) => messages.common.to_order,
            WayOn::Console => messages.console.nav.name,
            WayOn::Again(_) => messages.common.reload,
        }
    }
}
