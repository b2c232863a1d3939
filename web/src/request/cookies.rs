//! The cookies of this site: the session, a ticket and a pass for each sale, the console's session, the language.

use http::{HeaderMap, HeaderValue, header};
use sale::{Language, SaleId, SessionId};

use super::Site;

/// How long cookies are kept when the sale names no end: a season.
const COOKIE_SECONDS: i64 = 90 * 24 * 3600;

impl Site {
    /// `__Host-` binds a cookie to this host and to https.
    fn prefix(&self) -> &'static str {
        if self.https { "__Host-openrun" } else { "openrun" }
    }

    pub(super) fn session_cookie(&self, headers: &HeaderMap) -> Option<SessionId> {
        SessionId::parse(cookie(headers, self.prefix())?)
    }

    pub(super) fn ticket_cookie<'h>(&self, headers: &'h HeaderMap, sale: &SaleId) -> Option<&'h str> {
        self.cookie_of_sale(headers, "-t-", sale)
    }

    pub(super) fn pass_cookie<'h>(&self, headers: &'h HeaderMap, sale: &SaleId) -> Option<&'h str> {
        self.cookie_of_sale(headers, "-p-", sale)
    }

    pub(super) fn console_cookie<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        self.cookie_with_suffix(headers, "-console")
    }

    pub(super) fn language_cookie<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        self.cookie_with_suffix(headers, "-lang")
    }

    fn cookie_of_sale<'h>(&self, headers: &'h HeaderMap, kind: &str, sale: &SaleId) -> Option<&'h str> {
        let is_named = |name: &str| {
            let rest = name.strip_prefix(self.prefix()).and_then(|rest| rest.strip_prefix(kind));
            rest == Some(sale.as_str())
        };
        cookies(headers).find(|(name, _)| is_named(name)).map(|(_, value)| value)
    }

    fn cookie_with_suffix<'h>(&self, headers: &'h HeaderMap, suffix: &str) -> Option<&'h str> {
        let is_named = |name: &str| name.strip_prefix(self.prefix()) == Some(suffix);
        cookies(headers).find(|(name, _)| is_named(name)).map(|(_, value)| value)
    }

    pub fn set_session(&self, session: &SessionId) -> HeaderValue {
        self.set("", &session.expose(), COOKIE_SECONDS)
    }

    pub fn set_ticket(&self, sale: &SaleId, ticket: &str) -> HeaderValue {
        self.set(&format!("-t-{sale}"), ticket, COOKIE_SECONDS)
    }

    pub fn set_pass(&self, sale: &SaleId, pass: &str) -> HeaderValue {
        self.set(&format!("-p-{sale}"), pass, COOKIE_SECONDS)
    }

    /// Keeps a console signed in for so many seconds.
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
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    cookies(headers).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Every cookie with a value, as name and value.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim())).filter(|(_, value)| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{headers, site};

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let sale: SaleId = "a".parse().unwrap();
        let pairs =
            [("cookie", "__Host-openrun-t-ab=1; __Host-openrun-t-a=2; openrun-t-a=3; __Host-openrun-console=4")];
        let headers = headers(&pairs);
        assert_eq!(site().ticket_cookie(&headers, &sale), Some("2"));
        assert_eq!(site().pass_cookie(&headers, &sale), None);
        assert_eq!(site().console_cookie(&headers), Some("4"));
    }
}
