//! The same for people: a page that says what happened and leads on, in their language, never a blank or JSON.

use harness::http::Request;

use crate::{
    row::{Row, row},
    world::World,
};

const UNKNOWN: &str = "018f0000-0000-7000-8000-000000000000";

pub(crate) fn rows(world: &World) -> Vec<Row> {
    [nowhere(world), lines(world), checkouts(world), orders(world), console(world), origins(world)].concat()
}

fn own(request: Request, cookie: impl Into<String>) -> Request {
    request.header("cookie", cookie).header("sec-fetch-site", "same-origin")
}

fn nowhere(world: &World) -> Vec<Row> {
    let id = &world.held;
    let mut rows = Vec::new();
    for path in [
        "/nothing",
        "/sales",
        "/sales/nowhere",
        "/sales/Open",
        "/sales/%ff",
        "/sales/open/",
        "/sales/open/nothing",
        "/sales/nowhere/line",
        "/sales/nowhere/checkout",
        "/sales/Open/checkout",
        "/orders",
        "/orders/x",
        "/%ff",
        "/index.html",
        "/.env",
        "/sales/%2e%2e",
    ] {
        rows.extend(row(format!("GET {path}"), Request::new("GET", path)).page(404));
    }
    for (method, path) in [
        ("GET", "/sales/open/join".to_owned()),
        ("GET", "/sales/open/enter".to_owned()),
        ("GET", "/sales/open/line/leave".to_owned()),
        ("POST", "/sales/open".to_owned()),
        ("DELETE", "/sales/open/line".to_owned()),
        ("PUT", "/sales/open/checkout".to_owned()),
        ("GET", format!("/orders/{id}/pay")),
        ("GET", format!("/orders/{id}/cancel")),
        ("POST", "/".to_owned()),
        ("GET", "/console/sales".to_owned()),
        ("GET", "/console/sign-out".to_owned()),
        ("GET", "/console/sales/open/pause".to_owned()),
        ("OPTIONS", "/".to_owned()),
        ("BREW", "/sales/open".to_owned()),
    ] {
        rows.extend(row(format!("{method} {path}"), Request::new(method, path)).with("allow").page(405));
    }
    let long = "x".repeat(5_000);
    rows.extend(row("a long address", Request::new("GET", format!("/sales/{long}"))).page(414));
    rows.extend(
        row(
            "a large cookie",
            Request::new("GET", "/sales/open").header("cookie", "a=".to_owned() + &"x".repeat(40_000)),
        )
        .page(431),
    );
    rows.extend(
        row("a large form told", Request::new("POST", "/sales/open/checkout").header("content-length", "70000"))
            .page(413),
    );
    rows
}

fn lines(world: &World) -> Vec<Row> {
    let post = |sale: &str, step: &str| Request::new("POST", format!("/sales/{sale}/{step}"));
    let (hana, bora) = (world.hana.cookies(), world.bora.cookies());
    let stranger = format!("openrun=AAAAAAAAAAAAAAAAAAAAAA; openrun-t-slow={}", world.hana.ticket);
    let mut rows = Vec::new();
    for (name, request, status) in [
        ("join nowhere", own(post("nowhere", "join"), &bora), 404),
        ("join too early", own(post("later", "join"), &bora), 409),
        ("join too late", own(post("closed", "join"), &bora), 410),
        ("join when all is sold", own(post("gone", "join"), &bora), 410),
        ("leave without a ticket", own(post("slow", "line/leave"), &bora), 401),
        ("leave with a forged ticket", own(post("slow", "line/leave"), "openrun-t-slow=forged"), 401),
        ("leave with another's ticket", own(post("slow", "line/leave"), &stranger), 403),
        ("leave nowhere", own(post("nowhere", "line/leave"), &bora), 404),
        ("enter without a ticket", own(post("slow", "enter"), &bora), 401),
        ("enter with another's ticket", own(post("slow", "enter"), &stranger), 403),
        ("enter nowhere", own(post("nowhere", "enter"), &bora), 404),
        ("the line with a forged ticket", own(Request::new("GET", "/sales/slow/line"), "openrun-t-slow=forged"), 401),
        ("the line with another's ticket", own(Request::new("GET", "/sales/slow/line"), &stranger), 403),
    ] {
        rows.extend(row(name, request).page(status));
    }
    rows.push(row("enter before the turn", own(post("slow", "enter"), &hana)).see_other("/sales/slow/line"));
    rows.push(row("the line without a ticket", Request::new("GET", "/sales/slow/line")).see_other("/sales/slow"));
    rows
}

