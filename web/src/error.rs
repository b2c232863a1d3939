//! Why a request is refused: one error for API and pages, with a code that programs can rely on.
//!
//! Handlers return an [`ApiError`]; [`error_response`](fn@crate::error_response) makes the answer of it, a problem document (RFC 9457) for programs
//! or a page for people.

use http::StatusCode;
use sale::unavailable::{Unavailability, Unavailable};
use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident = $status:literal $text:literal: $title:literal,)+) => {
        /// The codes of the API; each has its status and a sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorCode {
            $($variant,)+
        }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub fn status(self) -> StatusCode {
                let number = match self { $(Self::$variant => $status,)+ };
                StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            /// What it means, in one sentence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    MalformedJson = 400 "malformed_json": "The body is not the JSON object that this call takes.",
    MalformedForm = 400 "malformed_form": "The form is malformed.",
    MalformedRequest = 400 "malformed_request": "The request is malformed.",
    IdempotencyKeyMissing = 400 "idempotency_key_missing": "An Idempotency-Key of 1 to 255 printable characters is required.",
    TicketMissing = 401 "ticket_missing": "A ticket is required.",
    TicketInvalid = 401 "ticket_invalid": "The ticket is invalid.",
    PassMissing = 401 "pass_missing": "A pass is required.",
    PassInvalid = 401 "pass_invalid": "The pass is invalid.",
    PassExpired = 401 "pass_expired": "The pass has expired.",
    TokenMissing = 401 "token_missing": "The bearer token of a seller or operator is required.",
    TokenInvalid = 401 "token_invalid": "The token is invalid or has expired.",
    WrongSession = 403 "wrong_session": "The ticket or pass belongs to another session.",
    WrongSale = 403 "wrong_sale": "The ticket or pass belongs to another sale.",
    PassUsed = 403 "pass_used": "The pass has already been used for an order.",
    CrossOrigin = 403 "cross_origin": "Writes from pages of another origin are refused.",
    NotAllowed = 403 "not_allowed": "The token does not allow this.",
    SaleNotFound = 404 "sale_not_found": "The sale does not exist.",
    OrderNotFound = 404 "order_not_found": "The order does not exist, or is not yours.",
    NotFound = 404 "not_found": "The resource does not exist.",
    MethodNotAllowed = 405 "method_not_allowed": "The resource does not support this method.",
    SaleNotOpen = 409 "sale_not_open": "The sale has not opened yet.",
    NotCalled = 409 "not_called": "The ticket has not been called yet.",
    SoldOut = 409 "sold_out": "Not enough units are available.",
    LimitReached = 409 "limit_reached": "The limit per buyer would be exceeded.",
    InFlight = 409 "in_flight": "The first request with this Idempotency-Key is still in progress.",
    HoldExpired = 409 "hold_expired": "The time to pay is over, and the units were released.",
    PaymentInProgress = 409 "payment_in_progress": "A payment of this order is in progress.",
    AlreadyPaid = 409 "already_paid": "The order is already paid.",
    CannotCancel = 409 "cannot_cancel": "The order can no longer be cancelled.",
    SaleExists = 409 "sale_exists": "A sale with this id already exists.",
    SaleClosed = 410 "sale_closed": "The sale is closed.",
    SoldOutForGood = 410 "sold_out": "The sale is sold out.",
    TicketGone = 410 "ticket_gone": "The ticket is no longer valid.",
    PreconditionFailed = 412 "precondition_failed": "The resource has changed since it was read.",
    TooLarge = 413 "too_large": "The body is too large.",
    UriTooLong = 414 "uri_too_long": "The address is too long.",
    UnsupportedMediaType = 415 "unsupported_media_type": "This call takes application/json.",
    InvalidField = 422 "invalid_field": "The value of a field is invalid.",
    InvalidQuantity = 422 "invalid_quantity": "A quantity must be 1 or more.",
    UnknownItem = 422 "unknown_item": "The sale has no such item.",
    UnknownMethod = 422 "unknown_method": "There is no such payment method.",
    KeyReused = 422 "key_reused": "This Idempotency-Key was used for a different request.",
    NotSupported = 422 "not_supported": "This is not supported yet.",
    PreconditionRequired = 428 "precondition_required": "If-Match with the version that was read is required.",
    RateLimited = 429 "rate_limited": "Too many requests from this network.",
    HeadersTooLarge = 431 "headers_too_large": "The headers are too large.",
    Internal = 500 "internal": "An internal error occurred.",
    StoreUnavailable = 503 "store_unavailable": "The service is temporarily unavailable. It is safe to retry the request.",
    Overloaded = 503 "overloaded": "The service is overloaded. It is safe to retry the request.",
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "openapi")]
mod schema {
    use utoipa::{
        PartialSchema, ToSchema,
        openapi::{
            ObjectBuilder, RefOr, Schema,
            schema::{SchemaType, Type},
        },
    };

    use super::ErrorCode;

    impl PartialSchema for ErrorCode {
        fn schema() -> RefOr<Schema> {
            let mut names: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
            names.sort_unstable();
            // One name may have two statuses.
            names.dedup();
            Schema::from(ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(names)))
                .into()
        }
    }

    impl ToSchema for ErrorCode {}
}

/// A field of the request with a value that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// JSON pointer into the request.
    pub pointer: String,
    pub code: ErrorCode,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, code: ErrorCode) -> Self {
        Self { pointer: pointer.into(), code }
    }
}

/// A refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub code: ErrorCode,
    /// What this caller should know beyond the title.
    pub detail: Option<String>,
    pub retry_after_seconds: Option<u32>,
    pub errors: Vec<FieldError>,
    /// The order that a used pass belongs to, for its own session.
    pub order: Option<String>,
    /// The methods that the address takes, where the router does not say so itself.
    pub allow: Option<&'static str>,
    /// What failed inside. For the logs: no client sees it.
    pub cause: Option<Box<str>>,
}

/// A store that did not answer: whether anything happened is unknown, and the same request finds out.
impl<E: Unavailable> From<E> for ApiError {
    fn from(error: E) -> Self {
        let cause = Some(error.to_string().into());
        let refused = match error.unavailability() {
            Unavailability::Overloaded => Self::from(ErrorCode::Overloaded),
            Unavailability::NoAnswer => Self::from(ErrorCode::StoreUnavailable),
            Unavailability::Restoring => Self::from(ErrorCode::StoreUnavailable).retry_after(2),
        };
        Self { cause, ..refused }
    }
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        let retry_after_seconds = match code.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
        };
        Self { code, detail: None, retry_after_seconds, errors: Vec::new(), order: None, allow: None, cause: None }
    }
}

impl ApiError {
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds.max(1));
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// A 422 about one field.
    pub fn field(code: ErrorCode, pointer: impl Into<String>) -> Self {
        Self { errors: vec![FieldError::new(pointer, code)], ..Self::from(code) }
    }

    /// The methods that the address takes.
    #[must_use]
    pub fn allow(self, methods: &'static str) -> Self {
        Self { allow: Some(methods), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_sentence_and_an_error_status() {
        for code in ErrorCode::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(code.title().ends_with('.'), "{code:?}");
        }
    }
}
