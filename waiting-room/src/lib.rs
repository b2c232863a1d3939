//! The front door: join, poll, stream, enter, and the pages of a sale and its line, rendered from memory.
//!
//! [`route`] turns a path into a [`Route`], [`WaitingRoom::handle`] the route into an answer. Everything about one sale
//! lives in its [`room`]; [`rooms`] keeps them fresh.

pub mod ask;
pub mod budget;
pub mod edition;
pub mod enter;
pub mod frame;
pub mod join;
pub mod leave;
pub mod numbers;
pub mod pages;
pub mod room;
pub mod rooms;
pub mod route;
pub mod standing;
pub mod stream;

use std::{net::SocketAddr, sync::Arc};

use http::{HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};
use sale::{Keys, pass::PassBook};
use stores::{database::Database, queue_store::SaleQueueStore};
use tokio_util::sync::CancellationToken;
use web::{Body, Problem, Site, asking::trace_id};

pub use crate::route::{Page, Route, Routed, route};

/// What the front door answers, for the description of the API.
#[derive(utoipa::OpenApi)]
#[openapi(paths(join::join, frame::frame, stream::stream, standing::standing, leave::leave, enter::enter))]
pub struct Description;

use crate::{budget::Budget, rooms::Rooms};

/// The server's clock, for pages that count down.
pub(crate) const TIME: HeaderName = HeaderName::from_static("openrun-time");

/// The front door of one process.
pub struct WaitingRoom {
    pub site: Site,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassBook>,
    pub database: Database,
    pub rooms: Rooms,
    pub budget: Budget,
    /// Cancelled when the process stops: streams end, and their pages ask another process.
    pub stop: CancellationToken,
}

/// A request without its body, which no step of the front door reads.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    pub parts: &'r Parts,
    pub peer: SocketAddr,
}

impl WaitingRoom {
    pub fn queue_store(&self) -> &Arc<dyn SaleQueueStore> {
        self.rooms.queue_store()
    }

    /// Answers what this process knows by itself: the frame, the place of somebody who waits, that a line takes nobody.
    /// `None` where stores have to be asked; then [`Self::handle`] does it all.
    pub fn at_once(&self, route: &Route, request: Request<'_>) -> Option<Response<Body>> {
        let (Route::Join(sale) | Route::Frame(sale) | Route::Standing(sale)) = route else { return None };
        let rooms = self.rooms.here();
        let room = rooms.get(sale)?;
        let answered = match route {
            Route::Join(_) => Err(join::refusal(self, room, request)?),
            Route::Standing(sale) => standing::waiting(self, room, sale, request)?,
            _ => Ok(frame::frame(self, room, request)),
        };
        Some(answered.unwrap_or_else(|problem| problem.into_response(&trace_id(&request.parts.headers))))
    }

    /// Answers one request of the hot path.
    pub async fn handle(&self, route: Route, request: Request<'_>) -> Response<Body> {
        let answered = match route {
            Route::Join(sale) => join::join(self, &sale, request).await,
            Route::Frame(sale) => self.rooms.room(&sale).await.map(|room| frame::frame(self, &room, request)),
            Route::Stream(sale) => stream::stream(self, &sale).await,
            Route::Standing(sale) => standing::standing(self, &sale, request).await,
            Route::Leave(sale) => leave::leave(self, &sale, request).await,
            Route::Enter(sale) => enter::enter(self, &sale, request).await,
            Route::Jwks => Ok(json_text(self.passes.jwks().to_owned())),
            Route::Page(page) => return pages::page(self, page, request).await,
        };
        answered.unwrap_or_else(|problem| problem.into_response(&trace_id(&request.parts.headers)))
    }

    /// Answers a request whose path this door knows but cannot serve: people get a page.
    pub fn refuse(&self, problem: &Problem, request: Request<'_>) -> Response<Body> {
        pages::visit(self, request).refuse(problem.clone(), web::pages::WayOn::Sales)
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
