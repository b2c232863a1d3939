//! Every route of the program, from top to bottom.
//!
//! The table is what the program routes by. A line names the method, the path, the role that answers, who may call, and the
//! handler. A handler whose first argument is not the guard of its line does not compile; see [`checkout::http::access`].
//! The hot path alone is matched by hand, in `waiting_room::route`; a test holds that against this table.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::State,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::{MethodFilter, on},
};
use checkout::http::{
    AppState,
    access::{self as guards, Anyone, Guard, Operator, OwnOrder, PassHolder, Principal, Seller},
    console, errors,
    extract::PageRequest,
    live_figures, orders, pages, sales, seller_api, seller_auth,
};
use http::{HeaderName, Method, StatusCode, header};
use server::access_log;
use utoipa_axum::router::UtoipaMethodRouter;
use web::{Access, ApiError, ErrorCode, pages::DocsPage};

use crate::{
    openapi,
    route::{Handler, Route, ServedBy},
};

/// One [`Route`] for each line.
macro_rules! routes {
    ($($method:ident $path:literal $served_by:ident $access:ident $($kind:ident $handler:path)?;)+) => {
        vec![$(Route {
            method: stringify!($method),
            path: $path,
            served_by: ServedBy::$served_by,
            access: routes!(@access $access),
            handler: routes!(@handler $method $access $($kind $handler)?),
        }),+]
    };
    (@access Ticket) => { Access::Ticket };
    (@access Loopback) => { Access::Loopback };
    (@access $guard:ident) => { <$guard as Guard>::ACCESS };
    (@handler $method:ident $access:ident) => { Handler::ByHand };
    (@handler $method:ident $guard:ident page $handler:path) => {
        Handler::Page(routes!(@guarded $method $guard $handler))
    };
    (@handler $method:ident $guard:ident api $handler:path) => {{
        let (schemas, paths, _): UtoipaMethodRouter<AppState> = utoipa_axum::routes!($handler);
        Handler::Api(routes!(@guarded $method $guard $handler), (schemas, paths))
    }};
    (@guarded GET $guard:ident $handler:path) => { guards::read::<$guard, _, _>(MethodFilter::GET, $handler) };
    (@guarded $method:ident $guard:ident $handler:path) => {
        guards::write::<$guard, _, _>(MethodFilter::$method, $handler)
    };
}

/// The table. Lines without a handler are the hot path and the listener's own.
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    routes! {
        // The line of a sale: what everybody asks for at the opening.
        POST   "/v1/sales/{sale}/tickets"           WaitingRoom Anyone;
        GET    "/v1/sales/{sale}/frame"             WaitingRoom Anyone;
        GET    "/v1/sales/{sale}/stream"            WaitingRoom Anyone;
        GET    "/v1/sales/{sale}/tickets/self"      WaitingRoom Ticket;
        DELETE "/v1/sales/{sale}/tickets/self"      WaitingRoom Ticket;
        POST   "/v1/sales/{sale}/passes"            WaitingRoom Ticket;
        GET    "/.well-known/jwks.json"             WaitingRoom Anyone;
        GET    "/sales/{sale}"                      WaitingRoom Anyone;
        GET    "/sales/{sale}/line"                 WaitingRoom Ticket;
        POST   "/sales/{sale}/join"                 WaitingRoom Anyone;
        POST   "/sales/{sale}/line/leave"           WaitingRoom Ticket;
        POST   "/sales/{sale}/enter"                WaitingRoom Ticket;

        // The API of sales and orders.
        GET    "/v1/sales"                          Checkout Anyone     api  sales::list;
        GET    "/v1/sales/{sale}"                   Checkout Principal  api  sales::show;
        POST   "/v1/sales/{sale}/orders"            Checkout PassHolder api  orders::reserve;
        GET    "/v1/orders/{order}"                 Checkout OwnOrder   api  orders::show;
        POST   "/v1/orders/{order}/payments"        Checkout OwnOrder   api  orders::begin_payment;
        POST   "/v1/orders/{order}/cancel"          Checkout OwnOrder   api  orders::cancel;

        // The seller's side.
        POST   "/v1/sales"                          Checkout Seller     api  seller_api::create;
        PATCH  "/v1/sales/{sale}"                   Checkout Seller     api  seller_api::change;
        PUT    "/v1/sales/{sale}/admission"         Checkout Seller     api  seller_api::set_admission;
        POST   "/v1/sales/{sale}/pause"             Checkout Seller     api  seller_api::pause;
        POST   "/v1/sales/{sale}/resume"            Checkout Seller     api  seller_api::resume;
        POST   "/v1/sales/{sale}/close"             Checkout Seller     api  seller_api::close;
        GET    "/v1/sales/{sale}/live"              Checkout Seller     api  live_figures::show;
        GET    "/v1/sales/{sale}/orders"            Checkout Seller     api  orders::list;
        GET    "/v1/sales/{sale}/verify"            Checkout Operator   api  seller_api::verify;
        POST   "/v1/sellers"                        Checkout Operator   api  seller_auth::add;

        // The pages of buyers.
        GET    "/"                                  Checkout Anyone     page pages::sales::list;
        GET    "/sales/{sale}/checkout"             Checkout PassHolder page pages::checkout::show;
        POST   "/sales/{sale}/checkout"             Checkout PassHolder page pages::checkout::reserve;
        GET    "/orders/{order}"                    Checkout OwnOrder   page pages::order::show;
        POST   "/orders/{order}/pay"                Checkout OwnOrder   page pages::order::pay;
        POST   "/orders/{order}/cancel"             Checkout OwnOrder   page pages::order::cancel;

        // The console.
        GET    "/console"                           Checkout Principal  page console::sales::home;
        GET    "/console/sign-in/{secret}"          Checkout Anyone     page console::sign_in::confirm;
        POST   "/console/sign-in/{secret}"          Checkout Anyone     page console::sign_in::sign_in;
        POST   "/console/sign-out"                  Checkout Anyone     page console::sign_in::sign_out;
        POST   "/console/demo/reset"                Checkout Seller     page console::sales::reset_demo;
        POST   "/console/sales"                     Checkout Seller     page console::sale_form::create;
        GET    "/console/sales/new"                 Checkout Seller     page console::sale_form::blank;
        GET    "/console/sales/{sale}"              Checkout Seller     page console::sale::show;
        GET    "/console/sales/{sale}/edit"         Checkout Seller     page console::sale_form::show;
        POST   "/console/sales/{sale}/edit"         Checkout Seller     page console::sale_form::save;
        POST   "/console/sales/{sale}/admission"    Checkout Seller     page console::sale::set_admission;
        POST   "/console/sales/{sale}/pause"        Checkout Seller     page console::sale::pause;
        POST   "/console/sales/{sale}/resume"       Checkout Seller     page console::sale::resume;
        POST   "/console/sales/{sale}/close"        Checkout Seller     page console::sale::close;
        GET    "/console/sales/{sale}/orders"       Checkout Seller     page console::orders::list;
        GET    "/console/mailbox"                   Checkout Seller     page console::mailbox::list;
        GET    "/console/mailbox/{mail}"            Checkout Seller     page console::mailbox::show;

        // What describes the API.
        GET    "/openapi.json"                      Checkout Anyone     page openapi_json;
        GET    "/docs"                              Checkout Anyone     page docs;

        // Operations.
        GET    "/healthz"                           Every Anyone;
        GET    "/readyz"                            Every Anyone;
        GET    "/metrics"                           Every Loopback;
    }
}