fn checkouts(world: &World) -> Vec<Row> {
    let post = |cookie: &str, form: &str| own(Request::new("POST", "/sales/open/checkout"), cookie).form(form);
    let bora = world.bora.cookies();
    let bora_with =
        |pass: &str| format!("openrun={}; openrun-p-open={pass}", world.bora.session.as_deref().unwrap_or_default());
    let forged = bora_with("forged");
    let others = bora_with(&world.anna.pass);
    let elsewhere = bora_with(&world.finn.pass);
    let bare = || own(Request::new("POST", "/sales/open/checkout"), &bora);
    let large = format!("key=refused&quantity_pair=1&email={}", "x".repeat(70_000));
    let mut rows = Vec::new();
    for (name, request, status) in [
        ("the checkout without a pass", Request::new("GET", "/sales/open/checkout"), 401),
        ("the checkout with a forged pass", own(Request::new("GET", "/sales/open/checkout"), &forged), 401),
        ("the checkout with another's pass", own(Request::new("GET", "/sales/open/checkout"), &others), 403),
        ("the checkout with a pass of another sale", own(Request::new("GET", "/sales/open/checkout"), &elsewhere), 403),
        ("reserve without a pass", post("a=b", "key=refused&quantity_pair=1"), 401),
        ("reserve with a forged pass", post(&forged, "key=refused&quantity_pair=1"), 401),
        ("reserve with another's pass", post(&others, "key=refused&quantity_pair=1"), 403),
        ("reserve without a key", post(&bora, "quantity_pair=1"), 400),
        ("reserve with an empty key", post(&bora, "key=&quantity_pair=1"), 400),
        ("reserve with a key too long", post(&bora, &format!("key={}&quantity_pair=1", "k".repeat(300))), 400),
        ("reserve with a key of control characters", post(&bora, "key=%00&quantity_pair=1"), 400),
        ("reserve with a key beyond ASCII", post(&bora, "key=%ED%95%9C&quantity_pair=1"), 400),
        ("reserve nothing", post(&bora, "key=refused"), 422),
        ("reserve no item", post(&bora, "key=refused&quantity_shoe=1"), 422),
        ("reserve 0", post(&bora, "key=refused&quantity_pair=0"), 422),
        ("reserve -1", post(&bora, "key=refused&quantity_pair=-1"), 422),
        ("reserve 1.5", post(&bora, "key=refused&quantity_pair=1.5"), 422),
        ("reserve a word", post(&bora, "key=refused&quantity_pair=one"), 422),
        ("reserve 10⁹", post(&bora, "key=refused&quantity_pair=1000000000"), 422),
        ("reserve 10³⁰", post(&bora, "key=refused&quantity_pair=1000000000000000000000000000000"), 422),
        ("reserve above the limit", post(&bora, "key=refused&quantity_pair=3"), 409),
        ("reserve with no address", post(&bora, "key=refused&quantity_pair=1&email=nobody"), 422),
        ("reserve with JSON", bare().json("{}"), 415),
        ("reserve without a type", bare().body("key=refused&quantity_pair=1"), 415),
        ("reserve with a large form", post(&bora, &large), 413),
        ("reserve with a large form in chunks", post(&bora, &large).in_chunks(), 413),
        (
            "reserve with bytes",
            bare()
                .header("content-type", "application/x-www-form-urlencoded")
                .body(b"key=\xff&quantity_pair=1".as_slice()),
            400,
        ),
    ] {
        rows.extend(row(name, request).page(status));
    }
    rows
}

fn orders(world: &World) -> Vec<Row> {
    let (held, bora) = (&world.held, world.bora.cookies());
    let pay = |order: &str, cookie: &str, form: &str| {
        own(Request::new("POST", format!("/orders/{order}/pay")), cookie).form(form)
    };
    let pay_own = |form: &str| Request::new("POST", format!("/orders/{held}/pay")).bearer(&world.chul.pass).form(form);
    let mut rows = Vec::new();
    for (name, request, status) in [
        ("another's order", own(Request::new("GET", format!("/orders/{held}")), &bora), 404),
        ("no order", own(Request::new("GET", format!("/orders/{UNKNOWN}")), &bora), 404),
        ("pay another's order", pay(held, &bora, "key=k&method=sandbox_ok"), 404),
        ("pay no order", pay(UNKNOWN, &bora, "key=k&method=sandbox_ok"), 404),
        (
            "pay another's order by JSON",
            own(Request::new("POST", format!("/orders/{held}/pay")), &bora).json("{}"),
            404,
        ),
        ("pay with a key of control characters", pay_own("key=%00&method=sandbox_ok"), 400),
        ("pay with a key beyond ASCII", pay_own("key=%ED%95%9C&method=sandbox_ok"), 400),
        ("pay with a key too long", pay_own(&format!("key={}&method=sandbox_ok", "k".repeat(256))), 400),
        ("pay without a key", pay_own("method=sandbox_ok"), 400),
        ("pay by JSON", Request::new("POST", format!("/orders/{held}/pay")).bearer(&world.chul.pass).json("{}"), 415),
        ("cancel another's order", own(Request::new("POST", format!("/orders/{held}/cancel")), &bora), 404),
        ("cancel no order", own(Request::new("POST", "/orders/x/cancel"), &bora), 404),
    ] {
        rows.extend(row(name, request).page(status));
    }
    rows
}

