//! Random bytes on the listener: never a 5xx, never a hang, and the server keeps serving.

use harness::http::Request;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::shop::{Shop, answered};

const CASES: u32 = 600;

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]).prop_map(str::to_owned),
        1 => "[A-Z]{1,10}",
    ]
}

/// Something like a path of this site, or anything that fits into a request line.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => prop::sample::select(vec![
            "v1", "sales", "orders", "tickets", "self", "passes", "frame", "live", "admission", "pause", "payments", "cancel", "line", "leave",
            "join", "enter", "checkout", "console", "new", "edit", "sign-in", "open", "nowhere", "metrics", "healthz", "openapi.json", "docs",
            ".well-known", "jwks.json", "018f0000-0000-7000-8000-000000000000", "", "..", "%2f", "%ff", "%00", "%zz", "%",
        ]).prop_map(str::to_owned),
        2 => "[!-~]{1,20}",
        1 => vec(any::<char>(), 1..8).prop_map(|letters| letters.into_iter().filter(|letter| !letter.is_whitespace() && !letter.is_control()).collect()),
    ];
    vec(part, 0..6).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn header() -> impl Strategy<Value = (String, String)> {
    let names = [
        "authorization",
        "cookie",
        "idempotency-key",
        "content-type",
        "if-match",
        "if-none-match",
        "origin",
        "sec-fetch-site",
        "traceparent",
        "accept-language",
        "accept-encoding",
        "x-forwarded-for",
        "host",
        "range",
        "expect",
    ];
    let name = prop_oneof![6 => prop::sample::select(names.to_vec()).prop_map(str::to_owned), 1 => "[a-z-]{1,12}"];
    let value = prop_oneof![
        2 => "[ -~]{0,40}",
        1 => "Bearer [ -~]{0,60}",
        1 => "openrun(-t-open|-p-open|-console|-lang)?=[!-~]{0,40}",
        1 => Just("application/json".to_owned()),
        1 => Just("application/x-www-form-urlencoded".to_owned()),
        1 => Just("same-origin".to_owned()),
        1 => Just("\"1\"".to_owned()),
        1 => vec(any::<char>(), 0..10).prop_map(|letters| letters.into_iter().filter(|letter| !letter.is_control()).collect()),
    ];
    (name, value)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => vec(any::<u8>(), 0..300),
        1 => "[{}\\[\\]\":,0-9a-z.-]{0,200}".prop_map(String::into_bytes),
        1 => Just(br#"{"lines":[{"item":"pair","quantity":1}]}"#.to_vec()),
        1 => "([a-z_0-9]{1,12}=[!-~]{0,12}&?){0,6}".prop_map(String::into_bytes),
    ]
}

fn request(token: String) -> impl Strategy<Value = Request> {
    let well_formed = (method(), path(), vec(header(), 0..6), body(), any::<bool>(), any::<bool>()).prop_map(
        move |(method, path, headers, body, chunked, signed)| {
            let mut request = Request { method, path, headers, body, raw: None, chunked };
            if signed {
                request = request.bearer(&token);
            }
            request
        },
    );
    let bytes = vec(any::<u8>(), 0..400).prop_map(|mut bytes| {
        // With an end, so that the server has something to answer to.
        bytes.extend_from_slice(b"\r\n\r\n");
        Request::default().raw(bytes)
    });
    prop_oneof![9 => well_formed, 1 => bytes]
}

#[test]
fn random_requests_are_answered_and_break_nothing() {
    let mut shop = Shop::start();
    shop.call("POST", "/v1/sales", Some(crate::world::sale("open")));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let address = shop.address;
    runner
        .run(&request(shop.seller.clone()), |request| {
            // A stream does not end by itself, and is no fault.
            prop_assume!(!request.path.contains("stream"));
            let answer = answered(&request, address);
            prop_assert!(answer.as_ref().is_none_or(|answer| !answer.status.is_server_error()), "{:?}", answer);
            Ok(())
        })
        .unwrap();
    assert!(shop.is_alive());
    assert_eq!(shop.ask(&Request::new("GET", "/healthz")).status, 200);
}
