//! The listener: every connection, every request. The hot path goes to the waiting room, everything else to the router
//! of the checkout.

mod handover;
mod patience;
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
use waiting_room::{Request as Asked, Route, Routed, WaitingRoom};
use web::{Body, Code, Problem, Site, answer::Visit, asking::begin_trace, pages::WayOn};

use self::{
    handover::Handover,
    patience::{Answering, Patience, Why},
};
use crate::{
    access::HotPath,
    health::{Health, Reading},
    lifecycle::Lifecycle,
};

/// Headers above this are refused with a problem; hyper itself refuses above twice as much.
const LARGEST_HEADERS: usize = 32 * 1024;
const LONGEST_URI: usize = 4 * 1024;
/// The largest body that any call takes; what tells its length is refused before it is read.
const LARGEST_BODY: u64 = 64 * 1024;
/// Open connections at the same time; above it new ones wait in the kernel's backlog.
const MOST_CONNECTIONS: usize = 100_000;

/// Upper bounds of the buckets of durations, in seconds, and of batches, in asks.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const ASKS: [f64; 6] = [1.0, 4.0, 16.0, 64.0, 128.0, 256.0];

/// What answers on an address.
#[derive(Clone)]
pub struct Front {
    /// The hot path; not in processes without the role.
    pub waiting_room: Option<Arc<WaitingRoom>>,
    /// Everything else; not in processes without the role.
    pub rest: Option<Router>,
    pub health: Health,
    pub site: Arc<Site>,
    pub database: Database,
    pub hot_path: Arc<HotPath>,
    /// Metrics on this address: `None` where they are served elsewhere.
    pub metrics: Option<Metrics>,
}

/// Who may read the metrics on an address.
#[derive(Clone)]
pub struct Metrics {
    pub handle: PrometheusHandle,
    /// On the main address only this machine may.
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

/// Memory of this process that lies in RAM, where the kernel tells it.
fn resident_bytes() -> Option<f64> {
    const PAGE_BYTES: u32 = 4_096;
    let told = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u32 = told.split(' ').nth(1)?.parse().ok()?;
    Some(f64::from(pages) * f64::from(PAGE_BYTES))
}

/// What is known at once takes no room on the heap; everything else waits there, so that a connection stays small.
type Answer = Either<Ready<Response<Body>>, BoxFuture<'static, Response<Body>>>;

fn at_once(response: Response<Body>) -> Answer {
    Either::Left(ready(response))
}

/// Accepts connections until the soft stop, then lets those that are open finish. They live on `runtimes`, in turn.
pub async fn accept(
    listener: TcpListener,
    front: Front,
    lifecycle: Lifecycle,
    runtimes: Vec<Handle>,
) -> anyhow::Result<()> {
    let (front, places) = (Arc::new(front), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
    for runtime in runtimes.iter().cycle() {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
        select! {
            () = lifecycle.soft.cancelled() => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let (front, of_connection) = (Arc::clone(&front), lifecycle.clone());
                    let connection = async move {
                        match move_here(stream) {
                            Ok(stream) => serve(stream, peer, front, of_connection, place).await,
                            Err(error) => tracing::trace!(%error, "a connection went before it began"),
                        }
                    };
                    lifecycle.tracker.spawn_on(connection, runtime);
                }
                Err(error) => {
                    // Out of file descriptors, most likely: it passes as connections end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    Ok(())
}

/// The connection, woken by the runtime that this is called on from now on.
fn move_here(stream: TcpStream) -> io::Result<TcpStream> {
    TcpStream::from_std(stream.into_std()?)
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    front: Arc<Front>,
    lifecycle: Lifecycle,
    place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(%error, "a connection went before it began");
    }
    let (heard, patience) = (Handover::default(), Arc::new(Patience::default()));
    // Looked at only when it wakes: the token has one lock for all connections, and each request would take it twice.
    let mut end = FuturesUnordered::from_iter([Arc::clone(&patience).wait(lifecycle.soft.clone())]);
    let handover = heard.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (handover, version, under_way) = (handover.clone(), request.version(), patience.begin());
        front.answer(request, peer).map(move |response| {
            let response = handover.offer(response, version);
            Ok::<_, Infallible>(response.map(|body| Answering { body, _under_way: under_way }))
        })
    });
    let mut connection =
        http1::Builder::new().max_buf_size(4 * LARGEST_HEADERS).serve_connection(TokioIo::new(stream), service);
    let ended = select! {
        biased;
        ended = heard.or_end(&mut connection) => ended,
        why = end.select_next_some() => match why {
            Why::Quiet => Ok(None),
            Why::Stop => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                select! {
                    ended = heard.or_end(&mut connection) => ended,
                    () = lifecycle.hard.cancelled() => Ok(None),
                }
            }
        },
    };
    match ended {
        Ok(None) => {}
        Ok(Some(listener)) => {
            let socket = connection.into_parts().io.into_inner();
            // A task of its own, because this one is as large as everything that a request may need.
            lifecycle.tracker.spawn(listener.write_to(socket, place));
        }
        Err(error) => tracing::trace!(%error, "a connection broke"),
    }
}

