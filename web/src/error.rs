//! Why a request is refused: one error for API and pages, with a code that programs can rely on.
//!
//! Handlers return an [`ApiError`]; [`error_response`] makes the answer of it, a problem document (RFC 9457) for programs
//! or a page for people.

mod response;

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use metrics::Counter;
use sale::unavailable::{Unavailability, Unavailable};
use serde::{Serialize, Serializer};

pub use self::response::{Problem, error_response};

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
    MalformedJson = 400 "malformed_json": "The body is not the JSON that this call takes.",
    MalformedForm = 400 "malformed_form": "The form is not the one of this page.",
    MalformedRequest = 400 "malformed_request": "The request is not well formed.",
    IdempotencyKeyMissing = 400 "idempotency_key_missing": "This call needs an Idempotency-Key of 1 to 255 printable characters.",
    TicketMissing = 401 "ticket_missing": "This call needs a ticket.",
    TicketInvalid = 401 "ticket_invalid": "This is not a ticket of this line.",
    PassMissing = 401 "pass_missing": "This call needs a pass.",
    PassInvalid = 401 "pass_invalid": "This is not a pass of this shop.",
    PassExpired = 401 "pass_expired": "The time of this pass is over.",
    TokenMissing = 401 "token_missing": "This call needs the bearer token of a seller or operator.",
    TokenInvalid = 401 "token_invalid": "The token is forged or its time is over.",
    WrongSession = 403 "wrong_session": "This belongs to another browser.",
    WrongSale = 403 "wrong_sale": "This belongs to another sale.",
    PassUsed = 403 "pass_used": "This pass was used for an order.",
    CrossOrigin = 403 "cross_origin": "Changes are taken only from this site's own pages.",
    NotAllowed = 403 "not_allowed": "The token does not allow this.",
    SaleNotFound = 404 "sale_not_found": "There is no sale of this name.",
    OrderNotFound = 404 "order_not_found": "There is no such order for you.",
    NotFound = 404 "not_found": "There is nothing here.",
    MethodNotAllowed = 405 "method_not_allowed": "This address does not take this method.",
    SaleNotOpen = 409 "sale_not_open": "The sale has not opened.",
    NotCalled = 409 "not_called": "It is not this ticket's turn.",
    SoldOut = 409 "sold_out": "Not enough units are free.",
    LimitReached = 409 "limit_reached": "One buyer may not have so many units of this sale.",
    InFlight = 409 "in_flight": "The first request with this key is still under way.",
    HoldExpired = 409 "hold_expired": "The units went back: the time to pay is over.",
    PaymentInProgress = 409 "payment_in_progress": "A payment for this order is under way.",
    AlreadyPaid = 409 "already_paid": "This order is paid.",
    CannotCancel = 409 "cannot_cancel": "This order can no longer be cancelled.",
    SaleExists = 409 "sale_exists": "There is a sale of this name.",
    SaleClosed = 410 "sale_closed": "The sale is closed.",
    SoldOutForGood = 410 "sold_out": "Everything is sold.",
    TicketGone = 410 "ticket_gone": "This ticket's place is gone.",
    PreconditionFailed = 412 "precondition_failed": "Somebody changed it since you read it.",
    TooLarge = 413 "too_large": "The body is larger than this call takes.",
    UriTooLong = 414 "uri_too_long": "The address is longer than any of this site.",
    UnsupportedMediaType = 415 "unsupported_media_type": "This call takes application/json.",
    InvalidField = 422 "invalid_field": "A field has a value that it cannot have.",
    InvalidQuantity = 422 "invalid_quantity": "A quantity is 1 or more.",
    UnknownItem = 422 "unknown_item": "The sale has no such item.",
    UnknownMethod = 422 "unknown_method": "There is no such payment method.",
    KeyReused = 422 "key_reused": "This Idempotency-Key was used for another request.",
    NotSupported = 422 "not_supported": "This is not built yet.",
    PreconditionRequired = 428 "precondition_required": "This call needs If-Match with the version that you read.",
    RateLimited = 429 "rate_limited": "Too many requests from this network just now.",
    HeadersTooLarge = 431 "headers_too_large": "The headers are larger than this server takes.",
    Internal = 500 "internal": "Something went wrong here.",
    StoreUnavailable = 503 "store_unavailable": "A store does not answer just now; nothing was changed that you cannot ask for again.",
    Overloaded = 503 "overloaded": "Too much to do just now.",
}

/// One for each of [`ErrorCode::ALL`], looked up once: a line that takes nobody refuses everybody.
static REFUSALS: LazyLock<Vec<Counter>> = LazyLock::new(|| {
    let counter = |code: &ErrorCode| metrics::counter!("openrun_refusals_total", "code" => code.as_str());
    ErrorCode::ALL.iter().map(counter).collect()
});

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

    /// What problem document and page say in their headers. Every refusal passes here, so it is counted here.
    fn set_headers(&self, headers: &mut HeaderMap) {
        REFUSALS[self.code as usize].increment(1);
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
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
