//! Requests that the waiting room refuses: join, poll, enter, leave, forged tickets, writes from other sites, and malformed
//! HTTP.

use harness::http::Request;
use openrun::router::NOT_BUILT;
use sale::{Keys, Ticket};

use crate::{
    row::{Row, row},
    world::{Buyer, World, one_pair},
};

pub(crate) fn rows(world: &World) -> Vec<Row> {
    [joins(), tickets(world), forged_tickets(world), paths(world), origins(world), sizes(world), smuggling(world)]
        .concat()
}

fn joins() -> Vec<Row> {
    let join = |sale: &str| Request::new("POST", format!("/v1/sales/{sale}/tickets"));
    let code = "idempotency_key_missing";
    vec![
        row("join nowhere", join("nowhere")).is(404, "sale_not_found"),
        row("join a sale by no name", join("Open")).is(404, "sale_not_found"),
        row("join a name too long", join(&"a".repeat(65))).is(404, "sale_not_found"),
        row("join bytes", join("%ff")).is(404, "sale_not_found"),
        row("join too early", join("later")).is(409, "sale_not_open").with("retry-after"),
        row("join too late", join("closed")).is(410, "sale_closed"),
        row("join when all is sold", join("gone")).is(410, "sold_out"),
        row("join with an empty key", join("slow").key("")).is(400, code),
        row("join with a key too long", join("slow").key(&"k".repeat(256))).is(400, code),
        row("join with a tab in the key", join("slow").key("a\tb")).is(400, code),
        row("join with a key beyond ASCII", join("slow").key("열쇠")).is(400, code),
        row("join with a large body told", join("slow").header("content-length", "70000")).is(413, "too_large"),
        // The same key has the same ticket.
        row("join again", join("slow").key("gigi")).plain(200),
        row("join again after the closing", join("closed").key("lena")).is(410, "sale_closed"),
    ]
}

/// Every call that takes a ticket.
const STEPS: [(&str, &str); 3] = [("GET", "tickets/self"), ("DELETE", "tickets/self"), ("POST", "passes")];

fn tickets(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for (method, step) in STEPS {
        let at = |sale: &str| Request::new(method, format!("/v1/sales/{sale}/{step}"));
        let own = |cookie: String| at("slow").header("cookie", cookie).header("sec-fetch-site", "same-origin");
        let named = |what: &str| format!("{method} {step}: {what}");
        let (gigi, hana, bora) = (&world.gigi, &world.hana, &world.bora);
        let swapped = Buyer { ticket: gigi.ticket.clone(), ..hana.clone() };
        let mut without = hana.cookies();
        without.drain(..=without.find(';').unwrap_or(0));
        rows.extend([
            row(named("no ticket"), at("slow")).is(401, "ticket_missing"),
            row(named("nonsense"), at("slow").bearer("nonsense")).is(401, "ticket_invalid"),
            row(named("20 KB"), at("slow").bearer(&"x".repeat(20_000))).is(401, "ticket_invalid"),
            row(named("100 KB"), at("slow").bearer(&"x".repeat(100_000))).is(431, "headers_too_large"),
            row(named("a pass"), at("slow").bearer(&world.anna.pass)).is(401, "ticket_invalid"),
            row(named("a seller's token"), at("slow").bearer(&world.shop.seller)).is(401, "ticket_invalid"),
            row(named("a ticket of another sale"), at("slow").bearer(&world.anna.ticket)).is(403, "wrong_sale"),
            row(named("a ticket in another sale"), at("open").bearer(&gigi.ticket)).is(403, "wrong_sale"),
            row(named("no such sale"), at("nowhere").bearer(&gigi.ticket)).is(404, "sale_not_found"),
            row(named("no such sale and no ticket"), at("nowhere")).is(404, "sale_not_found"),
            row(named("no name"), at("Slow").bearer(&gigi.ticket)).is(404, "sale_not_found"),
            row(named("a bound ticket without its cookie"), at("slow").bearer(&hana.ticket)).is(403, "wrong_session"),
            row(
                named("a bound ticket with another cookie"),
                own(format!("openrun={}", bora.session.as_deref().unwrap_or_default())).bearer(&hana.ticket),
            )
            .is(403, "wrong_session"),
            row(named("another's ticket with my cookie"), own(swapped.cookies())).is(403, "wrong_session"),
            row(named("a ticket's cookie without the session's"), own(without.clone())).is(403, "wrong_session"),
        ]);
    }
    let enter = |sale: &str, ticket: &str| Request::new("POST", format!("/v1/sales/{sale}/passes")).bearer(ticket);
    rows.extend([
        row("enter before the turn", enter("slow", &world.gigi.ticket)).is(409, "not_called").with("retry-after"),
        row("enter after leaving", enter("slow", &world.ivan.ticket)).is(410, "ticket_gone"),
        row("enter after the order", enter("open", &world.chul.ticket)).is(410, "ticket_gone"),
        row("enter after the closing", enter("closed", &world.lena.ticket)).is(410, "sale_closed"),
        row("enter again", enter("open", &world.anna.ticket)).plain(200),
    ]);
    rows
}

