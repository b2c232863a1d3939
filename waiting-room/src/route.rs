//! Routing is data: a path becomes a [`Route`] in one function, the route becomes an answer in one match.

use http::Method;
use sale::SaleId;
use web::{ApiError, ErrorCode};

/// The front door's hot path.
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

/// The hot path as people meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    Sale(SaleId),
    Line(SaleId),
    JoinForm(SaleId),
    LeaveForm(SaleId),
    EnterForm(SaleId),
}

impl Route {
    /// What logs and metrics call the routes, by [`Route::nth`].
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

    /// The place among [`Route::NAMES`].
    pub const fn nth(&self) -> usize {
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

/// What a path is to the front door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    Here(Route),
    /// This door knows the path, but not with this method, or the sale's name is no name.
    Refused(ApiError),
    /// Somebody else's.
    Elsewhere,
}

pub fn route(method: &Method, path: &str) -> Routed {
    if path == "/.well-known/jwks.json" {
        return only(method, READS, || Route::Jwks);
    }
    if let Some(rest) = path.strip_prefix("/v1/sales/") {
        return api(method, rest);
    }
    match path.strip_prefix("/sales/") {
        Some(rest) => page(method, rest),
        None => Routed::Elsewhere,
    }
}

fn api(method: &Method, rest: &str) -> Routed {
    let Some((sale, step)) = rest.split_once('/') else { return Routed::Elsewhere };
    if !matches!(step, "tickets" | "frame" | "stream" | "tickets/self" | "passes") {
        return Routed::Elsewhere;
    }
    let Ok(sale) = sale.parse::<SaleId>() else { return Routed::Refused(ErrorCode::SaleNotFound.into()) };
    match step {
        "tickets" => only(method, WRITES, || Route::Join(sale)),
        "frame" => only(method, READS, || Route::Frame(sale)),
        "stream" => only(method, READS, || Route::Stream(sale)),
        "passes" => only(method, WRITES, || Route::Enter(sale)),
        _ if method == Method::DELETE => Routed::Here(Route::Leave(sale)),
        _ => only(method, "GET,HEAD,DELETE", || Route::Standing(sale)),
    }
}

fn page(method: &Method, rest: &str) -> Routed {
    let (sale, step) = rest.split_once('/').unwrap_or((rest, ""));
    let to: fn(SaleId) -> Page = match step {
        "" if rest.ends_with('/') => return Routed::Elsewhere,
        "" => Page::Sale,
        "line" => Page::Line,
        "join" => Page::JoinForm,
        "line/leave" => Page::LeaveForm,
        "enter" => Page::EnterForm,
        _ => return Routed::Elsewhere,
    };
    let Ok(sale) = sale.parse::<SaleId>() else { return Routed::Refused(ErrorCode::SaleNotFound.into()) };
    let allowed = if matches!(step, "" | "line") { READS } else { WRITES };
    only(method, allowed, || Route::Page(to(sale)))
}

/// HEAD is GET without the body, which hyper leaves out by itself.
const READS: &str = "GET,HEAD";
const WRITES: &str = "POST";

fn only(method: &Method, allowed: &'static str, route: impl FnOnce() -> Route) -> Routed {
    if allowed.split(',').any(|name| name == method.as_str()) {
        Routed::Here(route())
    } else {
        Routed::Refused(ApiError::from(ErrorCode::MethodNotAllowed).allow(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_hot_path_finds_its_step() {
        let sale: SaleId = "sneaker".parse().unwrap();
        for (method, path, wanted) in [
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
            assert_eq!(route(&method, path), Routed::Here(wanted), "{method} {path}");
        }
    }

    #[test]
    fn other_paths_are_somebody_elses_and_wrong_methods_are_refused() {
        for path in
            ["/", "/v1/sales", "/v1/sales/sneaker", "/v1/sales/sneaker/orders", "/sales/a/checkout", "/sales/a/"]
        {
            assert_eq!(route(&Method::GET, path), Routed::Elsewhere, "{path}");
        }
        assert_eq!(
            route(&Method::GET, "/v1/sales/a/passes"),
            Routed::Refused(ApiError::from(ErrorCode::MethodNotAllowed).allow("POST"))
        );
        assert_eq!(route(&Method::GET, "/v1/sales/Sneaker/frame"), Routed::Refused(ErrorCode::SaleNotFound.into()));
    }
}
