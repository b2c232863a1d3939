//! A handler that panics ends its own request, with an answer, and nothing else.

use harness::http::{Answer, Request};
use http::StatusCode;

use crate::shop::Shop;

/// The first request of `path` meets the panic, the next ones do not.
fn panic_once(fail_point: &str, path: &str) -> Answer {
    let mut shop = Shop::armed(Some(fail_point));
    let request = Request::get(path).header("accept-language", "ko");
    let met = shop.ask(&request);
    assert_eq!(met.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}: {}", met.text());
    for _ in 0..3 {
        let next = shop.ask(&request);
        assert!(next.status.as_u16() < 500, "{path}: {}", next.text());
    }
    let metrics = shop.ask(&Request::get("/metrics")).text();
    assert!(metrics.contains("\nopenrun_panics_total 1\n"), "{metrics}");
    assert!(shop.is_alive());
    met
}

/// Answered from memory, after asking the stores, and by the router.
#[test]
fn a_program_gets_a_problem_document() {
    let rows = [
        ("handler_begun:1:panic", "/v1/sales/nowhere/frame"),
        ("handler_begun:2:panic", "/v1/sales/nowhere/frame"),
        ("handler_begun:1:panic", "/v1/sales"),
    ];
    for (fail_point, path) in rows {
        let answer = panic_once(fail_point, path);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(answer.json()["code"], "internal", "{path}");
    }
}

#[test]
fn a_person_gets_a_page() {
    for path in ["/sales/nowhere", "/sales/nowhere/line", "/"] {
        let answer = panic_once("handler_begun:1:panic", path);
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{path}");
        assert!(answer.text().contains("<html lang=\"ko\""), "{path}: {}", answer.text());
    }
}
