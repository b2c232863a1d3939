//! Everything of the checkout that is reached over HTTP: the API of orders and sales, the pages of both, the console.

pub mod asked;
pub mod buying;
pub mod console;
pub mod orders;
pub mod sales;
pub mod seller;
pub mod sellers;

use std::sync::Arc;

use crate::Reserver;
use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sale::{Keys, pass::PassBook};
use serde_json::Value;
use stores::{StoreError, database::Database, payments::PaymentProvider, queue_store::SaleQueueStore};
use utoipa_axum::router::OpenApiRouter;
use web::{Code, Problem, Site, asking::trace_id};

/// The largest body that any call takes.
const LARGEST_BODY: usize = 64 * 1024;

/// What the calls work with.
#[derive(Clone)]
pub struct Shop {
    pub site: Arc<Site>,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassBook>,
    pub database: Database,
    pub queue: Arc<dyn SaleQueueStore>,
    pub provider: Arc<dyn PaymentProvider>,
    pub reserver: Arc<Reserver>,
    /// The demo can be reset, and says what to try.
    pub demo: bool,
}

/// The API of the checkout, with its description.
pub fn api() -> OpenApiRouter<Shop> {
    OpenApiRouter::new().merge(sales::routes()).merge(orders::routes()).merge(seller::routes()).merge(sellers::routes())
}

/// The pages of buyers and of the console.
pub fn pages() -> Router<Shop> {
    buying::routes().merge(console::routes())
}

/// Refuses writes that another site's page made the browser send, whatever they are.
pub async fn same_origin(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    match shop.site.check_origin(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => asked::refuse(&shop, &request, problem),
    }
}

/// A refusal on its way out of the API.
pub struct Refused {
    problem: Problem,
    trace_id: String,
}

impl Refused {
    pub fn new(problem: impl Into<Problem>, headers: &HeaderMap) -> Self {
        Self { problem: problem.into(), trace_id: trace_id(headers) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.problem.into_response(&self.trace_id).map(axum::body::Body::new)
    }
}

pub type Answer = Result<Response, Refused>;

/// A store that gave no answer: nothing is known, and the same request may be sent again.
pub fn store_trouble(fault: &StoreError) -> Problem {
    tracing::warn!(%fault, "a store gave no answer");
    let seconds = if matches!(fault, StoreError::Lost) { 2 } else { 1 };
    Problem::from(Code::StoreUnavailable).retry_after(seconds)
}

/// Reads a JSON object: its type, its size and its form are checked, in this order.
pub async fn read_json(request: Request) -> Result<Value, Problem> {
    let kind = media_type(request.headers());
    if !kind.eq_ignore_ascii_case("application/json") && !kind.ends_with("+json") {
        return Err(Code::UnsupportedMediaType.into());
    }
    let bytes = read_body(request).await?;
    let malformed = |detail: String| Problem::from(Code::MalformedJson).detail(detail);
    match serde_json::from_slice(&bytes) {
        Ok(document @ Value::Object(_)) => Ok(document),
        Ok(_) => Err(malformed("expected an object".to_owned())),
        Err(fault) => Err(malformed(fault.to_string())),
    }
}

/// The type of the body, without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let told = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    told.split(';').next().unwrap_or_default().trim()
}

/// Reads a body of at most [`LARGEST_BODY`] bytes.
pub async fn read_body(request: Request) -> Result<bytes::Bytes, Problem> {
    match Limited::new(request.into_body(), LARGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(fault) if fault.is::<LengthLimitError>() => Err(Code::TooLarge.into()),
        Err(_) => Err(Code::MalformedRequest.into()),
    }
}
