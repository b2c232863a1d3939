//! Why a wish of a buyer is refused, in the codes of the API. A refusal consumes nothing.

use sale::OrderId;
use stores::StoreError;
use web::FieldError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was sent does not make sense.
    Invalid(Vec<FieldError>),
    SaleNotFound,
    SaleNotOpen,
    SaleClosed,
    SoldOut,
    LimitReached,
    /// The same request is under way.
    InFlight,
    /// The same key came with another request.
    KeyReused,
    PassExpired,
    /// The pass bought this order, or its buyer left the line (`None`).
    PassUsed {
        order: Option<OrderId>,
    },
    OrderNotFound,
    HoldExpired,
    PaymentInProgress,
    AlreadyPaid,
    CannotCancel,
    /// A store gave no answer: nobody knows whether it happened. The same request again finds out.
    StoreUnavailable,
    /// Too much is waiting.
    Overloaded,
}

impl Refusal {
    /// The `code` of the problem document. For an invalid request it is that of its first field.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(errors) => errors.first().map_or("invalid_field", |error| error.code.as_str()),
            Self::SaleNotFound => "sale_not_found",
            Self::SaleNotOpen => "sale_not_open",
            Self::SaleClosed => "sale_closed",
            Self::SoldOut => "sold_out",
            Self::LimitReached => "limit_reached",
            Self::InFlight => "in_flight",
            Self::KeyReused => "key_reused",
            Self::PassExpired => "pass_expired",
            Self::PassUsed { .. } => "pass_used",
            Self::OrderNotFound => "order_not_found",
            Self::HoldExpired => "hold_expired",
            Self::PaymentInProgress => "payment_in_progress",
            Self::AlreadyPaid => "already_paid",
            Self::CannotCancel => "cannot_cancel",
            Self::StoreUnavailable => "store_unavailable",
            Self::Overloaded => "overloaded",
        }
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::KeyReused => 422,
            Self::SaleNotFound | Self::OrderNotFound => 404,
            Self::SaleClosed => 410,
            Self::PassExpired => 401,
            Self::PassUsed { .. } => 403,
            Self::SaleNotOpen
            | Self::SoldOut
            | Self::LimitReached
            | Self::InFlight
            | Self::HoldExpired
            | Self::PaymentInProgress
            | Self::AlreadyPaid
            | Self::CannotCancel => 409,
            Self::StoreUnavailable | Self::Overloaded => 503,
        }
    }

    /// Seconds after which asking again makes sense.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::InFlight | Self::StoreUnavailable | Self::Overloaded => Some(1),
            Self::SaleNotOpen => Some(5),
            _ => None,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!("a buyer was told to come back: {error}");
        Self::StoreUnavailable
    }
}
