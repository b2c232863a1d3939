//! The routes of the hot path, matched by hand: [`route`] parses a method and a path into a [`Route`].

use http::Method;
use sale::SaleId;
use web::{ApiError, ErrorCode};

/// A route of the hot path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Join(SaleId),
    Frame(SaleId),
    Stream(SaleId),
    Standing(SaleId),
    Leave(SaleId),
    Enter(SaleId),
    Jwks,
    Page(Page),
}

/// A page or a form of the hot path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    Sale(SaleId),
    Line(SaleId),
    JoinForm(SaleId),
    LeaveForm(SaleId),
    EnterForm(SaleId),
}

impl Route {
    /// The names of the routes in logs and metrics, by [`Route::index`].
    pub const NAMES: [&str; 12] = [
        "join",
        "frame",
        "stream",
        "standing",
        "leave",
        "enter",
        "jwks",
        "sale_page",
        "line_page",
        "join_form",
        "leave_form",
        "enter_form",
    ];

    /// The index in [`Route::NAMES`].
    pub const fn index(&self) -> usize {
        match self {
            Self::Join(_) => 0,
            Self::Frame(_) => 1,
            Self::Stream(_) => 2,
            Self::Standing(_) => 3,
            Self::Leave(_) => 4,
            Self::Enter(_) => 5,
            Self::Jwks => 6,
            Self::Page(Page::Sale(_)) => 7,
            Self::Page(Page::Line(_)) => 8,
            Self::Page(Page::JoinForm(_)) => 9,
            Self::Page(Page::LeaveForm(_)) => 10,
            Self::Page(Page::EnterForm(_)) => 11,
        }
    }
}

/// Whether a request is one of the hot path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteMatch {
    Matched(Route),
    /// The path is one of the hot path, but the method is not allowed, or the id of the sale is malformed.
    Refused(ApiError),
    /// The path belongs to the router.
    NotMatched,
}

pub fn route(method: &Method, path: &str) -> RouteMatch {
    if path == "/.well-known/jwks.json" {
        return only(method, READS, || Route::Jwks);
    }
    if let Some(rest) = path.strip_prefix("/v1/sales/") {
        return api(method, rest);
    }
    match path.strip_prefix("/sales/") {
        Some(rest) => page(method, rest),
        None => RouteMatch::NotMatched,
    }
}

fn api(method: &Method, rest: &str) -> RouteMatch {
    let Some((sale, step)) = rest.split_once('/') else { return RouteMatch::NotMatched };
    if !matches!(step, "tickets" | "frame" | "stream" | "tickets/self" | "passes") {
        return RouteMatch::NotMatched;
    }
    let Ok(sale) = sale.parse::<SaleId>() else { return RouteMatch::Refused(ErrorCode::SaleNotFound.into()) };
    match step {
        "tickets" => only(method, WRITES, || Route::Join(sale)),
        "frame" => only(method, READS, || Route::Frame(sale)),
        "stream" => only(method, READS, || Route::Stream(sale)),
        "passes" => only(method, WRITES, || Route::Enter(sale)),
        _ if method == Method::DELETE => RouteMatch::Matched(Route::Leave(sale)),
        _ => only(method, "GET,HEAD,DELETE", || Route::Standing(sale)),
    }
}

fn page(method: &Method, rest: &str) -> RouteMatch {
    let (sale, step) = rest.split_once('/').unwrap_or((rest, ""));
    let to: fn(SaleId) -> Page = match step {
        "" if rest.ends_with('/') => return RouteMatch::NotMatched,
        "" => Page::Sale,
        "line" => Page::Line,
        "join" => Page::JoinForm,
        "line/leave" => Page::LeaveForm,
        "enter" => Page::EnterForm,
        _ => return RouteMatch::NotMatched,
    };
    let Ok(sale) = sale.parse::<SaleId>() else { return RouteMatch::Refused(ErrorCode::SaleNotFound.into()) };
    let allowed = if matches!(step, "" | "line") { READS } else { WRITES };
    only(method, allowed, || Route::Page(to(sale)))
}

/// HEAD is answered like GET; hyper omits the body.
const READS: &str = "GET,HEAD";
const WRITES: &str = "POST";

fn only(method: &Method, allowed: &'static str, route: impl FnOnce() -> Route) -> RouteMatch {
    if allowed.split(',').any(|name| name == method.as_str()) {
        RouteMatch::Matched(route())
    } else {
        RouteMatch::Refused(ApiError::from(ErrorCode::MethodNotAllowed).allow(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_hot_path_has_its_route() {
        let sale: SaleId = "sneaker".parse().unwrap();
        for (method, path, expected) in [
            (Method::POST, "/v1/sales/sneaker/tickets", Route::Join(sale.clone())),
            (Method::GET, "/v1/sales/sneaker/frame", Route::Frame(sale.clone())),
            (Method::HEAD, "/v1/sales/sneaker/frame", Route::Frame(sale.clone())),
            (Method::GET, "/v1/sales/sneaker/stream", Route::Stream(sale.clone())),
            (Method::GET, "/v1/sales/sneaker/tickets/self", Route::Standing(sale.clone())),
            (Method::DELETE, "/v1/sales/sneaker/tickets/self", Route::Leave(sale.clone())),
            (Method::POST, "/v1/sales/sneaker/passes", Route::Enter(sale.clone())),
            (Method::GET, "/sales/sneaker", Route::Page(Page::Sale(sale.clone()))),
            (Method::GET, "/sales/sneaker/line", Route::Page(Page::Line(sale.clone()))),
            (Method::POST, "/sales/sneaker/enter", Route::Page(Page::EnterForm(sale))),
        ] {
            assert_eq!(route(&method, path), RouteMatch::Matched(expected), "{method} {path}");
        }
    }

    #[test]
    fn other_paths_do_not_match_and_wrong_methods_are_refused() {
        for path in
            ["/", "/v1/sales", "/v1/sales/sneaker", "/v1/sales/sneaker/orders", "/sales/a/checkout", "/sales/a/"]
        {
            assert_eq!(route(&Method::GET, path), RouteMatch::NotMatched, "{path}");
        }
        assert_eq!(
            route(&Method::GET, "/v1/sales/a/passes"),
            RouteMatch::Refused(ApiError::from(ErrorCode::MethodNotAllowed).allow("POST"))
        );
        assert_eq!(route(&Method::GET, "/v1/sales/Sneaker/frame"), RouteMatch::Refused(ErrorCode::SaleNotFound.into()));
    }
}
