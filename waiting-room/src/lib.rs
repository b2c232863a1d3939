//! The front door: join, poll, stream, enter, and the pages of a sale and its line, rendered from memory.
//!
//! [`route`] turns a path into a [`Route`], [`WaitingRoom::handle`] the route into an answer. Everything about one sale
//! lives in its [`room`]; [`rooms`] keeps them fresh.

pub mod auth;
pub mod budget;
pub mod edition;
pub mod enter;
pub mod frame;
pub mod join;
pub mod jwks;
pub mod leave;
pub mod numbers;
pub mod pages;
pub mod room;
pub mod rooms;
pub mod route;
pub mod standing;
pub mod stream;

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use sale::{Keys, pass::PassIssuer};
use stores::{database::Database, queue_store::SaleQueueStore};
use tokio_util::sync::CancellationToken;
use web::{ApiError, Body, Site, Visitor, error_response};

pub use crate::route::{Page, Route, Routed, route};

/// What the front door answers, for the description of the API.
#[derive(utoipa::OpenApi)]
#[openapi(paths(join::join, frame::frame, stream::stream, standing::standing, leave::leave, enter::enter, jwks::jwks))]
pub struct Description;

use crate::{budget::Budget, rooms::Rooms};

/// The server's clock, for pages that count down.
pub(crate) const TIME: HeaderName = HeaderName::from_static("openrun-time");

/// The front door of one process.
pub struct WaitingRoom {
    pub site: Site,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassIssuer>,
    pub database: Database,
    pub rooms: Rooms,
    pub budget: Budget,
    /// Cancelled when the process stops: streams end, and their pages ask another process.
    pub stop: CancellationToken,
}

impl WaitingRoom {
    pub fn queue_store(&self) -> &Arc<dyn SaleQueueStore> {
        self.rooms.queue_store()
    }

    /// Answers what this process knows by itself: the frame, the place of somebody who waits, that a line takes nobody.
    /// `None` where stores have to be asked; then [`Self::handle`] does it all.
    pub fn at_once(&self, route: &Route, visitor: Visitor<'_>) -> Option<Response<Body>> {
        let (Route::Join(sale) | Route::Frame(sale) | Route::Standing(sale)) = route else { return None };
        let rooms = self.rooms.here();
        let room = rooms.get(sale)?;
        let answered = match route {
            Route::Join(_) => Err(join::refusal(self, room, visitor)?),
            Route::Standing(sale) => standing::waiting(self, room, sale, visitor)?,
            _ => Ok(frame::frame(self, room, visitor)),
        };
        Some(answered.unwrap_or_else(|error| self.refuse(&error, visitor)))
    }

    /// Answers one request of the hot path. No step of it reads the request's body.
    pub async fn handle(&self, route: Route, visitor: Visitor<'_>) -> Response<Body> {
        let answered = match route {
            Route::Join(sale) => join::join(self, &sale, visitor).await,
            Route::Frame(sale) => self.rooms.room(&sale).await.map(|room| frame::frame(self, &room, visitor)),
            Route::Stream(sale) => stream::stream(self, &sale).await,
            Route::Standing(sale) => standing::standing(self, &sale, visitor).await,
            Route::Leave(sale) => leave::leave(self, &sale, visitor).await,
            Route::Enter(sale) => enter::enter(self, &sale, visitor).await,
            Route::Jwks => Ok(jwks::jwks(self)),
            Route::Page(page) => pages::page(self, page, visitor).await,
        };
        answered.unwrap_or_else(|error| self.refuse(&error, visitor))
    }

    /// The answer to a request that failed: a document for programs, a page for people.
    pub fn refuse(&self, error: &ApiError, visitor: Visitor<'_>) -> Response<Body> {
        error_response(error, visitor, self.database.now())
    }

    /// The value of [`TIME`].
    pub(crate) fn time(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.database.now().text()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// Room for any answer of the hot path, so that writing it asks for memory once.
const JSON_BYTES: usize = 512;

/// A JSON answer that is meant for its asker alone.
pub(crate) fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    let mut text = Vec::with_capacity(JSON_BYTES);
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