/// What is announced for later: refused in a sentence, never taken for a mistake of the caller.
#[rustfmt::skip]
pub const NOT_BUILT: &[(&str, &str)] = &[
    // Accounts.
    ("POST",             "/v1/accounts"),
    ("POST",             "/v1/accounts/verify"),
    ("POST",             "/v1/accounts/verification"),
    ("GET PATCH DELETE", "/v1/accounts/self"),
    ("PUT",              "/v1/accounts/self/password"),
    ("GET POST",         "/v1/accounts/self/addresses"),
    ("PATCH DELETE",     "/v1/accounts/self/addresses/{address}"),
    ("POST",             "/v1/password-resets"),
    ("POST",             "/v1/password-resets/{token}"),
    ("POST DELETE",      "/v1/tokens"),
    ("POST",             "/v1/tokens/refresh"),
    ("DELETE",           "/v1/tokens/self"),
    ("GET",              "/v1/me"),
    ("GET POST",         "/sign-up"),
    ("GET POST",         "/verify"),
    ("GET POST",         "/sign-in"),
    ("GET POST",         "/sign-out"),
    ("GET POST",         "/forgot"),
    ("GET POST",         "/me"),
    ("GET POST",         "/me/addresses"),
    ("GET",              "/me/orders"),

    // The shop.
    ("GET",              "/v1/categories"),
    ("GET POST",         "/v1/products"),
    ("GET PATCH DELETE", "/v1/products/{product}"),
    ("PUT",              "/v1/products/{product}/images/{n}"),
    ("GET",              "/v1/cart"),
    ("PUT DELETE",       "/v1/cart/lines/{product}"),
    ("GET",              "/v1/wishes"),
    ("GET PUT DELETE",   "/v1/wishes/{product}"),
    ("POST",             "/v1/purchases"),
    ("GET",              "/v1/purchases/{purchase}"),
    ("POST",             "/v1/purchases/{purchase}/payments"),
    ("GET",              "/v1/orders"),

    // After the sale.
    ("POST",             "/v1/orders/{order}/returns"),
    ("POST",             "/v1/orders/{order}/prepare"),
    ("POST",             "/v1/orders/{order}/ship"),
    ("POST",             "/v1/orders/{order}/deliver"),
    ("POST",             "/v1/orders/{order}/received"),
    ("POST",             "/v1/orders/{order}/refunds"),
    ("POST",             "/v1/returns/{return}/approve"),
    ("POST",             "/v1/returns/{return}/reject"),
    ("POST",             "/v1/returns/{return}/receive"),
    ("POST",             "/v1/webhooks/stripe"),
    ("POST",             "/v1/webhooks/toss"),

    // The seller's desk.
    ("DELETE",           "/v1/sales/{sale}"),
    ("POST",             "/v1/sales/{sale}/duplicate"),
    ("GET",              "/v1/sales/{sale}/samples"),
    ("PATCH",            "/v1/orders/{order}"),

    // Draws, raffles, invitations.
    ("GET",              "/v1/sales/{sale}/draw"),
    ("GET",              "/v1/sales/{sale}/tickets/self/proof"),
    ("POST",             "/v1/sales/{sale}/invitations"),

    // The line before another shop.
    ("DELETE",           "/v1/passes/self"),
    ("POST",             "/v1/passes/self/renew"),
    ("GET",              "/gate/check"),
    ("PUT",              "/v1/sales/{sale}/rules"),
];

