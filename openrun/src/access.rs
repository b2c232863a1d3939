//! What is told of every request: counted on the hot path and in a line now and then, in a line each everywhere else.
//!
//! A line is an event of the target `access` with the fields `method`, `route`, `status`, `ms` and `trace_id`. It names
//! the route and never the path, because paths carry ids and one-time links.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use http::{Method, StatusCode, request::Parts};
use metrics::Counter;
use sale::clock::monotonic;
use waiting_room::Route;
use web::asking::trace_id;

/// One line for so many requests of the hot path.
const SAMPLE: u64 = 1_024;
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The counters of the hot path, looked up once.
pub struct HotPath {
    counters: [[Counter; 4]; Route::NAMES.len()],
    told: AtomicU64,
}

impl Default for HotPath {
    fn default() -> Self {
        Self {
            counters: Route::NAMES.map(|route| CLASSES.map(|status| counter(route.to_owned(), status))),
            told: AtomicU64::new(0),
        }
    }
}

impl HotPath {
    /// The moment at which the request came, when it is one to tell of.
    pub fn sample(&self) -> Option<Instant> {
        self.told.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE).then(monotonic)
    }

    /// Counts an answer, and tells of it when `began` says so.
    pub fn answered(&self, nth: usize, parts: &Parts, status: StatusCode, began: Option<Instant>) {
        self.counters[nth][class(status)].increment(1);
        if let Some(began) = began {
            line(&parts.method, Route::NAMES[nth], status, began.elapsed(), &trace_id(&parts.headers));
        }
    }
}

/// Counts and tells of a request that is not of the hot path.
pub async fn tell(request: Request, next: Next) -> Response {
    let began = monotonic();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = matched.unwrap_or_else(|| "none".to_owned());
    let trace_id = trace_id(request.headers());
    let response = next.run(request).await;
    let (status, took) = (response.status(), began.elapsed());
    metrics::histogram!("openrun_request_seconds", "route" => route.clone()).record(took.as_secs_f64());
    line(&method, &route, status, took, &trace_id);
    counter(route, CLASSES[class(status)]).increment(1);
    response
}

fn counter(route: String, status: &'static str) -> Counter {
    metrics::counter!("openrun_requests_total", "route" => route, "status" => status)
}

fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).saturating_sub(2).min(CLASSES.len() - 1)
}

fn line(method: &Method, route: &str, status: StatusCode, took: Duration, trace_id: &str) {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(target: "access", %method, route, status = status.as_u16(), ms, trace_id);
}