fn forged_tickets(world: &World) -> Vec<Row> {
    let ticket = &world.gigi.ticket;
    let own = Ticket::verify(&world.shop.keys().tickets, ticket).unwrap();
    let mut forged = vec![
        ("another installation's key".to_owned(), own.sign(&Keys::generate().tickets)),
        ("cut".to_owned(), ticket[..ticket.len() - 4].to_owned()),
        ("longer".to_owned(), format!("{ticket}AAAA")),
        ("padded".to_owned(), format!("{ticket}=")),
        ("twice".to_owned(), format!("{ticket}{ticket}")),
        ("empty parts".to_owned(), "....".to_owned()),
    ];
    for at in (0..ticket.len()).step_by(5).chain([ticket.len() - 1]) {
        let mut edited = ticket.clone().into_bytes();
        edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
        forged.push((format!("letter {at} edited"), String::from_utf8(edited).unwrap()));
    }
    let rows = forged.iter().flat_map(|(name, forged)| {
        STEPS.map(|(method, step)| {
            let request = Request::new(method, format!("/v1/sales/slow/{step}")).bearer(forged);
            row(format!("{method} {step}: a ticket: {name}"), request).is(401, "ticket_invalid")
        })
    });
    rows.collect()
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn paths(world: &World) -> Vec<Row> {
    let at = |method: &str, path: &str| row(format!("{method} {path}"), Request::new(method, path));
    let mut rows = Vec::new();
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/sales/open/nothing",
        "/v1/sales/open/tickets/other",
        "/v1/sales/open/frame/",
        "/.well-known/nothing",
        "/v1/%ff",
        "/v1/sales/open/%ff",
    ] {
        rows.push(at("GET", path).is(404, "not_found"));
    }
    for path in [
        "/v1/sales/nowhere",
        "/v1/sales/Open",
        "/v1/sales/%ff",
        "/v1/sales/nowhere/frame",
        "/v1/sales/nowhere/stream",
        "/v1/sales/a%00b/frame",
        "/v1/sales/..%2fopen/frame",
    ] {
        rows.push(at("GET", path).is(404, "sale_not_found"));
    }
    for (method, path) in [
        ("PUT", "/v1/sales"),
        ("PUT", "/v1/sales/open"),
        ("POST", "/v1/sales/open"),
        ("POST", "/v1/sales/open/frame"),
        ("OPTIONS", "/v1/sales/open/frame"),
        ("POST", "/v1/sales/open/stream"),
        ("GET", "/v1/sales/open/tickets"),
        ("HEAD", "/v1/sales/open/tickets"),
        ("PUT", "/v1/sales/open/tickets/self"),
        ("GET", "/v1/sales/open/passes"),
        ("DELETE", "/v1/sales/open/orders"),
        ("GET", "/v1/sales/open/admission"),
        ("GET", "/v1/sales/open/pause"),
        ("POST", "/v1/sales/open/live"),
        ("DELETE", "/.well-known/jwks.json"),
        ("POST", "/openapi.json"),
        ("OPTIONS", "/v1/sales"),
        ("TRACE", "/v1/sales"),
        ("BREW", "/v1/sales"),
        ("BREW", "/v1/sales/open/tickets"),
    ] {
        // An answer to HEAD has no body to look at.
        let row = at(method, path);
        rows.push(if method == "HEAD" { row.plain(405).with("allow") } else { row.is(405, "method_not_allowed") });
    }
    let id = &world.held;
    for (method, path) in [
        ("DELETE", format!("/v1/orders/{id}")),
        ("GET", format!("/v1/orders/{id}/payments")),
        ("GET", format!("/v1/orders/{id}/cancel")),
    ] {
        rows.push(at(method, &path).is(405, "method_not_allowed"));
    }
    for path in [
        "/v1/sales",
        "/v1/sales/open",
        "/v1/sales/open/frame",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/sales/open",
        "/",
    ] {
        rows.push(at("HEAD", path).plain(200));
        rows.push(at("GET", path).plain(200));
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        rows.push(at("POST", path).is(405, "method_not_allowed"));
    }
    rows.extend(not_built(world));
    for query in ["cursor=Sales!", "cursor=%ff"] {
        rows.push(at("GET", &format!("/v1/sales?{query}")).is(422, "invalid_field").at("/cursor"));
    }
    rows.push(at("GET", "/v1/sales?cursor=a&cursor=b").is(422, "invalid_field"));
    rows.push(
        row("a trace id that is none", Request::new("GET", "/v1/nothing").header("traceparent", "00-xyz-1-01"))
            .plain(404),
    );
    rows
}

