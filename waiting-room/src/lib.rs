//! The waiting room: join, poll, stream, enter, and the pages of a sale and its queue, rendered from memory.
//!
//! [`route`] parses a path into a [`Route`], and [`WaitingRoom::handle`] answers it. What the process knows of one sale
//! is in its [`SaleQueue`](sale_queue::SaleQueue); [`SaleQueues`] keeps all of them fresh.

pub mod auth;
pub mod encoded_frame;
pub mod enter;
pub mod frame;
pub mod join;
pub mod join_rate_limit;
pub mod jwks;
pub mod leave;
pub mod number_set;
pub mod page_snapshot;
pub mod pages;
pub mod route;
pub mod sale_queue;
pub mod sale_queues;
pub mod standing;
pub mod stream;

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use sale::{Keys, pass::PassIssuer};
use stores::{
    database::Database,
    failpoint::{self, Point},
    queue_store::SaleQueueStore,
};
use tokio_util::sync::CancellationToken;
use web::{ApiError, Body, Site, Visitor, error_response};

pub use crate::route::{Page, Route, RouteMatch, route};
use crate::{join_rate_limit::JoinRateLimiter, sale_queues::SaleQueues};

/// The routes of this crate, for the description of the API.
#[derive(utoipa::OpenApi)]
#[openapi(paths(join::join, frame::frame, stream::stream, standing::standing, leave::leave, enter::enter, jwks::jwks))]
pub struct Description;

/// The server's clock, for pages that count down.
pub(crate) const SERVER_TIME: HeaderName = HeaderName::from_static("openrun-time");

/// The waiting room of one process: what its handlers work with.
pub struct WaitingRoom {
    pub site: Site,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassIssuer>,
    pub database: Database,
    pub queues: SaleQueues,
    pub join_rate_limiter: JoinRateLimiter,
    /// Cancelled when the process stops: streams end, and their pages reconnect to another process.
    pub stop: CancellationToken,
}

impl WaitingRoom {
    pub fn queue_store(&self) -> &Arc<dyn SaleQueueStore> {
        self.queues.queue_store()
    }

    /// Answers from memory: the frame, the standing of a waiting ticket, the refusal of a join. `None` where a store
    /// has to be read; then [`Self::handle`] answers.
    pub fn try_answer(&self, route: &Route, visitor: Visitor<'_>) -> Option<Response<Body>> {
        let (Route::Join(sale) | Route::Frame(sale) | Route::Standing(sale)) = route else { return None };
        failpoint::reached(Point::HandlerBegun);
        let queues = self.queues.opened();
        let queue = queues.get(sale)?;
        let answer = match route {
            Route::Join(_) => Err(join::refusal(self, &queue.cache, visitor)?),
            Route::Standing(sale) => standing::try_answer(self, &queue.cache, sale, visitor)?,
            _ => Ok(frame::frame(self, &queue.cache, visitor)),
        };
        Some(answer.unwrap_or_else(|error| self.refuse(&error, visitor)))
    }

    /// Answers one request of the hot path. No handler reads the request's body.
    pub async fn handle(&self, route: Route, visitor: Visitor<'_>) -> Response<Body> {
        failpoint::reached(Point::HandlerBegun);
        let answer = match route {
            Route::Join(sale) => join::join(self, &sale, visitor).await,
            Route::Frame(sale) => self.queues.open(&sale).await.map(|queue| frame::frame(self, &queue.cache, visitor)),
            Route::Stream(sale) => stream::stream(self, &sale).await,
            Route::Standing(sale) => standing::standing(self, &sale, visitor).await,
            Route::Leave(sale) => leave::leave(self, &sale, visitor).await,
            Route::Enter(sale) => enter::enter(self, &sale, visitor).await,
            Route::Jwks => Ok(jwks::jwks(self)),
            Route::Page(page) => pages::page(self, page, visitor).await,
        };
        answer.unwrap_or_else(|error| self.refuse(&error, visitor))
    }

    /// The response to a failed request: a problem document for programs, a page for people.
    pub fn refuse(&self, error: &ApiError, visitor: Visitor<'_>) -> Response<Body> {
        error_response(error, visitor, self.database.now())
    }

    /// The value of [`SERVER_TIME`].
    pub(crate) fn server_time(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.database.now().text()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Enough for every JSON answer of the hot path, so that writing one allocates once.
const JSON_CAPACITY_BYTES: usize = 512;

/// A JSON answer for one visitor alone.
pub(crate) fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    let mut text = Vec::with_capacity(JSON_CAPACITY_BYTES);
    let written = serde_json::to_writer(&mut text, value);
    let mut response = json_text(if written.is_ok() { text } else { Vec::new() });
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json_text(text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
