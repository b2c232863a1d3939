//! The listener: accepts connections and serves each on one of the connections' threads.

mod detach;
mod idle_timeout;
pub mod threads;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    select,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use self::{
    detach::Detach,
    idle_timeout::{CloseReason, GuardedBody, IdleTimeout},
};
use crate::{
    dispatcher::{Dispatcher, MAX_HEADER_BYTES},
    lifecycle::Lifecycle,
};

/// Open connections; above it new ones wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 100_000;
/// The pause after a connection that could not be accepted: out of file descriptors, most likely, which passes as
/// connections end.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(50);

/// Accepts connections until the soft stop, then lets the open ones finish. Connections are distributed over `runtimes`
/// in turn.
///
/// Boxed, so that the tasks of the connections are compiled here.
pub fn accept(
    listener: TcpListener,
    dispatcher: Dispatcher,
    lifecycle: Lifecycle,
    runtimes: Vec<Handle>,
) -> BoxFuture<'static, anyhow::Result<()>> {
    accept_until_stopped(listener, dispatcher, lifecycle, runtimes).boxed()
}

async fn accept_until_stopped(
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
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY_AFTER).await;
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
        Ok(Some(subscriber)) => {
            let socket = connection.into_parts().io.into_inner();
            // A new task, because this one has the size of everything that a request may need.
            lifecycle.tracker.spawn(subscriber.write_to(socket, slot));
        }
        Err(error) => tracing::trace!(%error, "connection failed"),
    }
}
