//! Who is asking: cookies, bearer tokens, the site that a write comes from, the network behind a proxy, a trace id.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ipnet::IpNet;
use rand::RngExt as _;
use sale::{Language, SaleId, SessionId};

use crate::{
    language::negotiate,
    problem::{Code, Problem},
};

/// What this installation calls its cookies and where its own pages live.
#[derive(Clone, Debug)]
pub struct Site {
    /// Scheme, host and port of the public URL.
    pub origin: String,
    pub https: bool,
    pub trusted_proxies: Vec<IpNet>,
}

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How long cookies are kept when the sale names no end: a season.
const COOKIE_SECONDS: i64 = 90 * 24 * 3600;

impl Site {
    fn prefix(&self) -> &'static str {
        if self.https { "__Host-openrun" } else { "openrun" }
    }

    /// The session of the cookie; `None` without one or with one that no page of ours has set.
    pub fn session(&self, headers: &HeaderMap) -> Option<SessionId> {
        SessionId::parse(cookie(headers, self.prefix())?)
    }

    pub fn ticket<'h>(&self, headers: &'h HeaderMap, sale: &SaleId) -> Option<&'h str> {
        self.of_sale(headers, "-t-", sale)
    }

    pub fn pass<'h>(&self, headers: &'h HeaderMap, sale: &SaleId) -> Option<&'h str> {
        self.of_sale(headers, "-p-", sale)
    }

    fn of_sale<'h>(&self, headers: &'h HeaderMap, what: &str, sale: &SaleId) -> Option<&'h str> {
        let is_named = |name: &str| {
            let rest = name.strip_prefix(self.prefix()).and_then(|rest| rest.strip_prefix(what));
            rest == Some(sale.as_str())
        };
        cookies(headers).find(|(name, _)| is_named(name)).map(|(_, value)| value)
    }

    pub fn console<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        cookie(headers, &format!("{}-console", self.prefix()))
    }

    pub fn set_session(&self, session: &SessionId) -> HeaderValue {
        self.set("", &session.reveal(), COOKIE_SECONDS)
    }

    pub fn set_ticket(&self, sale: &SaleId, ticket: &str) -> HeaderValue {
        self.set(&format!("-t-{sale}"), ticket, COOKIE_SECONDS)
    }

    pub fn set_pass(&self, sale: &SaleId, pass: &str) -> HeaderValue {
        self.set(&format!("-p-{sale}"), pass, COOKIE_SECONDS)
    }

    pub fn clear_ticket(&self, sale: &SaleId) -> HeaderValue {
        self.set(&format!("-t-{sale}"), "", 0)
    }

    pub fn clear_pass(&self, sale: &SaleId) -> HeaderValue {
        self.set(&format!("-p-{sale}"), "", 0)
    }

    pub fn set_console(&self, secret: &str, seconds: i64) -> HeaderValue {
        self.set("-console", secret, seconds)
    }

    pub fn set_language(&self, language: Language) -> HeaderValue {
        self.set("-lang", language.tag(), COOKIE_SECONDS)
    }

    fn set(&self, suffix: &str, value: &str, seconds: i64) -> HeaderValue {
        let secure = if self.https { "; Secure" } else { "" };
        let text =
            format!("{}{suffix}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", self.prefix());
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
    }

    /// The language to speak: the visible switch (`?lang=`) first, then the cookie it left, then what the browser asks for.
    pub fn language(&self, headers: &HeaderMap, query: Option<&str>) -> Language {
        let kept = || cookie(headers, &format!("{}-lang", self.prefix()));
        let chosen = chosen_language(query).map(Language::tag).or_else(kept);
        negotiate(chosen, text(headers, &header::ACCEPT_LANGUAGE))
    }

    /// Refuses a write that another site's page made the browser send. Browsers tell where it comes from; a request
    /// that carries a cookie must tell, one without (a program with a bearer token) need not.
    pub fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if method.is_safe() {
            return Ok(());
        }
        let allowed = match (text(headers, &SEC_FETCH_SITE), text(headers, &header::ORIGIN)) {
            (Some(site), _) => site == "same-origin" || site == "none",
            (None, Some(origin)) => self.is_own(origin, headers),
            (None, None) => !headers.contains_key(header::COOKIE),
        };
        if allowed { Ok(()) } else { Err(Code::CrossOrigin.into()) }
    }

    fn is_own(&self, origin: &str, headers: &HeaderMap) -> bool {
        let host = origin.split_once("://").map(|(_, host)| host);
        origin == self.origin || (host.is_some() && host == text(headers, &header::HOST))
    }

    /// The address that a request speaks for, and whether anybody spoke for it: a trusted proxy's word counts, nobody
    /// else's.
    pub fn speaks_for(&self, peer: SocketAddr, headers: &HeaderMap) -> (IpAddr, bool) {
        let peer = peer.ip().to_canonical();
        if !self.trusted_proxies.iter().any(|net| net.contains(&peer)) {
            return (peer, false);
        }
        let forwarded = text(headers, &X_FORWARDED_FOR).unwrap_or_default();
        let client = forwarded
            .rsplit(',')
            .filter_map(|address| address.trim().parse::<IpAddr>().ok())
            .find(|address| !self.trusted_proxies.iter().any(|net| net.contains(address)));
        client.map_or((peer, false), |client| (client.to_canonical(), true))
    }
}

