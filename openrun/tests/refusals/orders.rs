//! Reserve, pay, look, cancel, asked wrongly.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use harness::http::Request;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sale::{Keys, pass::PassIssuer};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    row::{Row, row},
    world::{World, one_pair},
};

const UNKNOWN: &str = "018f0000-0000-7000-8000-000000000000";

pub(crate) fn rows(world: &World) -> Vec<Row> {
    [
        bodies(world),
        lines(world),
        keys(world),
        passes(world),
        forged_passes(world),
        states(world),
        payments(world),
        looks_and_cancels(world),
    ]
    .concat()
}

fn reserve(world: &World) -> Request {
    Request::new("POST", "/v1/sales/open/orders").bearer(&world.anna.pass).key("refused")
}

fn bodies(world: &World) -> Vec<Row> {
    let json = |body: &[u8]| reserve(world).header("content-type", "application/json").body(body);
    let typed = |kind: &str| reserve(world).header("content-type", kind).body(one_pair().to_string());
    let deep = "[".repeat(10_000);
    let deep_lines = format!("{{\"lines\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let large = format!("{{\"lines\":[],\"filling\":\"{}\"}}", "x".repeat(70_000));
    let large_json = || reserve(world).header("content-type", "application/json").body(large.as_bytes());
    let declared = |length: &str| json(b"").header("content-length", length);
    vec![
        row("no body", json(b"")).is(400, "malformed_json"),
        row("half a document", json(b"{\"lines\":[")).is(400, "malformed_json"),
        row("two documents", json(b"{} {}")).is(400, "malformed_json"),
        row("no UTF-8", json(b"{\"lines\":\"\xff\xfe\"}")).is(400, "malformed_json"),
        row("NaN", json(b"{\"lines\":[{\"item\":\"pair\",\"quantity\":NaN}]}")).is(400, "malformed_json"),
        row("null", json(b"null")).is(400, "malformed_json"),
        row("a list", json(b"[]")).is(400, "malformed_json"),
        row("a text", json(b"\"lines\"")).is(400, "malformed_json"),
        row("a form", json(b"item=pair&quantity=1")).is(400, "malformed_json"),
        row("10,000 levels", json(deep.as_bytes())).is(400, "malformed_json"),
        row("10,000 levels inside", json(deep_lines.as_bytes())).is(400, "malformed_json"),
        row("no content type", reserve(world).body(one_pair().to_string())).is(415, "unsupported_media_type"),
        row("plain text", typed("text/plain")).is(415, "unsupported_media_type"),
        row("a form's type", typed("application/x-www-form-urlencoded")).is(415, "unsupported_media_type"),
        row("nearly JSON's type", typed("application/jsonp")).is(415, "unsupported_media_type"),
        row("a large body", large_json()).is(413, "too_large"),
        row("a large body in chunks", large_json().in_chunks()).is(413, "too_large"),
        row("a large body told, none sent", declared("70000")).is(413, "too_large"),
        row("a huge body told, none sent", declared("10000000000")).is(413, "too_large"),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn lines(world: &World) -> Vec<Row> {
    let body = |document: Value| reserve(world).json(document);
    let quantity =
        |text: &str| reserve(world).json(format!("{{\"lines\":[{{\"item\":\"pair\",\"quantity\":{text}}}]}}"));
    let item = |item: Value| body(json!({"lines": [{"item": item, "quantity": 1}]}));
    let contact = |contact: Value| body(json!({"lines": [{"item": "pair", "quantity": 1}], "contact": contact}));
    let mut rows: Vec<Row> = [
        "0",
        "-1",
        "-0",
        "1000000000",
        "1.5",
        "1.0",
        "1e30",
        "1000000000000000000000000000000",
        "-9223372036854775808",
        "9223372036854775808",
    ]
    .map(|text| row(format!("quantity {text}"), quantity(text)).is(422, "invalid_quantity").at("/lines/0/quantity"))
    .to_vec();
    rows.extend(
        ["\"1\"", "null", "true", "[1]", "{}"].map(|text| {
            row(format!("quantity {text}"), quantity(text)).is(422, "invalid_field").at("/lines/0/quantity")
        }),
    );
    let wrong_lines =
        [json!({}), json!({"lines": null}), json!({"lines": {}}), json!({"lines": "pair"}), json!({"lines": []})];
    rows.extend(
        wrong_lines.map(|document| row(document.to_string(), body(document)).is(422, "invalid_field").at("/lines")),
    );
    for line in
        [json!(1), json!(null), json!("pair"), json!([]), json!({"quantity": 1}), json!({"item": 5, "quantity": 1})]
    {
        let name = format!("a line {line}");
        rows.push(row(name, body(json!({"lines": [line]}))).is(422, "invalid_field").at("/lines/0/item"));
    }
    for name in ["shoe", "Pair", "", "pair ", "../pair", &"p".repeat(65)] {
        rows.push(row(format!("item {name:?}"), item(json!(name))).is(422, "unknown_item").at("/lines/0/item"));
    }
    let line = |item: &str, quantity: i64| json!({"item": item, "quantity": quantity});
    let many: Vec<Value> = (0..101).map(|at| line(&format!("item-{at}"), 1)).collect();
    rows.extend([
        row("the second item is unknown", body(json!({"lines": [line("pair", 1), line("a", 1)]})))
            .is(422, "unknown_item")
            .at("/lines/1/item"),
        row("an item twice", body(json!({"lines": [line("pair", 1), line("pair", 1)]})))
            .is(422, "invalid_field")
            .at("/lines/1/item"),
        row("101 lines", body(json!({"lines": many}))).is(422, "invalid_field").at("/lines"),
        row("above the limit", body(json!({"lines": [line("pair", 3)]}))).is(409, "limit_reached"),
        row("above the limit in two lines", body(json!({"lines": [line("pair", 1), line("sock", 2)]})))
            .is(409, "limit_reached"),
    ]);
    for email in [
        json!("nobody"),
        json!(""),
        json!("a@b@c"),
        json!("a@b\r\nBcc: c@d"),
        json!(5),
        json!(null),
        json!("a".repeat(300) + "@x"),
    ] {
        let name = format!("an address {email:.30}");
        rows.push(row(name, contact(json!({"email": email}))).is(422, "invalid_field").at("/contact/email"));
    }
    for whole in [json!("a@b.example"), json!([]), json!(1)] {
        rows.push(row(format!("a contact {whole}"), contact(whole)).is(422, "invalid_field"));
    }
    for locale in [json!("fr"), json!(5), json!("")] {
        let asked = contact(json!({"email": "a@b.example", "locale": locale}));
        rows.push(row(format!("a locale {locale}"), asked).is(422, "invalid_field").at("/contact/locale"));
    }
    rows
}

fn keys(world: &World) -> Vec<Row> {
    let keyless = || Request::new("POST", "/v1/sales/open/orders").bearer(&world.anna.pass).json(one_pair());
    let bought = |key: &str, document: Value| {
        Request::new("POST", "/v1/sales/open/orders").bearer(&world.chul.pass).key(key).json(document)
    };
    let two = json!({"lines": [{"item": "pair", "quantity": 2}]});
    let with_mail = json!({"lines": [{"item": "pair", "quantity": 1}], "contact": {"email": "a@b.example"}});
    let code = "idempotency_key_missing";
    vec![
        row("no key", keyless()).is(400, code),
        row("an empty key", keyless().key("")).is(400, code),
        row("a key too long", keyless().key(&"k".repeat(256))).is(400, code),
        row("a key with a tab", keyless().key("a\tb")).is(400, code),
        row("a key beyond ASCII", keyless().key("열쇠")).is(400, code),
        row("the key with another quantity", bought("first", two.clone())).is(422, "key_reused"),
        row("the key with an address", bought("first", with_mail)).is(422, "key_reused"),
        row("a used pass", bought("second", one_pair())).is(403, "pass_used").member("order", world.held.as_str()),
        row("a used pass with another wish", bought("second", two))
            .is(403, "pass_used")
            .member("order", world.held.as_str()),
    ]
}

fn passes(world: &World) -> Vec<Row> {
    let unasked = || Request::new("POST", "/v1/sales/open/orders").key("refused").json(one_pair());
    let by = |pass: &str| unasked().bearer(pass);
    let cookie = |session: &str, pass: &str| {
        unasked()
            .header("cookie", format!("openrun={session}; openrun-p-open={pass}"))
            .header("sec-fetch-site", "same-origin")
    };
    let (bora, hana) = (world.bora.session.clone().unwrap(), world.hana.session.clone().unwrap());
    let at = |sale: &str, pass: &str| {
        Request::new("POST", format!("/v1/sales/{sale}/orders")).bearer(pass).key("refused").json(one_pair())
    };
    vec![
        row("no pass", unasked()).is(401, "pass_missing"),
        row("an empty bearer", unasked().header("authorization", "Bearer")).is(401, "pass_missing"),
        row("a name and password", unasked().header("authorization", "Basic YTpi")).is(401, "pass_missing"),
        row("an empty cookie", cookie(&bora, "")).is(401, "pass_missing"),
        row("nonsense", by("nonsense")).is(401, "pass_invalid"),
        row("a ticket for a pass", by(&world.anna.ticket)).is(401, "pass_invalid"),
        row("a seller's token for a pass", by(&world.shop.seller)).is(401, "pass_invalid"),
        row("20 KB", by(&"x".repeat(20_000))).is(401, "pass_invalid"),
        row("100 KB", by(&"x".repeat(100_000))).is(431, "headers_too_large"),
        row("a pass of another sale", by(&world.finn.pass)).is(403, "wrong_sale"),
        row("a pass in another sale", at("other", &world.anna.pass)).is(403, "wrong_sale"),
        row("a bound pass without its cookie", by(&world.bora.pass)).is(403, "wrong_session"),
        row("a bound pass with another cookie", cookie(&hana, &world.bora.pass)).is(403, "wrong_session"),
        row("another's pass with my cookie", cookie(&bora, &world.anna.pass)).is(403, "wrong_session"),
        row(
            "a pass in a cookie without a session",
            unasked()
                .header("cookie", format!("openrun-p-open={}", world.anna.pass))
                .header("sec-fetch-site", "same-origin"),
        )
        .is(403, "wrong_session"),
        row("an expired pass", at("short", &world.june.pass)).is(401, "pass_expired"),
        row("a used and expired pass", at("short", &world.karl.pass)).is(401, "pass_expired"),
        row("no such sale", at("nowhere", &world.anna.pass)).is(404, "sale_not_found"),
        row("no such sale and no pass", Request::new("POST", "/v1/sales/nowhere/orders").json(one_pair()))
            .is(404, "sale_not_found"),
        row("no name of a sale", at("Open", &world.anna.pass)).is(404, "sale_not_found"),
        row("a name beyond UTF-8", at("%ff%fe", &world.anna.pass)).is(404, "sale_not_found"),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn forged_passes(world: &World) -> Vec<Row> {
    let pass = &world.anna.pass;
    let parts: Vec<&str> = pass.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let read_header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let with_header = |changes: Value| {
        let mut changed = read_header.clone();
        for (key, value) in changes.as_object().unwrap() {
            changed[key] = value.clone();
        }
        part(&changed)
    };
    let with_claim = |name: &str, value: Value| {
        let mut changed = said.clone();
        changed[name] = value;
        format!("{header}.{}.{signature}", part(&changed))
    };
    let jwks = world.shop.ask(&Request::new("GET", "/.well-known/jwks.json")).json();
    let key = jwks["keys"][0].clone();
    let x = key["x"].as_str().unwrap().to_owned();
    let hs256 = |secret: &[u8]| {
        let head = format!("{}.{claims}", with_header(json!({"alg": "HS256"})));
        let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&head).finalize();
        format!("{head}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()))
    };
    let stranger = Keys::generate();
    let own = PassIssuer::new(said["iss"].as_str().unwrap(), &world.shop.keys()).unwrap().read(pass).unwrap();
    let forged = PassIssuer::new(said["iss"].as_str().unwrap(), &stranger).unwrap().sign(&own).unwrap();
    let elsewhere = PassIssuer::new("https://elsewhere.example", &world.shop.keys()).unwrap().sign(&own).unwrap();
    let none = |alg: &str| with_header(json!({"alg": alg}));
    let mut named: Vec<(String, String)> = vec![
        ("another installation's key".into(), forged),
        ("another installation's name".into(), elsewhere),
        ("HS256 by the public key's text".into(), hs256(x.as_bytes())),
        ("HS256 by the public key's bytes".into(), hs256(&URL_SAFE_NO_PAD.decode(&x).unwrap())),
        ("HS256 by the whole key set".into(), hs256(jwks.to_string().as_bytes())),
        ("HS256 by nothing".into(), hs256(b"")),
        ("alg none without a signature".into(), format!("{}.{claims}.", none("none"))),
        ("alg none without the last dot".into(), format!("{}.{claims}", none("none"))),
        ("alg none with the signature".into(), format!("{}.{claims}.{signature}", none("none"))),
        ("alg NoNe".into(), format!("{}.{claims}.", none("NoNe"))),
        ("alg RS256".into(), format!("{}.{claims}.{signature}", none("RS256"))),
        ("another typ".into(), format!("{}.{claims}.{signature}", with_header(json!({"typ": "JWT"})))),
        ("no typ".into(), format!("{}.{claims}.{signature}", with_header(json!({"typ": null})))),
        ("an unknown kid".into(), format!("{}.{claims}.{signature}", with_header(json!({"kid": "pass-9"})))),
        (
            "a kid that is a path".into(),
            format!("{}.{claims}.{signature}", with_header(json!({"kid": "../../keys.json"}))),
        ),
        ("no kid".into(), format!("{}.{claims}.{signature}", with_header(json!({"kid": null})))),
        (
            "a key of its own".into(),
            format!("{}.{claims}.{signature}", with_header(json!({"jwk": key, "jku": "https://elsewhere.example"}))),
        ),
        ("no signature".into(), format!("{header}.{claims}.")),
        ("only a header".into(), header.to_owned()),
        ("four parts".into(), format!("{pass}.x")),
        ("dots".into(), "...".into()),
    ];
    for (name, value) in [
        ("exp", json!(4_102_444_800_i64)),
        ("aud", json!("other")),
        ("sub", json!("me")),
        ("jti", json!(UNKNOWN)),
        ("bound", json!(true)),
        ("ticket", json!("open.1")),
    ] {
        named.push((format!("an edited {name}"), with_claim(name, value)));
    }
    // Through every region of the text, and its very end.
    for at in (0..pass.len()).step_by(29).chain([pass.len() - 1]).filter(|at| pass.as_bytes()[*at] != b'.') {
        let mut edited = pass.clone().into_bytes();
        edited[at] = if edited[at] == b'A' { b'B' } else { b'A' };
        named.push((format!("letter {at} edited"), String::from_utf8(edited).unwrap()));
    }
    let rows = named.into_iter().map(|(name, forged)| {
        let request = Request::new("POST", "/v1/sales/open/orders").bearer(&forged).key("refused").json(one_pair());
        row(format!("a pass: {name}"), request).is(401, "pass_invalid")
    });
    rows.collect()
}

fn states(world: &World) -> Vec<Row> {
    let at = |sale: &str, pass: &str, quantity: u32| {
        let lines = json!({"lines": [{"item": "pair", "quantity": quantity}]});
        Request::new("POST", format!("/v1/sales/{sale}/orders")).bearer(pass).key("refused").json(lines)
    };
    vec![
        row("all is sold", at("gone", &world.mina.pass, 1)).is(409, "sold_out"),
        row("no pass before the opening", Request::new("POST", "/v1/sales/later/orders").key("k").json(one_pair()))
            .is(401, "pass_missing"),
    ]
}

fn payments(world: &World) -> Vec<Row> {
    let pay = |order: &str, pass: &str| Request::new("POST", format!("/v1/orders/{order}/payments")).bearer(pass);
    let method = |name: &str| json!({"method": name});
    let held = || pay(&world.held, &world.chul.pass);
    let good = method("sandbox_ok");
    vec![
        row("pay without a key", held().json(&good)).is(400, "idempotency_key_missing"),
        row("pay with half a document", held().key("k").json("{\"method\"")).is(400, "malformed_json"),
        row("pay with no content type", held().key("k").body(good.to_string())).is(415, "unsupported_media_type"),
        row("pay without a method", held().key("k").json("{}")).is(422, "invalid_field").at("/method"),
        row("pay with a number", held().key("k").json("{\"method\":1}")).is(422, "invalid_field").at("/method"),
        row("pay by an unknown method", held().key("k").json(method("gold"))).is(422, "unknown_method").at("/method"),
        row("pay by no method", held().key("k").json(method(""))).is(422, "unknown_method").at("/method"),
        row("pay an unknown order", pay(UNKNOWN, &world.chul.pass).key("k").json(&good)).is(404, "order_not_found"),
        row("pay what is no order", pay("1", &world.chul.pass).key("k").json(&good)).is(404, "order_not_found"),
        row("pay another's order", pay(&world.held, &world.anna.pass).key("k").json(&good)).is(404, "order_not_found"),
        row("pay by a ticket of another sale", pay(&world.held, &world.gigi.ticket).key("k").json(&good))
            .is(404, "order_not_found"),
        row("pay as nobody", Request::new("POST", format!("/v1/orders/{}/payments", world.held)).key("k").json(&good))
            .is(404, "order_not_found"),
        row(
            "pay by another's cookie",
            Request::new("POST", format!("/v1/orders/{}/payments", world.held))
                .header("cookie", world.bora.cookies())
                .header("sec-fetch-site", "same-origin")
                .key("k")
                .json(&good),
        )
        .is(404, "order_not_found"),
        row("pay too late", pay(&world.lapsed, &world.karl.pass).key("k").json(&good)).is(409, "hold_expired"),
        row("pay a second time meanwhile", pay(&world.paying, &world.dana.pass).key("k").json(&good))
            .is(409, "payment_in_progress"),
        row("pay with the key of another method", pay(&world.paying, &world.dana.pass).key("pay").json(&good))
            .is(422, "key_reused"),
        row("pay again", pay(&world.paid, &world.emil.pass).key("k").json(&good)).is(409, "already_paid"),
    ]
}

fn looks_and_cancels(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    for (verb, method, tail) in [("look at", "GET", ""), ("cancel", "POST", "/cancel")] {
        let at = |order: &str| Request::new(method, format!("/v1/orders/{order}{tail}"));
        rows.extend([
            row(format!("{verb} an unknown order"), at(UNKNOWN).bearer(&world.chul.pass)).is(404, "order_not_found"),
            row(format!("{verb} what is no order"), at("..%2f..").bearer(&world.chul.pass)).is(404, "order_not_found"),
            row(format!("{verb} bytes"), at("%ff").bearer(&world.chul.pass)).is(404, "order_not_found"),
            row(format!("{verb} as nobody"), at(&world.held)).is(404, "order_not_found"),
            row(format!("{verb} by another's pass"), at(&world.held).bearer(&world.anna.pass))
                .is(404, "order_not_found"),
            row(format!("{verb} by another's ticket"), at(&world.held).bearer(&world.anna.ticket))
                .is(404, "order_not_found"),
            row(format!("{verb} by nonsense"), at(&world.held).bearer("nonsense")).is(404, "order_not_found"),
        ]);
    }
    let cancel = |order: &str, pass: &str| Request::new("POST", format!("/v1/orders/{order}/cancel")).bearer(pass);
    rows.push(row("cancel what is paid", cancel(&world.paid, &world.emil.pass)).is(409, "cannot_cancel"));
    rows.push(row("cancel what has ended", cancel(&world.lapsed, &world.karl.pass)).is(409, "cannot_cancel"));
    rows
}
