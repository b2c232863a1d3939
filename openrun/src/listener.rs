//! The listener: accepts connections and dispatches requests. The hot path goes to the waiting room, everything else to
//! the router of the checkout.

mod detach;
mod idle_timeout;
pub mod threads;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::Router;
use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Either, Ready, ready},
    stream::FuturesUnordered,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, uri::PathAndQuery};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use stores::database::Database;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower::ServiceExt as _;
use waiting_room::{Request as HotRequest, Route, Routed, WaitingRoom};
use web::{Body, Code, Problem, Site, answer::Visit, asking::begin_trace, pages::WayOn};

use self::{
    detach::Detach,
    idle_timeout::{CloseReason, GuardedBody, IdleTimeout},
};
use crate::{
    access::HotPath,
    health::{Health, Reading},
    lifecycle::Lifecycle,
};

/// Larger headers are refused with a problem document; hyper itself refuses above twice as much.
const MAX_HEADER_BYTES: usize = 32 * 1024;
const MAX_URI_BYTES: usize = 4 * 1024;
/// The largest body that any call accepts; a larger `Content-Length` is refused before the body is read.
const MAX_BODY_BYTES: u64 = 64 * 1024;
/// Open connections; above it new ones wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 100_000;

/// Upper bounds of histogram buckets: of durations in seconds, of batches in requests.
const DURATION_BUCKETS_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const BATCH_BUCKETS: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0];

/// Dispatches the requests of one address.
#[derive(Clone)]
pub struct Dispatcher {
    /// The hot path; `None` in processes without the role.
    pub waiting_room: Option<Arc<WaitingRoom>>,
    /// Everything else; `None` in processes without the role.
    pub router: Option<Router>,
    pub health: Health,
    pub site: Arc<Site>,
    pub database: Database,
    pub hot_path: Arc<HotPath>,
    /// `None` where metrics are served on another address.
    pub metrics: Option<Metrics>,
}

/// Who may read the metrics on an address.
#[derive(Clone)]
pub struct Metrics {
    pub handle: PrometheusHandle,
    /// Whether only loopback peers may read them, as on the main address.
    pub loopback_only: bool,
}

impl Metrics {
    /// The text that Prometheus reads.
    fn render(&self) -> String {
        if let Some(bytes) = resident_bytes() {
            metrics::gauge!("openrun_resident_bytes").set(bytes);
        }
        self.handle.render()
    }
}

/// Resident memory of this process, where the kernel reports it.
fn resident_bytes() -> Option<f64> {
    const PAGE_BYTES: u32 = 4_096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(f64::from(pages) * f64::from(PAGE_BYTES))
}

/// A response that is ready needs no heap allocation; every other future is boxed, so that a connection stays small.
type ResponseFuture = Either<Ready<Response<Body>>, BoxFuture<'static, Response<Body>>>;

fn immediate(response: Response<Body>) -> ResponseFuture {
    Either::Left(ready(response))
}

/// Accepts connections until the soft stop, then lets the open ones finish. Connections are distributed over `runtimes`
/// in turn.
pub async fn accept(
    listener: TcpListener,
    dispatcher: Dispatcher,
    lifecycle: Lifecycle,
    runtimes: Vec<Handle>,
) -> anyhow::Result<()> {
    let (dispatcher, connection_slots) = (Arc::new(dispatcher), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
    for runtime in runtimes.iter().cycle() {
        let Ok(slot) = Arc::clone(&connection_slots).acquire_owned().await else { return Ok(()) };
        select! {
            () = lifecycle.soft.cancelled() => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (dispatcher, of_connection) = (Arc::clone(&dispatcher), lifecycle.clone());
                    let connection = async move {
                        match move_to_current_runtime(stream) {
                            Ok(stream) => serve(stream, peer, dispatcher, of_connection, slot).await,
                            Err(error) => tracing::trace!(%error, "connection closed before it was served"),
                        }
                    };
                    lifecycle.tracker.spawn_on(connection, runtime);
                }
                Err(error) => {
                    // Out of file descriptors, most likely: it passes as connections end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    Ok(())
}

/// Registers the socket with the runtime that this is called on.
fn move_to_current_runtime(stream: TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(stream.into_std()?)
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    dispatcher: Arc<Dispatcher>,
    lifecycle: Lifecycle,
    slot: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(%error, "connection closed before it was served");
    }
    let (detach, idle_timeout) = (Detach::default(), Arc::new(IdleTimeout::default()));
    // Polled only when it is woken: all connections share one lock of the token, and each request would take it twice.
    let mut end = FuturesUnordered::from_iter([Arc::clone(&idle_timeout).expired_or_stopped(lifecycle.soft.clone())]);
    let offered = detach.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (detach, version, request_guard) = (offered.clone(), request.version(), idle_timeout.begin_request());
        dispatcher.dispatch(request, peer).map(move |response| {
            let response = detach.intercept(response, version);
            Ok::<_, Infallible>(response.map(|body| GuardedBody { body, _guard: request_guard }))
        })
    });
    let mut connection =
        http1::Builder::new().max_buf_size(4 * MAX_HEADER_BYTES).serve_connection(TokioIo::new(stream), service);
    let ended = select! {
        biased;
        ended = detach.detached_or_closed(&mut connection) => ended,
        reason = end.select_next_some() => match reason {
            CloseReason::Idle => Ok(None),
            CloseReason::Stop => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                select! {
                    ended = detach.detached_or_closed(&mut connection) => ended,
                    () = lifecycle.hard.cancelled() => Ok(None),
                }
            }
        },
    };
    match ended {
        Ok(None) => {}
        Ok(Some(listener)) => {
            let socket = connection.into_parts().io.into_inner();
            // A new task, because this one has the size of everything that a request may need.
            lifecycle.tracker.spawn(listener.write_to(socket, slot));
        }
        Err(error) => tracing::trace!(%error, "connection failed"),
    }
}

