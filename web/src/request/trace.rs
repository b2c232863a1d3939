//! The W3C trace of a request.

use http::{HeaderMap, HeaderName, HeaderValue};
use rand::RngExt as _;

use super::text;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The trace id of the request, or a new one.
pub fn trace_id(headers: &HeaderMap) -> String {
    carried_trace(headers).unwrap_or_else(|| format!("{:032x}", rand::rng().random::<u128>()))
}

/// Gives a request that carries no trace one of its own, so that its logs and its answer name the same id.
pub fn begin_trace(headers: &mut HeaderMap) {
    if carried_trace(headers).is_none() {
        let (trace, span) = rand::rng().random::<(u128, u64)>();
        if let Ok(parent) = HeaderValue::from_str(&format!("00-{trace:032x}-{span:016x}-01")) {
            headers.insert(TRACEPARENT, parent);
        }
    }
}

fn carried_trace(headers: &HeaderMap) -> Option<String> {
    let id = text(headers, &TRACEPARENT)?.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_ascii_lowercase())
}