fn console(world: &World) -> Vec<Row> {
    let signed_in = format!("openrun-console={}", world.console);
    let get = |path: &str| Request::new("GET", path).header("cookie", signed_in.clone());
    let post = |path: &str, form: &str| own(Request::new("POST", path), &signed_in).form(form);
    let mut rows = Vec::new();
    for path in [
        "/console/mailbox",
        "/console/mailbox/1",
        "/console/sales/open/orders",
        "/console/sales/new",
        "/console/sales/open",
        "/console/sales/open/edit",
        "/console/sales/nowhere",
    ] {
        rows.push(row(format!("GET {path} as nobody"), Request::new("GET", path)).see_other("/console"));
        let cookie = Request::new("GET", path).header("cookie", "openrun-console=forged");
        rows.push(row(format!("GET {path} by a forged session"), cookie).see_other("/console"));
    }
    for path in [
        "/console/sales",
        "/console/sales/open/edit",
        "/console/sales/open/admission",
        "/console/sales/open/pause",
        "/console/sales/open/resume",
        "/console/sales/open/close",
    ] {
        let nobody = own(Request::new("POST", path), "a=b").form("per_minute=1");
        rows.push(row(format!("POST {path} as nobody"), nobody).see_other("/console"));
    }
    for (name, request, status) in [
        ("a sign-in link that is none", Request::new("GET", "/console/sign-in/forged"), 410),
        ("a sign-in link of bytes", Request::new("GET", "/console/sign-in/%ff"), 404),
        ("signing in by a link that is none", own(Request::new("POST", "/console/sign-in/forged"), "a=b"), 410),
        ("no such sale", get("/console/sales/nowhere"), 404),
        ("orders nowhere", get("/console/sales/nowhere/orders"), 404),
        ("no such letter", get("/console/mailbox/999999"), 404),
        ("a letter by a name", get("/console/mailbox/first"), 404),
        ("a reset where there is no demo", post("/console/demo/reset", ""), 404),
        ("no name of a sale", get("/console/sales/Open"), 404),
        ("edit nowhere", get("/console/sales/nowhere/edit"), 404),
        (
            "a rate that is a word",
            post("/console/sales/open/admission", "per_minute=fast&max_active=5&overcall=0"),
            422,
        ),
        ("a rate below nothing", post("/console/sales/open/admission", "per_minute=-1&max_active=5&overcall=0"), 422),
        ("no settings", post("/console/sales/open/admission", ""), 422),
        ("settings by JSON", own(Request::new("POST", "/console/sales/open/admission"), &signed_in).json("{}"), 415),
        ("pause nowhere", post("/console/sales/nowhere/pause", ""), 404),
        ("close no name", post("/console/sales/Open/close", ""), 404),
        ("an empty form of a sale", post("/console/sales", ""), 422),
        (
            "a form of a sale that exists",
            post(
                "/console/sales",
                "id=open&name_ko=a&name_en=a&opens_at=2026-01-01T09:00&per_buyer_limit=1&hold_seconds=300&enter_seconds=120&pass_seconds=600&per_minute=600&max_active=200&overcall=0&item_0_id=pair&item_0_name_ko=a&item_0_name_en=a&item_0_amount=1&item_0_currency=KRW&item_0_units=1",
            ),
            422,
        ),
        (
            "an old version of a form",
            post(
                "/console/sales/open/edit",
                "version=0&name_ko=a&name_en=a&opens_at=2026-01-01T09:00&per_buyer_limit=1&hold_seconds=300&enter_seconds=120&pass_seconds=600&per_minute=600&max_active=200&overcall=0&item_0_id=pair&item_0_name_ko=a&item_0_name_en=a&item_0_amount=1&item_0_currency=KRW&item_0_units=1",
            ),
            422,
        ),
    ] {
        rows.extend(row(name, request).page(status));
    }
    rows
}

/// Forms that a page of another site made a browser send.
fn origins(world: &World) -> Vec<Row> {
    let (held, cookies) = (&world.held, world.bora.cookies());
    let routes = [
        "/sales/open/join".to_owned(),
        "/sales/open/line/leave".to_owned(),
        "/sales/open/enter".to_owned(),
        "/sales/open/checkout".to_owned(),
        format!("/orders/{held}/pay"),
        format!("/orders/{held}/cancel"),
        "/console/sign-in/forged".to_owned(),
        "/console/sign-out".to_owned(),
        "/console/sales".to_owned(),
        "/console/sales/open/edit".to_owned(),
        "/console/sales/open/admission".to_owned(),
        "/console/sales/open/pause".to_owned(),
        "/console/sales/open/resume".to_owned(),
        "/console/sales/open/close".to_owned(),
        "/console/demo/reset".to_owned(),
    ];
    let mut rows = Vec::new();
    for path in routes {
        let request = || {
            let cookies = format!("{cookies}; openrun-console={}", world.console);
            Request::new("POST", path.clone())
                .header("cookie", cookies)
                .form("key=refused&quantity_pair=1&method=sandbox_ok")
        };
        for (from, request) in [
            ("from another site", request().header("sec-fetch-site", "cross-site")),
            ("from a neighbour", request().header("sec-fetch-site", "same-site")),
            ("of another origin", request().header("origin", "https://elsewhere.example")),
            ("of no origin", request().header("origin", "null")),
            ("that does not tell", request()),
        ] {
            rows.extend(row(format!("POST {path} {from}"), request).page(403));
        }
    }
    rows
}
