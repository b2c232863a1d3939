//! The seller's calls asked wrongly.

use harness::http::Request;
use sale::{
    Keys,
    token::{self, Authority},
};
use serde_json::{Value, json};

use crate::{
    row::{Row, row},
    shop::now,
    world::{World, sale},
};

pub(crate) fn rows(world: &World) -> Vec<Row> {
    [authority(world), creations(world), changes(world), steering(world), sellers(world)].concat()
}

const CALLS: [(&str, &str); 9] = [
    ("POST", "/v1/sales"),
    ("PATCH", "/v1/sales/open"),
    ("PUT", "/v1/sales/open/admission"),
    ("POST", "/v1/sales/open/pause"),
    ("POST", "/v1/sales/open/resume"),
    ("POST", "/v1/sales/open/close"),
    ("GET", "/v1/sales/open/orders"),
    ("GET", "/v1/sales/open/live"),
    ("POST", "/v1/sellers"),
];

fn authority(world: &World) -> Vec<Row> {
    let keys = world.shop.keys();
    let expired = token::sign(&keys.tokens, Authority::Seller, now().plus_seconds(-3_600));
    let forged = token::sign(&Keys::generate().tokens, Authority::Operator, now().plus_seconds(3_600));
    let raised = world.shop.seller.replace("seller", "operator");
    let longer = {
        let mut parts: Vec<&str> = world.shop.seller.split('.').collect();
        parts[3] = "99999999999999";
        parts.join(".")
    };
    let mut rows = Vec::new();
    for (method, path) in CALLS {
        let call = || Request::new(method, path);
        let named = |what: &str| format!("{method} {path}: {what}");
        rows.push(row(named("no token"), call().json("{}")).is(401, "token_missing"));
        let cookie = call().header("cookie", "openrun-console=nonsense").header("sec-fetch-site", "same-origin");
        rows.push(row(named("a session that is none"), cookie).is(401, "token_invalid"));
        for (what, bad) in [
            ("nonsense", "nonsense"),
            ("a forged token", &forged),
            ("an expired token", &expired),
            ("a raised token", &raised),
            ("a prolonged token", &longer),
            ("a ticket", &world.anna.ticket),
            ("a pass", &world.anna.pass),
        ] {
            rows.push(row(named(what), call().bearer(bad).json("{}")).is(401, "token_invalid"));
        }
    }
    rows
}

