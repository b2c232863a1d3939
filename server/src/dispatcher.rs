//! Dispatches requests: the hot path to the waiting room, health and metrics to the process itself, everything else to the
//! router.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::ConnectInfo};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Either, Ready, ready},
};
use http::{HeaderMap, Request, Response, StatusCode, header, uri::PathAndQuery};
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

fn later(response: impl Future<Output = Response<Body>> + Send + 'static) -> ResponseFuture {
    let response = AssertUnwindSafe(response).catch_unwind();
    Either::Right(Box::pin(response.map(|response| response.unwrap_or_else(|_| last_resort()))))
}

/// The answer to a request whose error page or problem document panicked too.
fn last_resort() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
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
        later(async move { dispatcher.dispatch_router(request, peer).await })
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
        let visitor = Visitor::new(&waiting_room.site, &parts, peer);
        let answer = catch_unwind(AssertUnwindSafe(|| waiting_room.try_answer(&route, visitor)));
        if let Some(response) = answer.unwrap_or_else(|_| Some(panicked(waiting_room, visitor))) {
            self.hot_path.answered(index, &parts, response.status(), began);
            return immediate(response);
        }
        let (waiting_room, hot_path) = (Arc::clone(waiting_room), Arc::clone(&self.hot_path));
        later(async move {
            let visitor = Visitor::new(&waiting_room.site, &parts, peer);
            let handled = AssertUnwindSafe(waiting_room.handle(route, visitor)).catch_unwind().await;
            let response = handled.unwrap_or_else(|_| panicked(&waiting_room, visitor));
            hot_path.answered(index, &parts, response.status(), began);
            response
        })
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
        let visitor = Visitor { site: &self.site, method, uri, headers, peer };
        refused(|| error_response(error, visitor, self.database.now()))
    }

    async fn operations(&self, request: &Request<Incoming>, peer: SocketAddr) -> Option<Response<Body>> {
        let path = request.uri().path();
        if !OPERATIONS.contains(&path) {
            return None;
        }
        if !request.method().is_safe() {
            return Some(self.refuse(request, peer, &ApiError::from(ErrorCode::MethodNotAllowed).allow("GET,HEAD")));
        }
        let answer = self.operations.answer(path, is_from_this_machine(peer, request.headers()));
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        answer.unwrap_or_else(|_| Some(self.refuse(request, peer, &ErrorCode::Internal.into())))
    }
}

/// The answer of a handler that panicked; it ends this request alone. The panic hook has logged it.
#[cold]
fn panicked(waiting_room: &WaitingRoom, visitor: Visitor<'_>) -> Response<Body> {
    refused(|| waiting_room.refuse(&ErrorCode::Internal.into(), visitor))
}

fn refused(answer: impl FnOnce() -> Response<Body>) -> Response<Body> {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| last_resort())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_whose_answer_panics_is_answered_too() {
        let panics: fn() -> Response<Body> = || panic!("an answer that cannot be made");
        assert_eq!(refused(panics).status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(later(async move { panics() }).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
