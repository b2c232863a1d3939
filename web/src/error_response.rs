//! The answer to a request that failed. The path alone decides who reads it: programs or people.

use std::sync::LazyLock;

use axum_core::response::{IntoResponse, Response as AxumResponse};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use metrics::Counter;
use sale::Timestamp;
use serde::Serialize;

use crate::{
    body::Body,
    error::{ApiError, ErrorCode, FieldError},
    page_context::{PageContext, see_other},
    pages::{ErrorPage, NextLink},
    paths,
    request::Visitor,
};

/// One for each of [`ErrorCode::ALL`], looked up once: a line that takes nobody refuses everybody.
static REFUSALS: LazyLock<Vec<Counter>> = LazyLock::new(|| {
    let counter = |code: &ErrorCode| metrics::counter!("openrun_refusals_total", "code" => code.as_str());
    ErrorCode::ALL.iter().map(counter).collect()
});

/// A problem document for programs, a page for people.
pub fn error_response(error: &ApiError, visitor: Visitor<'_>, now: Timestamp) -> Response<Body> {
    if let Some(cause) = &error.cause {
        tracing::debug!(cause, code = error.code.as_str(), "store unavailable, replying {}", error.code.status());
    }
    let path = visitor.uri.path();
    if is_for_programs(path) {
        problem(error, &visitor.trace_id())
    } else if needs_sign_in(path, error.code) {
        see_other(&paths::console::home())
    } else {
        page(error, PageContext { visitor, now })
    }
}

/// In axum's handlers an error travels in the extensions of an empty response, because only the middleware around them
/// knows the request: it makes the answer with [`error_response`].
impl IntoResponse for ApiError {
    fn into_response(self) -> AxumResponse {
        let mut response = AxumResponse::default();
        *response.status_mut() = self.code.status();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ErrorCode {
    fn into_response(self) -> AxumResponse {
        ApiError::from(self).into_response()
    }
}

/// Whether this path is for programs; every other one is a page.
fn is_for_programs(path: &str) -> bool {
    const TREES: [&str; 3] = ["/v1", "/.well-known", "/gate"];
    const PLACES: [&str; 5] = ["/openapi.json", "/docs", "/healthz", "/readyz", "/metrics"];
    let below = |tree: &str| path.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    TREES.into_iter().any(below) || PLACES.contains(&path)
}

/// Somebody who is not signed in is led to the page that says how.
fn needs_sign_in(path: &str, code: ErrorCode) -> bool {
    path.starts_with(&paths::console::home()) && matches!(code, ErrorCode::TokenMissing | ErrorCode::TokenInvalid)
}

fn page(error: &ApiError, context: PageContext<'_>) -> Response<Body> {
    let layout = context.layout();
    let nonce = layout.nonce.clone();
    let page = ErrorPage {
        layout,
        code: error.code,
        next: next_link(error, context.visitor),
        trace_id: context.visitor.trace_id(),
    };
    let mut response = context.page(&nonce, error.code.status(), page.render());
    set_headers(error, response.headers_mut());
    response
}

/// Where a page that failed leads: one step back on the way that its buyer came.
fn next_link(error: &ApiError, visitor: Visitor<'_>) -> NextLink {
    let segments = paths::segments(visitor.uri.path());
    if let ["console", ..] = segments.as_slice() {
        return NextLink::Console;
    }
    if let Some(order) = &error.order {
        return NextLink::Order(order.clone());
    }
    match error.code {
        // There is nothing to go back to.
        ErrorCode::SaleNotFound | ErrorCode::OrderNotFound | ErrorCode::NotFound | ErrorCode::MethodNotAllowed => {
            return NextLink::Sales;
        }
        // The way into the line begins at the sale.
        ErrorCode::TicketMissing | ErrorCode::TicketInvalid => {
            if let ["sales", sale, ..] = segments.as_slice() {
                return NextLink::Sale((*sale).to_owned());
            }
        }
        _ => {}
    }
    match (segments.as_slice(), visitor.method.is_safe()) {
        ([""], _) => NextLink::Again(paths::sales()),
        (["sales", sale, "line" | "join"], _) => NextLink::Sale((*sale).to_owned()),
        (["sales", sale, "line", "leave"] | ["sales", sale, "enter"], _) | (["sales", sale, "checkout"], true) => {
            NextLink::Line((*sale).to_owned())
        }
        (["sales", sale, "checkout"], false) => NextLink::Checkout((*sale).to_owned()),
        (["orders", order, _], _) => NextLink::Order((*order).to_owned()),
        _ => NextLink::Sales,
    }
}

/// A refusal as programs read it: the members of RFC 9457, with those of this API.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem<'a> {
    /// `urn:openrun:problem:` and the code.
    r#type: String,
    /// What the code means, in one sentence.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    code: ErrorCode,
    /// What is wrong in this case.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The W3C trace id under which the logs know the request.
    trace_id: &'a str,
    /// The fields that were not accepted.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    /// The order that a used pass bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
}

fn problem(error: &ApiError, trace_id: &str) -> Response<Body> {
    let status = error.code.status();
    let document = Problem {
        r#type: format!("urn:openrun:problem:{}", error.code.as_str()),
        title: error.code.title(),
        status: status.as_u16(),
        code: error.code,
        detail: error.detail.as_deref(),
        trace_id,
        errors: &error.errors,
        order: error.order.as_deref(),
    };
    let mut response = Response::new(Body::from(serde_json::to_string(&document).unwrap_or_default()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_headers(error, headers);
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"openrun\""));
    }
    response
}