fn call(world: &World, method: &str, path: &str) -> Request {
    Request::new(method, path).bearer(&world.shop.seller)
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn creations(world: &World) -> Vec<Row> {
    let create = || call(world, "POST", "/v1/sales");
    let with = |pointer: &str, value: Value| {
        let mut document = sale("refused");
        match document.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => document[pointer.trim_start_matches('/')] = value,
        }
        document
    };
    let mut rows = vec![
        row("a sale of half a document", create().json("{")).is(400, "malformed_json"),
        row("a sale that is a list", create().json("[]")).is(400, "malformed_json"),
        row("a sale by form", create().form("id=refused")).is(415, "unsupported_media_type"),
        row("a large sale", create().json(with("/name/ko", json!("가".repeat(30_000))))).is(413, "too_large"),
        row("a sale of nothing", create().json("{}"))
            .is(422, "invalid_field")
            .at("/id")
            .at("/name/ko")
            .at("/name/en")
            .at("/opens_at")
            .at("/items"),
        row("a sale of this name", create().json(sale("open"))).is(409, "sale_exists"),
    ];
    let many: Vec<Value> = vec![sale("x")["items"][0].clone(); 51];
    let twice: Vec<Value> = vec![sale("x")["items"][0].clone(); 2];
    let text = "x".repeat(201);
    for (pointer, value) in [
        ("/id", json!("Refused")),
        ("/id", json!("")),
        ("/id", json!("a".repeat(65))),
        ("/id", json!(5)),
        ("/id", json!(null)),
        ("/id", json!("../x")),
        ("/kind", json!("auction")),
        ("/kind", json!(1)),
        ("/kind", json!(null)),
        ("/name/ko", json!("")),
        ("/name/en", json!("  ")),
        ("/name/ko", json!(text)),
        ("/name/en", json!("a\nb")),
        ("/name/ko", json!(7)),
        ("/message", json!("hello")),
        ("/message", json!({"ko": "가"})),
        ("/opens_at", json!("soon")),
        ("/opens_at", json!(1_700_000_000)),
        ("/opens_at", json!(null)),
        ("/opens_at", json!("2026-13-01T00:00:00Z")),
        ("/closes_at", json!("2020-01-01T00:00:00Z")),
        ("/closes_at", json!("never")),
        ("/items", json!(null)),
        ("/items", json!({})),
        ("/items", json!(many)),
        ("/items/0", json!(1)),
        ("/items/0/id", json!("Pair")),
        ("/items/0/units", json!(0)),
        ("/items/0/units", json!(-1)),
        ("/items/0/units", json!(1.5)),
        ("/items/0/units", json!("1")),
        ("/items/0/units", json!(10_000_001)),
        ("/items/0/units", json!(null)),
        ("/items/0/price", json!(5)),
        ("/items/0/price/amount", json!(-1)),
        ("/items/0/price/amount", json!(1.5)),
        ("/items/0/price/amount", json!("1")),
        ("/items/0/price/amount", json!(1e30)),
        ("/items/0/price/currency", json!("won")),
        ("/items/0/price/currency", json!(1)),
        ("/items/0/name/ko", json!(null)),
        ("/items/1/price/currency", json!("USD")),
        ("/per_buyer_limit", json!(0)),
        ("/per_buyer_limit", json!(1001)),
        ("/per_buyer_limit", json!("1")),
        ("/hold_seconds", json!(4)),
        ("/hold_seconds", json!(3601)),
        ("/hold_seconds", json!(5.5)),
        ("/enter_seconds", json!(4)),
        ("/enter_seconds", json!(901)),
        ("/pass_seconds", json!(4)),
        ("/pass_seconds", json!(601)),
        ("/admission", json!("manual")),
        ("/admission/mode", json!("hand")),
        ("/admission/per_minute", json!(-1)),
        ("/admission/per_minute", json!(1e9)),
        ("/admission/per_minute", json!("600")),
        ("/admission/max_active", json!(0)),
        ("/admission/overcall", json!(-0.1)),
        ("/admission/overcall", json!(11)),
        ("/holds", json!(5)),
        ("/state", json!("open")),
    ] {
        let at = match (pointer, &value) {
            ("/items/0/price", _) => "/items/0/price/amount",
            ("/message", Value::String(_)) => "/message/ko",
            ("/message", _) => "/message/en",
            _ => pointer,
        };
        rows.push(
            row(format!("a sale with {pointer} {value:.40}"), create().json(with(pointer, value)))
                .is(422, "invalid_field")
                .at(at),
        );
    }
    rows.push(
        row("a sale with an item twice", create().json(with("/items", json!(twice))))
            .is(422, "invalid_field")
            .at("/items/1/id"),
    );
    for (pointer, value) in [
        ("/kind", json!("draw")),
        ("/kind", json!("raffle")),
        ("/items", json!([])),
        ("/checkout_url", json!("https://shop.example/checkout")),
        ("/admission/mode", json!("auto")),
    ] {
        rows.push(
            row(format!("a sale with {pointer} {value}"), create().json(with(pointer, value)))
                .is(422, "not_supported")
                .at(pointer),
        );
    }
    rows
}

fn changes(world: &World) -> Vec<Row> {
    let version = world.shop.call("GET", "/v1/sales/open", None)["version"].clone();
    let change = || call(world, "PATCH", "/v1/sales/open");
    let now = || change().header("if-match", format!("\"{version}\""));
    let mut dearer = sale("open")["items"].clone();
    dearer[0]["price"]["amount"] = json!(1);
    let mut fewer = sale("open")["items"].clone();
    fewer[0]["units"] = json!(1);
    let mut other = sale("open")["items"].clone();
    other[0]["id"] = json!("shoe");
    vec![
        row("a change without If-Match", change().json("{}")).is(428, "precondition_required"),
        row("a change of an old version", change().header("if-match", "\"0\"").json("{}"))
            .is(412, "precondition_failed"),
        row("a change of a later version", change().header("if-match", "\"99\"").json("{}"))
            .is(412, "precondition_failed"),
        row("a change of no version", change().header("if-match", "\"first\"").json("{}"))
            .is(412, "precondition_failed"),
        row("a change of a weak version", change().header("if-match", format!("W/\"{version}\"")).json("{}"))
            .is(412, "precondition_failed"),
        row("a change nowhere", call(world, "PATCH", "/v1/sales/nowhere").header("if-match", "\"1\"").json("{}"))
            .is(404, "sale_not_found"),
        row("a wrong change of any version", change().header("if-match", "*").json(json!({"per_buyer_limit": 0})))
            .is(422, "invalid_field")
            .at("/per_buyer_limit"),
        row(
            "a wrong change of some versions",
            change().header("if-match", format!("\"0\", \"{version}\"")).json(json!({"per_buyer_limit": 0})),
        )
        .is(422, "invalid_field")
        .at("/per_buyer_limit"),
        row(
            "a change of any version nowhere",
            call(world, "PATCH", "/v1/sales/nowhere").header("if-match", "*").json("{}"),
        )
        .is(404, "sale_not_found"),
        row("a change that is a list", now().json("[]")).is(400, "malformed_json"),
        row("a change that is no JSON", now().body("x")).is(415, "unsupported_media_type"),
        row("another name", now().json(json!({"id": "other"}))).is(422, "invalid_field").at("/id"),
        row("another kind", now().json(json!({"kind": "draw"}))).is(422, "not_supported").at("/kind"),
        row("another price", now().json(json!({"items": dearer}))).is(422, "invalid_field").at("/items"),
        row("another item", now().json(json!({"items": other}))).is(422, "invalid_field").at("/items"),
        row("fewer units than are gone", now().json(json!({"items": fewer})))
            .is(422, "invalid_field")
            .at("/items/0/units"),
        row("a limit of nothing", now().json(json!({"per_buyer_limit": 0})))
            .is(422, "invalid_field")
            .at("/per_buyer_limit"),
        row("admission by itself", now().json(json!({"admission": {"mode": "auto"}})))
            .is(422, "not_supported")
            .at("/admission/mode"),
        row("an unknown field", now().json(json!({"state": "closed"}))).is(422, "invalid_field").at("/state"),
    ]
}

