//! Protection against cross-site request forgery.

use http::{HeaderMap, HeaderName, header};

use super::{Site, text};
use crate::error::{ApiError, ErrorCode};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Proof that no page of another site made the browser send this request. Whatever writes takes one, and only
/// [`SameOrigin::check`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct SameOrigin(());

impl SameOrigin {
    /// Browsers say where a write comes from. A request that carries a cookie must say so; one without (a program with a
    /// bearer token) need not.
    pub fn check(site: &Site, headers: &HeaderMap) -> Result<Self, ApiError> {
        let allowed = match (text(headers, &SEC_FETCH_SITE), text(headers, &header::ORIGIN)) {
            (Some(origin), _) => origin == "same-origin" || origin == "none",
            (None, Some(origin)) => is_own(site, origin, headers),
            (None, None) => !headers.contains_key(header::COOKIE),
        };
        if allowed { Ok(Self(())) } else { Err(ErrorCode::CrossOrigin.into()) }
    }
}

fn is_own(site: &Site, origin: &str, headers: &HeaderMap) -> bool {
    let host = origin.split_once("://").map(|(_, host)| host);
    origin == site.origin || (host.is_some() && host == text(headers, &header::HOST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{headers, site};

    #[test]
    fn a_write_from_another_site_is_refused() {
        for (pairs, allowed) in [
            (&[("sec-fetch-site", "same-origin"), ("cookie", "a=b")][..], true),
            (&[("sec-fetch-site", "cross-site"), ("cookie", "a=b")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("origin", "https://line.example"), ("cookie", "a=b")], true),
            (&[("origin", "http://127.0.0.1:8080"), ("host", "127.0.0.1:8080"), ("cookie", "a=b")], true),
            (&[("origin", "https://evil.example"), ("cookie", "a=b")], false),
            (&[("origin", "null"), ("cookie", "a=b")], false),
            (&[("cookie", "a=b")], false),
            (&[("authorization", "Bearer x")], true),
        ] {
            assert_eq!(SameOrigin::check(&site(), &headers(pairs)).is_ok(), allowed, "{pairs:?}");
        }
    }
}
