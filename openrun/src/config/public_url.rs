//! Where browsers reach the installation.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// An `http` or `https` URL of a host, with nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Scheme, host and any port that is not the scheme's own, as browsers send it in `Origin`.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The host without the port; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether only this machine can follow it.
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The same host on another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        let mut url = self.0.clone();
        // Fails only for URLs without a host, which this type does not hold.
        url.set_port(Some(port)).map_or_else(|()| self.clone(), |()| Self(url))
    }

    /// The absolute form of a `path` that begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}

/// A text that is no public URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http:// or https:// with a host, and nothing behind it")]
pub struct BadPublicUrl;

impl FromStr for PublicUrl {
    type Err = BadPublicUrl;

    fn from_str(text: &str) -> Result<Self, BadPublicUrl> {
        let url = Url::parse(text).map_err(|_| BadPublicUrl)?;
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.port() != Some(0);
        let is_web = ["http", "https"].contains(&url.scheme());
        if is_bare && is_web { Ok(Self(url)) } else { Err(BadPublicUrl) }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_a_scheme_and_a_host() {
        for bad in [
            "",
            "line.example.com",
            "ftp://line.example.com",
            "https://line.example.com/shop",
            "https://line.example.com/?a=b",
            "https://line.example.com/#top",
            "https://me:pw@line.example.com",
            "http://localhost:0",
            "https://",
        ] {
            assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn its_parts_are_what_cookies_and_origins_need() {
        let https: PublicUrl = "https://Line.example.com:443/".parse().unwrap();
        assert!(https.is_https() && !https.is_loopback());
        assert_eq!((https.origin().as_str(), https.host()), ("https://line.example.com", "line.example.com"));
        let local: PublicUrl = "http://localhost:8080".parse().unwrap();
        assert!(!local.is_https() && local.is_loopback());
        assert_eq!(local.with_port(8081).join("/s/shoes"), "http://localhost:8081/s/shoes");
        for loopback in ["http://127.0.0.2", "http://[::1]:80", "http://shop.localhost"] {
            assert!(loopback.parse::<PublicUrl>().unwrap().is_loopback(), "{loopback}");
        }
    }
}