fn steering(world: &World) -> Vec<Row> {
    let set = |document: Value| call(world, "PUT", "/v1/sales/open/admission").json(document);
    let mut rows = vec![
        row("admission that is no document", set(json!([]))).is(400, "malformed_json"),
        row("admission by itself", set(json!({"mode": "auto"}))).is(422, "not_supported").at("/mode"),
        row("an unknown setting", set(json!({"per_minutes": 5}))).is(422, "invalid_field").at("/per_minutes"),
        row("admission nowhere", call(world, "PUT", "/v1/sales/nowhere/admission").json("{}"))
            .is(404, "sale_not_found"),
    ];
    for (name, value) in [
        ("per_minute", json!(-1)),
        ("per_minute", json!("fast")),
        ("per_minute", json!(1.5)),
        ("max_active", json!(0)),
        ("overcall", json!(99)),
        ("overcall", json!("1")),
    ] {
        rows.push(
            row(format!("{name} {value}"), set(json!({name: value}))).is(422, "invalid_field").at(&format!("/{name}")),
        );
    }
    for verb in ["pause", "resume", "close"] {
        rows.push(
            row(format!("{verb} nowhere"), call(world, "POST", &format!("/v1/sales/nowhere/{verb}")))
                .is(404, "sale_not_found"),
        );
        rows.push(
            row(format!("{verb} no name"), call(world, "POST", &format!("/v1/sales/Open/{verb}")))
                .is(404, "sale_not_found"),
        );
    }
    for part in ["live", "orders"] {
        rows.push(
            row(format!("{part} nowhere"), call(world, "GET", &format!("/v1/sales/nowhere/{part}")))
                .is(404, "sale_not_found"),
        );
    }
    for cursor in ["x", "1.2", "9999999999999999999999.018f0000-0000-7000-8000-000000000000", "%ff"] {
        let path = format!("/v1/sales/open/orders?cursor={cursor}");
        rows.push(
            row(format!("orders from {cursor}"), call(world, "GET", &path)).is(422, "invalid_field").at("/cursor"),
        );
    }
    for sale in ["open", "nowhere"] {
        let verify = format!("/v1/sales/{sale}/verify");
        rows.push(row(format!("verify {sale} as nobody"), Request::new("GET", &*verify)).is(401, "token_missing"));
        rows.push(row(format!("verify {sale} as a seller"), call(world, "GET", &verify)).is(403, "not_allowed"));
    }
    let operator = Request::new("GET", "/v1/sales/nowhere/verify").bearer(&world.shop.operator);
    rows.push(row("verify nowhere", operator).is(404, "sale_not_found"));
    rows.push(
        row("two cursors", call(world, "GET", "/v1/sales/open/orders?cursor=a&cursor=b")).is(422, "invalid_field"),
    );
    rows
}

fn sellers(world: &World) -> Vec<Row> {
    let call = || Request::new("POST", "/v1/sellers").bearer(&world.shop.operator);
    let add = |document: Value| call().json(document);
    let mut rows: Vec<Row> = [
        json!("nobody"),
        json!(5),
        json!(null),
        json!("a@b c"),
        json!("@x"),
        json!("a@"),
        json!("a@b@c"),
        json!("x".repeat(300) + "@y"),
    ]
    .map(|email| {
        row(format!("a seller {email:.20}"), add(json!({"email": email}))).is(422, "invalid_field").at("/email")
    })
    .to_vec();
    rows.push(row("a seller of half a document", call().json("{")).is(400, "malformed_json"));
    // Else one seller would come into the console as another one.
    let by_a_seller = Request::new("POST", "/v1/sellers").bearer(&world.shop.seller);
    let invitation = json!({"email": "another@example.com"});
    rows.push(row("a seller adds a seller", by_a_seller.json(invitation)).is(403, "not_allowed"));
    rows
}