/// What is announced for later is refused in a sentence.
fn not_built(world: &World) -> Vec<Row> {
    let calls = NOT_BUILT.iter().flat_map(|(methods, path)| methods.split(' ').map(move |method| (method, *path)));
    let rows = calls.flat_map(|(method, template)| {
        let path = template.replace("{sale}", "open").replace("{order}", &world.held);
        let row = row(format!("{method} {template}"), Request::new(method, path));
        let is_page = !template.starts_with("/v1/") && !template.starts_with("/gate/");
        if is_page { row.page(422) } else { vec![row.is(422, "not_supported")] }
    });
    rows.collect()
}

/// Writes that a page of another site made a browser send.
fn origins(world: &World) -> Vec<Row> {
    let (held, cookies) = (&world.held, world.bora.cookies());
    let json = one_pair().to_string();
    let routes = [
        ("POST", "/v1/sales/open/tickets".to_owned()),
        ("DELETE", "/v1/sales/open/tickets/self".to_owned()),
        ("POST", "/v1/sales/open/passes".to_owned()),
        ("POST", "/v1/sales/open/orders".to_owned()),
        ("POST", format!("/v1/orders/{held}/payments")),
        ("POST", format!("/v1/orders/{held}/cancel")),
        ("POST", "/v1/sales".to_owned()),
        ("PATCH", "/v1/sales/open".to_owned()),
        ("PUT", "/v1/sales/open/admission".to_owned()),
        ("POST", "/v1/sales/open/pause".to_owned()),
        ("POST", "/v1/sales/open/resume".to_owned()),
        ("POST", "/v1/sales/open/close".to_owned()),
        ("POST", "/v1/sellers".to_owned()),
    ];
    let mut rows = Vec::new();
    for (method, path) in routes {
        let request = || {
            let cookies = format!("{cookies}; openrun-console={}", world.console);
            Request::new(method, path.clone()).header("cookie", cookies).key("refused").json(&json)
        };
        let from =
            |what: &str, request: Request| row(format!("{method} {path} {what}"), request).is(403, "cross_origin");
        rows.extend([
            from("from another site", request().header("sec-fetch-site", "cross-site")),
            from("from a neighbour", request().header("sec-fetch-site", "same-site")),
            from("of another origin", request().header("origin", "https://elsewhere.example")),
            from("of no origin", request().header("origin", "null")),
            from(
                "of nearly this origin",
                request().header("origin", format!("http://{}.elsewhere.example", world.shop.address)),
            ),
            from("that does not tell", request()),
            from(
                "by another site without a cookie",
                Request::new(method, path.clone()).header("sec-fetch-site", "cross-site"),
            ),
        ]);
    }
    rows
}

