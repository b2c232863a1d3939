//! Who may call, as the router's table promises: every route as nobody, as another buyer, as somebody without authority,
//! and from another site's page.

use harness::http::Request;
use openrun::{route::Route, router::routes};
use web::Access;

use crate::{
    row::{Row, row},
    world::{Buyer, World},
};

pub(crate) fn rows(world: &World) -> Vec<Row> {
    routes()
        .iter()
        .flat_map(|route| [as_nobody(world, route), as_others(world, route), from_elsewhere(world, route)].concat())
        .collect()
}

/// A call of the route about things that are there: `open`, where all but `finn` stand, and the order of `chul`.
fn call(world: &World, route: &Route) -> Request {
    let sale = if is_join(route) { "later" } else { "open" };
    let path = route.path.replace("{sale}", sale).replace("{order}", &world.held);
    Request::new(route.method, path.replace("{secret}", "nonsense").replace("{mail}", "1"))
}

/// Joins need nothing; before the opening they change nothing either.
fn is_join(route: &Route) -> bool {
    ["/v1/sales/{sale}/tickets", "/sales/{sale}/join"].contains(&route.path)
}

fn is_page(route: &Route) -> bool {
    !route.path.starts_with("/v1/") && !route.path.starts_with("/.well-known/")
}

/// The refusal as the route's readers get it.
fn refused(route: &Route, who: &str, request: Request, status: u16, code: &str) -> Vec<Row> {
    let row = row(format!("{} {} as {who}", route.method, route.path), request);
    match (route.path, code) {
        // Whoever is not signed in is led to the sign-in, and whoever has no place to where it is given.
        (path, "token_missing" | "token_invalid") if path.starts_with("/console") => vec![row.see_other("/console")],
        ("/sales/{sale}/line", "ticket_missing") => vec![row.see_other("/sales/open")],
        _ if is_page(route) => row.page(status),
        _ => vec![row.is(status, code)],
    }
}

fn as_nobody(world: &World, route: &Route) -> Vec<Row> {
    let (status, code) = match route.access {
        Access::Anyone | Access::Loopback => return answered(world, route),
        Access::Ticket => (401, "ticket_missing"),
        Access::Pass => (401, "pass_missing"),
        Access::Buyer => (404, "order_not_found"),
        Access::Seller | Access::Operator => (401, "token_missing"),
    };
    refused(route, "nobody", call(world, route), status, code)
}

/// What anybody may call answers nobody, too. This test's connections come from loopback.
fn answered(world: &World, route: &Route) -> Vec<Row> {
    let name = format!("{} {} as nobody", route.method, route.path);
    let request = call(world, route);
    match (route.method, route.path) {
        ("POST", "/v1/sales/{sale}/tickets") => vec![row(name, request).is(409, "sale_not_open")],
        ("POST", "/sales/{sale}/join") => row(name, request).page(409),
        (_, "/console/sign-in/{secret}") => vec![row(name, request).plain(410)],
        ("POST", "/console/sign-out") => vec![row(name, request).see_other("/console")],
        // The stream would not end.
        ("GET", _) => vec![row(name, Request::new("HEAD", request.path)).plain(200)],
        _ => vec![row(format!("{name}: say here what it answers"), request).plain(0)],
    }
}

/// What is shown belongs to somebody else, or allows something else.
fn as_others(world: &World, route: &Route) -> Vec<Row> {
    let bearer = |token: &str| call(world, route).bearer(token);
    let browser =
        |cookies: String| call(world, route).header("cookie", cookies).header("sec-fetch-site", "same-origin");
    let stolen = |buyer: &Buyer| browser(Buyer { session: world.hana.session.clone(), ..buyer.clone() }.cookies());
    let rows = match route.access {
        Access::Anyone => return Vec::new(),
        Access::Loopback => return forwarded(world, route),
        Access::Ticket => vec![
            refused(route, "the holder of another sale's ticket", bearer(&world.finn.ticket), 403, "wrong_sale"),
            refused(route, "a browser with a stolen ticket", stolen(&world.bora), 403, "wrong_session"),
            refused(route, "the holder of a pass", bearer(&world.anna.pass), 401, "ticket_invalid"),
        ],
        Access::Pass => vec![
            refused(route, "the holder of another sale's pass", bearer(&world.finn.pass), 403, "wrong_sale"),
            refused(route, "a browser with a stolen pass", stolen(&world.bora), 403, "wrong_session"),
            refused(route, "the holder of a ticket", bearer(&world.anna.ticket), 401, "pass_invalid"),
        ],
        Access::Buyer => vec![
            refused(route, "the holder of another ticket", bearer(&world.anna.ticket), 404, "order_not_found"),
            refused(route, "the holder of another pass", bearer(&world.anna.pass), 404, "order_not_found"),
            refused(route, "another browser", browser(world.bora.cookies()), 404, "order_not_found"),
        ],
        Access::Seller => not_sellers(world, route),
        Access::Operator => {
            let seller = refused(route, "a seller", bearer(&world.shop.seller), 403, "not_allowed");
            [not_sellers(world, route), vec![seller]].concat()
        }
    };
    rows.concat()
}

/// A proxy on this machine forwards the request of somebody who is not.
fn forwarded(world: &World, route: &Route) -> Vec<Row> {
    let rows = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].map(|header| {
        let request = call(world, route).header(header, "203.0.113.9");
        row(format!("{} {} with {header}", route.method, route.path), request).is(404, "not_found")
    });
    rows.to_vec()
}

fn not_sellers(world: &World, route: &Route) -> Vec<Vec<Row>> {
    let bearer = |token: &str| call(world, route).bearer(token);
    let browser = call(world, route).header("cookie", world.bora.cookies()).header("sec-fetch-site", "same-origin");
    vec![
        refused(route, "a buyer with a ticket", bearer(&world.anna.ticket), 401, "token_invalid"),
        refused(route, "a buyer with a pass", bearer(&world.anna.pass), 401, "token_invalid"),
        refused(route, "a browser that is not signed in", browser, 401, "token_missing"),
    ]
}

/// No write that another site's page made the browser send gets through, whoever is signed in there.
fn from_elsewhere(world: &World, route: &Route) -> Vec<Row> {
    if route.method == "GET" {
        return Vec::new();
    }
    let cookies = format!("{}; openrun-console={}", world.bora.cookies(), world.console);
    let request = call(world, route).header("cookie", cookies).header("sec-fetch-site", "cross-site");
    refused(route, "another site's page", request, 403, "cross_origin")
}
