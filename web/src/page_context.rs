//! Pages with their headers, and redirects after a form.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use rand::RngExt as _;
use sale::Timestamp;

use crate::{
    Body, Layout, csp, paths,
    precompressed::{PrecompressedTemplate, SlotValues},
    request::{Visitor, language::chosen_language},
};

/// Headers of a page, with those that the server adds: as many as fit without a larger table.
const MOST_HEADERS: usize = 12;

/// The path of the page on which a request was made: for a form the page that showed it, which GET answers.
pub fn page_of(method: &Method, path: &str) -> String {
    if method.is_safe() {
        return own_path(path);
    }
    match paths::segments(path).as_slice() {
        ["sales", sale, "join"] => paths::sale(sale),
        ["sales", sale, "enter"] | ["sales", sale, "line", "leave"] => paths::line(sale),
        ["orders", order, _] => paths::order(order),
        ["console", "sales"] => paths::console::new_sale(),
        ["console", "sales", sale, "admission" | "pause" | "resume" | "close"] => paths::console::sale(sale),
        ["console", "sign-out"] | ["console", "demo", "reset"] => paths::console::home(),
        _ => own_path(path),
    }
}

/// The path as a link of this site: a browser takes what begins with two slashes, or a slash and a backslash, for another
/// host.
fn own_path(path: &str) -> String {
    format!("/{}", path.trim_start_matches(['/', '\\']))
}

/// A request for a page, with what every page needs.
#[derive(Clone, Copy, Debug)]
pub struct PageContext<'r> {
    pub visitor: Visitor<'r>,
    /// The server's clock.
    pub now: Timestamp,
}

impl PageContext<'_> {
    /// What the page has around its own content.
    pub fn layout(&self) -> Layout {
        Layout {
            language: self.visitor.language(),
            nonce: URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 12]>()),
            path: page_of(self.visitor.method, self.visitor.uri.path()),
            now: self.now,
        }
    }

    /// A page with its headers.
    pub fn page(&self, nonce: &str, status: StatusCode, html: String) -> Response<Body> {
        let packed = if accepts_gzip(self.visitor.headers) { pack(&html) } else { None };
        let is_packed = packed.is_some();
        let mut response = self.answer(nonce, packed.map_or_else(|| Body::from(html), Body::from), is_packed);
        *response.status_mut() = status;
        response
    }

    /// A page from its template, with its headers.
    pub fn precompressed(&self, nonce: &str, template: &PrecompressedTemplate, values: &SlotValues) -> Response<Body> {
        if accepts_gzip(self.visitor.headers) {
            self.answer(nonce, template.render_gzip(values).into(), true)
        } else {
            self.answer(nonce, template.render(values).into(), false)
        }
    }

    /// The language that the visible switch chose is remembered.
    fn answer(&self, nonce: &str, body: Body, is_packed: bool) -> Response<Body> {
        let mut response = Response::new(body);
        let answer = response.headers_mut();
        answer.reserve(MOST_HEADERS);
        answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer.insert(header::VARY, HeaderValue::from_static("accept-encoding, accept-language, cookie"));
        answer.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        answer.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        if let Ok(policy) = HeaderValue::from_maybe_shared(Bytes::from(csp(nonce))) {
            answer.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if is_packed {
            answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(language) = chosen_language(self.visitor.uri.query()) {
            answer.append(header::SET_COOKIE, self.visitor.site.set_language(language));
        }
        response
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| coding.trim() == "gzip" || coding.trim().starts_with("gzip;"))
}

/// The usual level: the fastest one is not enough for the 14 KB that the waiting page may have.
fn pack(html: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(html.len() / 3), Compression::default());
    encoder.write_all(html.as_bytes()).ok()?;
    encoder.finish().ok()
}

/// After a form: see other.
pub fn see_other(path: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(path) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_this_site_never_leads_to_another_host() {
        for (path, wanted) in
            [("/", "/"), ("/sales/a", "/sales/a"), ("//evil.example/x", "/evil.example/x"), ("/\\evil", "/evil")]
        {
            assert_eq!(own_path(path), wanted);
        }
    }
}
