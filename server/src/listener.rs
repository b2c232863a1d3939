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
    net::{TcpListener, TcpSocket, TcpStream},
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
/// Connections that the kernel completes before they are accepted; it allows `net.core.somaxconn` at most, which is 4,096
/// where nobody has set it. A crowd comes at once, and above the backlog the kernel drops what people send: their browsers
/// try again after one second, then three, then seven.
const BACKLOG: u32 = 65_535;
/// The pause after a connection that could not be accepted: out of file descriptors, most likely, which passes as
/// connections end.
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(50);

/// Listens on an address.
///
/// # Errors
/// The address is taken, is not of this machine, or needs rights that the process does not have.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Otherwise a process that is started again would have to wait for the connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

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

#[cfg(test)]
mod tests {
    use std::{fs, net::Ipv4Addr};

    use rustix::process::{Resource, getrlimit, setrlimit};
    use tokio::time::timeout;

    use super::*;

    /// More than the 1,024 that sockets listen with where nobody says how many.
    const CROWD: usize = 1_500;

    #[tokio::test]
    async fn a_crowd_that_comes_at_once_is_connected_before_anybody_is_accepted() {
        let somaxconn: usize = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).unwrap();
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let mut connected = Vec::new();
        for nth in 0..CROWD.min(somaxconn) {
            let stream = timeout(Duration::from_secs(30), TcpStream::connect(address)).await;
            connected.push(stream.unwrap_or_else(|_| panic!("connection {nth} was dropped")).unwrap());
        }
        drop(listener);
    }
}