/// The description of the API as JSON, made once.
pub fn description() -> &'static str {
    static DESCRIPTION: LazyLock<String> = LazyLock::new(|| openapi::describe(routes()));
    &DESCRIPTION
}

/// The routes of the checkout.
pub fn router(app: AppState) -> Router {
    let handlers = routes().into_iter().filter_map(|route| match route.handler {
        Handler::Page(handler) | Handler::Api(handler, _) => Some((route.path, handler)),
        Handler::ByHand => None,
    });
    let mut router = handlers.fold(Router::new(), |router, (path, handler)| router.route(path, handler));
    for (methods, path) in NOT_BUILT {
        let filters =
            methods.split(' ').filter_map(|method| MethodFilter::try_from(method.parse::<Method>().ok()?).ok());
        router = filters.fold(router, |router, method| router.route(path, on(method, not_supported)));
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), errors::answer_errors))
        .layer(from_fn(access_log::log))
        .with_state(app)
}

/// The description of the API.
async fn openapi_json(_: Anyone) -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], description())
}

/// The same as a page.
async fn docs(_: Anyone, page: PageRequest) -> Response {
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    let description = serde_json::from_str(description()).unwrap_or_default();
    page.page(&nonce, StatusCode::OK, DocsPage::of(layout, &description).render())
}

async fn not_supported(_: State<AppState>) -> ApiError {
    ErrorCode::NotSupported.into()
}

async fn not_found() -> ApiError {
    ErrorCode::NotFound.into()
}

async fn method_not_allowed() -> ApiError {
    ErrorCode::MethodNotAllowed.into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use waiting_room::RouteMatch;

    use super::*;

    fn sample(path: &str) -> String {
        path.replace("{sale}", "sneaker")
    }

    fn is_hot(method: &str, path: &str) -> Option<&'static str> {
        let method: Method = method.parse().unwrap();
        match waiting_room::route(&method, &sample(path)) {
            RouteMatch::Matched(route) => Some(waiting_room::Route::NAMES[route.index()]),
            RouteMatch::Refused(_) | RouteMatch::NotMatched => None,
        }
    }

    #[test]
    fn the_hot_path_matches_by_hand_what_the_table_gives_it_and_nothing_else() {
        let mut found = HashSet::new();
        for route in routes() {
            let hot = is_hot(route.method, route.path);
            assert_eq!(hot.is_some(), route.served_by == ServedBy::WaitingRoom, "{} {}", route.method, route.path);
            found.extend(hot);
        }
        assert_eq!(found, HashSet::from(waiting_room::Route::NAMES));
        let paths: HashSet<&str> = routes().iter().map(|route| route.path).collect();
        for path in paths {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                let is_known = |route: &Route| (route.method, route.path) == (method, path);
                assert!(is_hot(method, path).is_none() || routes().iter().any(is_known), "{method} {path}");
            }
        }
    }

    #[test]
    fn every_address_that_pages_and_programs_are_sent_to_is_a_route() {
        let routes = routes();
        let templates = [web::paths::TEMPLATES, web::paths::console::TEMPLATES, web::paths::api::TEMPLATES].concat();
        for template in templates {
            assert!(routes.iter().any(|route| route.path == template), "{template}");
        }
    }

    #[test]
    fn orders_are_placed_on_the_route_that_is_counted_for_them() {
        let is_orders = |route: &Route| route.method == "POST" && route.path == access_log::ORDERS_ROUTE;
        assert!(routes().iter().any(is_orders));
    }

    #[test]
    fn no_route_stands_twice() {
        let built = routes().into_iter().map(|route| (route.method, route.path));
        let announced =
            NOT_BUILT.iter().flat_map(|(methods, path)| methods.split(' ').map(move |method| (method, *path)));
        let mut seen = HashSet::new();
        for (method, path) in built.chain(announced) {
            assert!(seen.insert((method, path)), "{method} {path}");
        }
    }

    #[test]
    fn the_language_switch_of_every_page_leads_to_a_page() {
        let routes = routes();
        for route in routes.iter().filter(|route| !route.path.starts_with("/v1/")) {
            let method: Method = route.method.parse().unwrap();
            let page = web::page_context::page_of(&method, route.path);
            let is_shown = |other: &Route| (other.method, other.path) == ("GET", page.as_str());
            assert!(routes.iter().any(is_shown), "{method} {} leads to {page}", route.path);
        }
    }
}
