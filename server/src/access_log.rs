//! The access log and the counters of requests. Requests of the hot path and reservations are counted, and one in
//! 1,024 has a line; every other request has a line.
//!
//! A line is an event of the target `access` with the fields `method`, `route`, `status`, `ms` and `trace_id`. It names
//! the route and never the path, because paths carry ids and one-time links.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use futures::{FutureExt as _, future::BoxFuture};
use http::{Method, StatusCode, request::Parts};
use metrics::{Counter, Histogram};
use sale::clock::monotonic;
use waiting_room::Route;
use web::request::trace::trace_id;

/// Of so many busy requests one has a line.
const SAMPLE: u64 = 1_024;
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Picks the requests that have a line.
#[derive(Default)]
struct Sampler(AtomicU64);

impl Sampler {
    fn picks(&self) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE)
    }
}

/// The counters of the hot path, looked up once.
pub struct HotPath {
    counters: [[Counter; 4]; Route::NAMES.len()],
    sampler: Sampler,
}

impl Default for HotPath {
    fn default() -> Self {
        Self {
            counters: Route::NAMES.map(|route| CLASSES.map(|status| counter(route.to_owned(), status))),
            sampler: Sampler::default(),
        }
    }
}

impl HotPath {
    /// The moment at which the request came, when it has a line.
    pub fn sample(&self) -> Option<Instant> {
        self.sampler.picks().then(monotonic)
    }

    /// Counts an answer, and writes its line when it began at a sampled moment.
    pub fn answered(&self, index: usize, parts: &Parts, status: StatusCode, began: Option<Instant>) {
        self.counters[index][class(status)].increment(1);
        if let Some(began) = began {
            line(&parts.method, Route::NAMES[index], status, began.elapsed(), &trace_id(&parts.headers));
        }
    }
}

/// The counters of a route that everybody who is let in uses, looked up once.
struct Busy {
    route: &'static str,
    counters: [Counter; 4],
    seconds: Histogram,
    sampler: Sampler,
}

/// The route on which orders are placed.
pub const ORDERS_ROUTE: &str = "/v1/sales/{sale}/orders";

static ORDERS: LazyLock<Busy> = LazyLock::new(|| Busy::of(ORDERS_ROUTE));

impl Busy {
    fn of(route: &'static str) -> Self {
        Self {
            route,
            counters: CLASSES.map(|status| counter(route.to_owned(), status)),
            seconds: seconds(route.to_owned()),
            sampler: Sampler::default(),
        }
    }

    async fn log(&self, request: Request, next: Next) -> Response {
        let began = monotonic();
        let trace_id = self.sampler.picks().then(|| trace_id(request.headers()));
        let response = next.run(request).await;
        let (status, took) = (response.status(), began.elapsed());
        self.seconds.record(took.as_secs_f64());
        self.counters[class(status)].increment(1);
        if let Some(trace_id) = trace_id {
            line(&Method::POST, self.route, status, took, &trace_id);
        }
        response
    }
}

/// Counts and logs a request that is not answered from memory. Boxed, so that it is compiled here.
pub fn log(request: Request, next: Next) -> BoxFuture<'static, Response> {
    log_request(request, next).boxed()
}

async fn log_request(request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    if request.method() == Method::POST && matched.is_some_and(|path| path.as_str() == ORDERS.route) {
        return ORDERS.log(request, next).await;
    }
    let route = matched.map_or("none", MatchedPath::as_str).to_owned();
    let began = monotonic();
    let method = request.method().clone();
    let trace_id = trace_id(request.headers());
    let response = next.run(request).await;
    let (status, took) = (response.status(), began.elapsed());
    seconds(route.clone()).record(took.as_secs_f64());
    line(&method, &route, status, took, &trace_id);
    counter(route, CLASSES[class(status)]).increment(1);
    response
}

fn seconds(route: String) -> Histogram {
    metrics::histogram!("openrun_request_seconds", "route" => route)
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
