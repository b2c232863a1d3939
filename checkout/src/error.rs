//! Why the checkout refuses a request. A refusal consumes nothing.

use sale::OrderId;
use stores::StoreError;
use web::{ApiError, ErrorCode, FieldError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckoutError {
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

impl From<StoreError> for CheckoutError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "store unavailable, replying 503");
        Self::StoreUnavailable
    }
}

impl From<CheckoutError> for ApiError {
    fn from(error: CheckoutError) -> Self {
        let code = match &error {
            CheckoutError::Invalid(errors) => errors.first().map_or(ErrorCode::InvalidField, |error| error.code),
            CheckoutError::SaleNotFound => ErrorCode::SaleNotFound,
            CheckoutError::SaleNotOpen => ErrorCode::SaleNotOpen,
            CheckoutError::SaleClosed => ErrorCode::SaleClosed,
            CheckoutError::SoldOut => ErrorCode::SoldOut,
            CheckoutError::LimitReached => ErrorCode::LimitReached,
            CheckoutError::InFlight => ErrorCode::InFlight,
            CheckoutError::KeyReused => ErrorCode::KeyReused,
            CheckoutError::PassExpired => ErrorCode::PassExpired,
            CheckoutError::PassUsed { .. } => ErrorCode::PassUsed,
            CheckoutError::OrderNotFound => ErrorCode::OrderNotFound,
            CheckoutError::HoldExpired => ErrorCode::HoldExpired,
            CheckoutError::PaymentInProgress => ErrorCode::PaymentInProgress,
            CheckoutError::AlreadyPaid => ErrorCode::AlreadyPaid,
            CheckoutError::CannotCancel => ErrorCode::CannotCancel,
            CheckoutError::StoreUnavailable => ErrorCode::StoreUnavailable,
            CheckoutError::Overloaded => ErrorCode::Overloaded,
        };
        let refused = Self::from(code);
        match error {
            CheckoutError::Invalid(errors) => Self { errors, ..refused },
            CheckoutError::PassUsed { order } => Self { order: order.map(|order| order.to_string()), ..refused },
            CheckoutError::InFlight => refused.retry_after(1),
            CheckoutError::SaleNotOpen => refused.retry_after(5),
            _ => refused,
        }
    }
}
