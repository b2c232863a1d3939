//! What a request says about whoever sends it. Nothing is read before it is asked for, and nothing is copied: a poll
//! costs what it looks at.

pub mod client_ip;
pub mod cookies;
pub mod credentials;
pub mod csrf;
pub mod language;
pub mod trace;

mod visitor;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

pub use self::{csrf::SameOrigin, visitor::Visitor};

/// The largest body that any call accepts.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What this installation calls its cookies and where its own pages live.
#[derive(Clone, Debug)]
pub struct Site {
    /// Scheme, host and port of the public URL.
    pub origin: String,
    pub https: bool,
    pub trusted_proxies: Vec<IpNet>,
}

/// The value of a header, when it is printable ASCII.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use http::HeaderValue;

    use super::*;

    pub(crate) fn site() -> Site {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        Site { origin: "https://line.example".to_owned(), https: true, trusted_proxies }
    }

    pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect::<HeaderMap<_>>()
    }
}