impl Dispatcher {
    fn dispatch(self: &Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> ResponseFuture {
        if let Some(problem) = too_large(&request) {
            return immediate(self.refuse(&request, problem));
        }
        if let Some(waiting_room) = &self.waiting_room {
            match waiting_room::route(request.method(), request.uri().path()) {
                Routed::Here(route) => return self.dispatch_hot_path(waiting_room, route, request, peer),
                Routed::Refused(problem) => {
                    let (parts, _) = request.into_parts();
                    return immediate(waiting_room.refuse(&problem, HotRequest { parts: &parts, peer }));
                }
                Routed::Elsewhere => {}
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
        let (nth, began) = (route.nth(), self.hot_path.sample());
        if began.is_some() {
            begin_trace(&mut parts.headers);
        }
        if let Some(response) = waiting_room.at_once(&route, HotRequest { parts: &parts, peer }) {
            self.hot_path.answered(nth, &parts, response.status(), began);
            return immediate(response);
        }
        let (waiting_room, hot_path) = (Arc::clone(waiting_room), Arc::clone(&self.hot_path));
        Either::Right(Box::pin(async move {
            let response = waiting_room.handle(route, HotRequest { parts: &parts, peer }).await;
            hot_path.answered(nth, &parts, response.status(), began);
            response
        }))
    }

    async fn dispatch_router(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if let Some(response) = self.operations(&request, peer).await {
            return response;
        }
        let Some(router) = &self.router else {
            return self.refuse(&request, Code::NotFound.into());
        };
        begin_trace(request.headers_mut());
        match router.clone().oneshot(request.map(axum::body::Body::new)).await {
            Ok(response) => response.map(Body::stream),
            Err(never) => match never {},
        }
    }

    fn refuse(&self, request: &Request<Incoming>, problem: Problem) -> Response<Body> {
        let now = self.database.now();
        Visit { site: &self.site, headers: request.headers(), uri: request.uri(), now }.refuse(problem, WayOn::Sales)
    }

    async fn operations(&self, request: &Request<Incoming>, peer: SocketAddr) -> Option<Response<Body>> {
        let path = request.uri().path();
        if matches!(path, "/healthz" | "/readyz" | "/metrics") && !request.method().is_safe() {
            return Some(self.refuse(request, Problem::from(Code::MethodNotAllowed).allow("GET,HEAD")));
        }
        match path {
            "/healthz" => Some(text(StatusCode::OK, "ok\n".to_owned())),
            "/readyz" => Some(match self.health.read().await {
                Reading::Ready { notes } => text(StatusCode::OK, format!("ready\n{notes}")),
                Reading::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            }),
            "/metrics" => {
                let metrics = self.metrics.as_ref()?;
                let allowed = !metrics.loopback_only || peer.ip().to_canonical().is_loopback();
                allowed.then(|| text(StatusCode::OK, metrics.render()))
            }
            _ => None,
        }
    }
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Refuses requests that no call accepts, before anything else is done with them.
fn too_large(request: &Request<Incoming>) -> Option<Problem> {
    if request.uri().path_and_query().map_or(0, |path: &PathAndQuery| path.as_str().len()) > MAX_URI_BYTES {
        return Some(Code::UriTooLong.into());
    }
    if size(request.headers()) > MAX_HEADER_BYTES {
        return Some(Code::HeadersTooLarge.into());
    }
    let content_length = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    (content_length > MAX_BODY_BYTES).then(|| Code::TooLarge.into())
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).fold(0, usize::saturating_add)
}

/// The metrics recorder of this process; there is one, however many servers tests start in it.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS_SECONDS)
                .and_then(|builder| {
                    builder.set_buckets_for_metric(Matcher::Suffix("_asks".to_owned()), &BATCH_BUCKETS)
                });
            let recorder = recorder.unwrap_or_default().build_recorder();
            let handle = recorder.handle();
            drop(metrics::set_global_recorder(recorder));
            handle
        })
        .clone()
}