/// The language of the visible switch, if the address names one.
pub fn chosen_language(query: Option<&str>) -> Option<Language> {
    query?.split('&').find_map(|pair| pair.strip_prefix("lang=")).and_then(Language::parse)
}

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    cookies(headers).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Every cookie that says something, as name and value.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).filter(|(_, value)| !value.is_empty())
}

/// The token of an `Authorization: Bearer` header.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The client's name for an action: 1 to 255 printable characters.
pub fn idempotency_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let key = text(headers, &IDEMPOTENCY_KEY).unwrap_or_default();
    let printable = key.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if (1..=255).contains(&key.len()) && printable { Ok(key) } else { Err(Code::IdempotencyKeyMissing.into()) }
}

/// The W3C trace id of the request, or a new one.
pub fn trace_id(headers: &HeaderMap) -> String {
    carried_trace(headers).unwrap_or_else(|| format!("{:032x}", rand::rng().random::<u128>()))
}

/// Gives a request that carries no trace one of its own, so that whatever is told of it names the same.
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

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        Site { origin: "https://line.example".to_owned(), https: true, trusted_proxies }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect::<HeaderMap<_>>()
    }

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
            assert_eq!(site().check_origin(&Method::POST, &headers(pairs)).is_ok(), allowed, "{pairs:?}");
            assert!(site().check_origin(&Method::GET, &headers(pairs)).is_ok());
        }
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let forwarded = headers(&[("x-forwarded-for", "1.2.3.4, 203.0.113.9, 10.0.0.7")]);
        let proxy = "10.1.1.1:5".parse().unwrap();
        let stranger = "198.51.100.1:5".parse().unwrap();
        assert_eq!(site().speaks_for(proxy, &forwarded), ("203.0.113.9".parse().unwrap(), true));
        assert_eq!(site().speaks_for(stranger, &forwarded), ("198.51.100.1".parse().unwrap(), false));
    }

    #[test]
    fn the_language_is_the_switch_then_the_cookie_then_the_browser() {
        let both = headers(&[("cookie", "x=1; __Host-openrun-lang=en"), ("accept-language", "ko-KR,en;q=0.5")]);
        assert_eq!(site().language(&both, Some("a=1&lang=ko")), Language::Ko);
        assert_eq!(site().language(&both, None), Language::En);
        assert_eq!(site().language(&headers(&[("accept-language", "fr, en-GB")]), None), Language::En);
    }
}
