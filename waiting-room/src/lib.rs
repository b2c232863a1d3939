//! The front door: join, poll, stream, enter, and the pages of a sale and its line, rendered from memory.
//!
//! [`route`] turns a path into a [`Route`], [`WaitingRoom::handle`] the route into an answer. Everything about one sale
//! lives in its [`room`]; [`rooms`] keeps them fresh.

pub mod ask;
pub mod budget;
pub mod enter;
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

use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use sale::{Keys, pass::PassBook};
use stores::{database::Database, line::Line};
use web::{Body, Problem, Site, asking::trace_id};

pub use crate::route::{Page, Route, Routed, route};
use crate::{budget::Budget, rooms::Rooms};

/// The front door of one process.
pub struct WaitingRoom {
    pub site: Site,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassBook>,
    pub database: Database,
    pub rooms: Rooms,
    pub budget: Budget,
}

/// A request without its body, which no step of the front door reads.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    pub parts: &'r Parts,
    pub peer: SocketAddr,
}

impl WaitingRoom {
    pub fn line(&self) -> &Arc<dyn Line> {
        self.rooms.line()
    }

    /// Answers one request of the hot path.
    pub async fn handle(&self, route: Route, request: Request<'_>) -> Response<Body> {
        let answered = match route {
            Route::Join(sale) => join::join(self, &sale, request).await,
            Route::Frame(sale) => self.frame(&sale, request).await,
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

    /// The public document of a sale, by its `ETag` or whole.
    async fn frame(&self, sale: &sale::SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
        let room = self.rooms.room(sale).await?;
        let shown = room.shown();
        let known = request.parts.headers.get(header::IF_NONE_MATCH);
        let mut response = if known.is_some_and(|etag| etag == shown.etag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            let mut response = Response::new(Body::from(shown.json.clone()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, shown.etag.clone());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("openrun-time, etag"));
        headers.insert("openrun-time", self.time());
        Ok(response)
    }

    /// The server's clock, for pages that count down.
    fn time(&self) -> HeaderValue {
        HeaderValue::from_str(&self.database.now().to_string()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// A JSON answer that is meant for its asker alone.
pub(crate) fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    let mut response = json_text(serde_json::to_string(value).unwrap_or_default());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json_text(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
