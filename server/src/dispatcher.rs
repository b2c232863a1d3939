//! Dispatches requests: the hot path to the waiting room, health and metrics to the process itself, everything else to the
//! router.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::ConnectInfo};
use futures::future::{BoxFuture, Either, Ready, ready};
use http::{HeaderMap, Request, Response, header, uri::PathAndQuery};
use hyper::body::Incoming;
use stores::database::Database;
use tower::ServiceExt as _;
use waiting_room::{Route, RouteMatch, WaitingRoom};
use web::{
    ApiError, Body, ErrorCode, Site, Visitor, error_response,
    request::{MAX_BODY_BYTES, client_ip::is_from_this_machine, trace::begin_trace},
};

use crate::access_log::HotPath;

/// Larger headers are refused with a problem document; the listener makes hyper refuse above a multiple of it.
pub(crate) const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_URI_BYTES: usize = 4 * 1024;
/// What the process itself answers, whatever its roles are.
const OPERATIONS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// When to ask again a process that does not belong to its installation; it looks again as often.
const STRANGER_RETRY_AFTER_SECONDS: u32 = 3;

/// Dispatches the requests of one address.
#[derive(Clone)]
pub struct Dispatcher {
    /// The hot path; `None` in processes without the role.
    pub waiting_room: Option<Arc<WaitingRoom>>,
    /// Everything else; `None` in processes without the role.
    pub router: Option<Router>,
    pub operations: Arc<dyn Operations>,
    /// Whether the process belongs to its installation; while it does not, every request is refused.
    pub takes_requests: Arc<AtomicBool>,
    pub site: Arc<Site>,
    pub database: Database,
    pub hot_path: Arc<HotPath>,
}

/// Health and metrics of the process.
pub trait Operations: Send + Sync {
    /// Answers `/healthz`, `/readyz` or `/metrics`; `None` where this address does not serve it, or only to this machine.
    fn answer<'a>(&'a self, path: &'a str, from_this_machine: bool) -> BoxFuture<'a, Option<Response<Body>>>;
}

/// A response that is ready needs no heap allocation; every other future is boxed, so that a connection stays small.
pub(crate) type ResponseFuture = Either<Ready<Response<Body>>, BoxFuture<'static, Response<Body>>>;

fn immediate(response: Response<Body>) -> ResponseFuture {
    Either::Left(ready(response))
}

impl Dispatcher {
    pub(crate) fn dispatch(self: &Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> ResponseFuture {
        if let Some(error) = too_large(&request) {
            return immediate(self.refuse(&request, peer, &error));
        }
        if !self.takes_requests.load(Ordering::Relaxed) && !OPERATIONS.contains(&request.uri().path()) {
            let error = ApiError::from(ErrorCode::StoreUnavailable).retry_after(STRANGER_RETRY_AFTER_SECONDS);
            return immediate(self.refuse(&request, peer, &error));
        }
        if let Some(waiting_room) = &self.waiting_room {
            match waiting_room::route(request.method(), request.uri().path()) {
                RouteMatch::Matched(route) => return self.dispatch_hot_path(waiting_room, route, request, peer),
                RouteMatch::Refused(error) => return immediate(self.refuse(&request, peer, &error)),
                RouteMatch::NotMatched => {}
            }
        }
        let dispatcher = Arc::clone(self);
        Either::Right(Box::pin(async move { dispatcher.dispatch_router(request, peer).await }))
    }

    fn dispatch_hot_path(
        &self,
        waiting_room: &Arc<WaitingRoom>,
        route: Route,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> ResponseFuture {
        let (mut parts, _) = request.into_parts();
        let (index, began) = (route.index(), self.hot_path.sample());
        if began.is_some() {
            begin_trace(&mut parts.headers);
        }
        if let Some(response) = waiting_room.try_answer(&route, Visitor::new(&waiting_room.site, &parts, peer)) {
            self.hot_path.answered(index, &parts, response.status(), began);
            return immediate(response);
        }
        let (waiting_room, hot_path) = (Arc::clone(waiting_room), Arc::clone(&self.hot_path));
        Either::Right(Box::pin(async move {
            let response = waiting_room.handle(route, Visitor::new(&waiting_room.site, &parts, peer)).await;
            hot_path.answered(index, &parts, response.status(), began);
            response
        }))
    }

    async fn dispatch_router(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if let Some(response) = self.operations(&request, peer).await {
            return response;
        }
        let Some(router) = &self.router else {
            return self.refuse(&request, peer, &ErrorCode::NotFound.into());
        };
        begin_trace(request.headers_mut());
        request.extensions_mut().insert(ConnectInfo(peer));
        match router.clone().oneshot(request.map(axum::body::Body::new)).await {
            Ok(response) => response.map(Body::stream),
            Err(never) => match never {},
        }
    }

    fn refuse(&self, request: &Request<Incoming>, peer: SocketAddr, error: &ApiError) -> Response<Body> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        error_response(error, Visitor { site: &self.site, method, uri, headers, peer }, self.database.now())
    }

    async fn operations(&self, request: &Request<Incoming>, peer: SocketAddr) -> Option<Response<Body>> {
        let path = request.uri().path();
        if !OPERATIONS.contains(&path) {
            return None;
        }
        if !request.method().is_safe() {
            return Some(self.refuse(request, peer, &ApiError::from(ErrorCode::MethodNotAllowed).allow("GET,HEAD")));
        }
        self.operations.answer(path, is_from_this_machine(peer, request.headers())).await
    }
}

/// Refuses requests that no call accepts, before anything else is done with them: a body by its `Content-Length`, before it is
/// read.
fn too_large(request: &Request<Incoming>) -> Option<ApiError> {
    if request.uri().path_and_query().map_or(0, |path: &PathAndQuery| path.as_str().len()) > MAX_URI_BYTES {
        return Some(ErrorCode::UriTooLong.into());
    }
    if size(request.headers()) > MAX_HEADER_BYTES {
        return Some(ErrorCode::HeadersTooLarge.into());
    }
    let content_length = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    (content_length > MAX_BODY_BYTES as u64).then(|| ErrorCode::TooLarge.into())
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).fold(0, usize::saturating_add)
}
