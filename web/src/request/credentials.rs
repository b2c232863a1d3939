//! What a program sends instead of cookies: bearer tokens and idempotency keys.

use http::{HeaderMap, HeaderName, header};

use super::text;
use crate::error::{ApiError, ErrorCode};

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The token of an `Authorization: Bearer` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The client's name for an action: 1 to 255 printable characters.
pub fn idempotency_key(headers: &HeaderMap) -> Result<&str, ApiError> {
    let key = text(headers, &IDEMPOTENCY_KEY).unwrap_or_default();
    if is_idempotency_key(key) { Ok(key) } else { Err(ErrorCode::IdempotencyKeyMissing.into()) }
}

/// Whether a text can name an action, in a header as in a form.
pub fn is_idempotency_key(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}