fn sizes(world: &World) -> Vec<Row> {
    let get = |path: &str| Request::new("GET", path);
    let long = "x".repeat(5_000);
    let mut many = get("/v1/sales/open");
    for at in 0..90 {
        many = many.header(&format!("x-filling-{at}"), "x".repeat(500));
    }
    let mut crowd = get("/v1/sales/open");
    for at in 0..500 {
        crowd = crowd.header(&format!("x-{at}"), "1");
    }
    let head = format!("GET /v1/sales/open HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx: ", world.shop.address);
    vec![
        row("a long path", get(&format!("/v1/sales/{long}"))).is(414, "uri_too_long"),
        row("a long query", get(&format!("/v1/sales?cursor={long}"))).is(414, "uri_too_long"),
        row("a long path of a step", get(&format!("/v1/sales/{long}/frame"))).is(414, "uri_too_long"),
        row("one large header", get("/v1/sales/open").header("x-filling", "x".repeat(40_000)))
            .is(431, "headers_too_large"),
        row("many headers", many).is(431, "headers_too_large"),
        row("a large cookie", get("/v1/sales/open").header("cookie", "a=".to_owned() + &"x".repeat(40_000)))
            .is(431, "headers_too_large"),
        // Beyond what is read at all there is a status only.
        row("500 headers", crowd).plain(431),
        row("a header without an end", get("/").raw(format!("{head}{}", "x".repeat(1_000_000)))).plain(431),
    ]
}

fn smuggling(world: &World) -> Vec<Row> {
    let host = world.shop.address;
    let head = |line: &str, headers: &str| format!("{line}\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n");
    let order = "POST /v1/sales/open/orders HTTP/1.1";
    let raw = |name: &str, bytes: Vec<u8>| row(name, Request::default().raw(bytes));
    let inner = format!("0\r\n\r\nPOST /v1/sales/slow/tickets HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\n\r\n");
    let both = format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", inner.len());
    let mut rows: Vec<Row> = [
        ("two lengths", head(order, "content-length: 5\r\ncontent-length: 6\r\n") + "{}{}{}"),
        ("two lengths in one", head(order, "content-length: 5, 6\r\n") + "{}{}{}"),
        ("a negative length", head(order, "content-length: -1\r\n")),
        ("a length that is no number", head(order, "content-length: ten\r\n")),
        ("a length with a plus", head(order, "content-length: +2\r\n") + "{}"),
        ("an unknown coding", head(order, "transfer-encoding: zip\r\n") + "{}"),
        ("a coding before chunked", head(order, "transfer-encoding: chunked, zip\r\n") + "0\r\n\r\n"),
        ("a bad chunk", head(order, "transfer-encoding: chunked\r\n") + "zz\r\n{}\r\n0\r\n\r\n"),
        ("a huge chunk", head(order, "transfer-encoding: chunked\r\n") + "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("a space before the colon", head("GET / HTTP/1.1", "content-length : 0\r\n")),
        ("a folded header", head("GET / HTTP/1.1", "x: a\r\n b\r\n")),
        ("a header without a name", head("GET / HTTP/1.1", ": a\r\n")),
        ("two hosts", head("GET / HTTP/1.1", "host: elsewhere.example\r\n")),
        ("no host", "GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned()),
        ("two spaces", head("GET  /  HTTP/1.1", "")),
        ("no version", "GET /\r\n\r\n".to_owned()),
        ("another version", head("GET / HTTP/3.0", "")),
        ("an old version", "GET / HTTP/1.0\r\n\r\n".to_owned()),
        ("no path", head("GET HTTP/1.1", "")),
        ("a whole address", head("GET http://elsewhere.example/v1/sales HTTP/1.1", "")),
        ("an authority", head("CONNECT elsewhere.example:443 HTTP/1.1", "")),
        ("a star", head("OPTIONS * HTTP/1.1", "")),
        ("an upgrade", head("GET / HTTP/1.1", "upgrade: h2c\r\nconnection: upgrade\r\n")),
        ("another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\r\n\r\n".to_owned()),
        ("a path that climbs", head("GET /../../etc/passwd HTTP/1.1", "")),
    ]
    .map(|(name, text)| raw(name, text.into_bytes()))
    .to_vec();
    rows.push(raw("a zero byte in a header", [head("GET / HTTP/1.1", "x: a").as_bytes(), b"\0b\r\n\r\n"].concat()));
    rows.push(raw(
        "a control character in the key",
        [
            format!("{order}\r\nhost: {host}\r\nconnection: close\r\nidempotency-key: a").as_bytes(),
            b"\x01b\r\ncontent-length: 0\r\n\r\n",
        ]
        .concat(),
    ));
    // Whoever reads the length sees a body, whoever reads the chunks a second request. It must not be carried out.
    rows.push(raw("a request inside a body", (head(order, &both) + &inner).into_bytes()));
    rows
}