/// What problem document and page say in their headers. Every refusal passes here, so it is counted here.
fn set_headers(error: &ApiError, headers: &mut HeaderMap) {
    REFUSALS[error.code as usize].increment(1);
    if let Some(seconds) = error.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(methods) = error.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::request::tests::site;

    fn answered(method: &Method, path: &'static str, code: ErrorCode) -> Response<Body> {
        let (site, headers, uri) = (site(), HeaderMap::new(), path.parse().unwrap());
        let peer = "127.0.0.1:1".parse().unwrap();
        let visitor = Visitor { site: &site, method, uri: &uri, headers: &headers, peer };
        error_response(&code.into(), visitor, Timestamp::from_millis(0))
    }

    #[test]
    fn overload_says_when_to_come_back() {
        let response = answered(&Method::GET, "/v1/sales", ErrorCode::Overloaded);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = answered(&Method::GET, "/v1/sales/a/tickets/self", ErrorCode::TicketMissing);
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    }

    #[test]
    fn programs_get_a_document_and_people_a_page() {
        for (path, wanted) in [
            ("/v1/nothing", "application/problem+json"),
            ("/openapi.json", "application/problem+json"),
            ("/v10", "text/html; charset=utf-8"),
            ("/nothing", "text/html; charset=utf-8"),
        ] {
            let response = answered(&Method::GET, path, ErrorCode::NotFound);
            assert_eq!(response.headers()[header::CONTENT_TYPE], wanted, "{path}");
        }
    }

    #[test]
    fn a_console_without_a_session_leads_to_the_sign_in() {
        let response = answered(&Method::GET, "/console/sales/a", ErrorCode::TokenMissing);
        assert_eq!(response.headers()[header::LOCATION], "/console");
    }

    #[test]
    fn a_page_that_failed_leads_one_step_back() {
        let site = site();
        let (headers, peer) = (HeaderMap::new(), "127.0.0.1:1".parse().unwrap());
        let refused = |code: ErrorCode, method: &Method, path: &'static str| {
            let uri = path.parse().unwrap();
            let visitor = Visitor { site: &site, method, uri: &uri, headers: &headers, peer };
            next_link(&code.into(), visitor)
        };
        let leads_to = |method: &Method, path: &'static str| refused(ErrorCode::StoreUnavailable, method, path);
        assert_eq!(leads_to(&Method::GET, "/"), NextLink::Again("/".to_owned()));
        assert_eq!(leads_to(&Method::GET, "/sales/a/line"), NextLink::Sale("a".to_owned()));
        assert_eq!(leads_to(&Method::POST, "/sales/a/enter"), NextLink::Line("a".to_owned()));
        assert_eq!(leads_to(&Method::GET, "/sales/a/checkout"), NextLink::Line("a".to_owned()));
        assert_eq!(leads_to(&Method::POST, "/sales/a/checkout"), NextLink::Checkout("a".to_owned()));
        assert_eq!(leads_to(&Method::POST, "/orders/o/pay"), NextLink::Order("o".to_owned()));
        assert_eq!(leads_to(&Method::GET, "/console/mailbox"), NextLink::Console);

        let get = Method::GET;
        assert_eq!(refused(ErrorCode::SaleNotFound, &get, "/console/sales/nope"), NextLink::Console);
        assert_eq!(refused(ErrorCode::SaleNotFound, &get, "/sales/nope/line"), NextLink::Sales);
        assert_eq!(refused(ErrorCode::MethodNotAllowed, &get, "/orders/o/pay"), NextLink::Sales);
        assert_eq!(refused(ErrorCode::NotFound, &get, "/orders/o/nothing"), NextLink::Sales);
        assert_eq!(refused(ErrorCode::TicketInvalid, &Method::POST, "/sales/a/enter"), NextLink::Sale("a".to_owned()));
    }
}