impl Front {
    fn answer(self: &Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        if let Some(problem) = too_large(&request) {
            return at_once(self.refuse(&request, problem));
        }
        if let Some(door) = &self.waiting_room {
            match waiting_room::route(request.method(), request.uri().path()) {
                Routed::Here(route) => return self.answer_hot(door, route, request, peer),
                Routed::Refused(problem) => {
                    let (parts, _) = request.into_parts();
                    return at_once(door.refuse(&problem, Asked { parts: &parts, peer }));
                }
                Routed::Elsewhere => {}
            }
        }
        let front = Arc::clone(self);
        Either::Right(Box::pin(async move { front.answer_rest(request, peer).await }))
    }

    fn answer_hot(
        &self,
        door: &Arc<WaitingRoom>,
        route: Route,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Answer {
        let (mut parts, _) = request.into_parts();
        let (nth, began) = (route.nth(), self.hot_path.sample());
        if began.is_some() {
            begin_trace(&mut parts.headers);
        }
        if let Some(response) = door.at_once(&route, Asked { parts: &parts, peer }) {
            self.hot_path.answered(nth, &parts, response.status(), began);
            return at_once(response);
        }
        let (door, hot_path) = (Arc::clone(door), Arc::clone(&self.hot_path));
        Either::Right(Box::pin(async move {
            let response = door.handle(route, Asked { parts: &parts, peer }).await;
            hot_path.answered(nth, &parts, response.status(), began);
            response
        }))
    }

    async fn answer_rest(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        if let Some(response) = self.operations(&request, peer).await {
            return response;
        }
        let Some(rest) = &self.rest else {
            return self.refuse(&request, Code::NotFound.into());
        };
        begin_trace(request.headers_mut());
        match rest.clone().oneshot(request.map(axum::body::Body::new)).await {
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

/// Refuses what no call takes, before anything is done with it.
fn too_large(request: &Request<Incoming>) -> Option<Problem> {
    if request.uri().path_and_query().map_or(0, |path: &PathAndQuery| path.as_str().len()) > LONGEST_URI {
        return Some(Code::UriTooLong.into());
    }
    if size(request.headers()) > LARGEST_HEADERS {
        return Some(Code::HeadersTooLarge.into());
    }
    let told = request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse::<u64>().ok()?;
    (told > LARGEST_BODY).then(|| Code::TooLarge.into())
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).fold(0, usize::saturating_add)
}

/// The recorder of this process's metrics; one per process, however many servers tests start in it.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_asks".to_owned()), &ASKS));
            let recorder = recorder.unwrap_or_default().build_recorder();
            let handle = recorder.handle();
            drop(metrics::set_global_recorder(recorder));
            handle
        })
        .clone()
}
