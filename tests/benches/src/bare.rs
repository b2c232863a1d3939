//! The ceiling of every HTTP figure: hyper and nothing behind it, on as many threads as Openrun has, answering as many
//! bytes.

use std::{convert::Infallible, future, io, net::SocketAddr, sync::Arc, thread};

use anyhow::ensure;
use bytes::Bytes;
use harness::http::Request;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle},
};
use tokio_util::task::TaskTracker;

/// A server that says the same to everybody.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    /// A connection keeps what it found when it was opened, so that no request waits for a lock.
    body: Arc<Mutex<Bytes>>,
}

impl Bare {
    /// On one runtime whose threads share all connections, as hyper's users have it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_on(vec![Handle::current()]).await
    }

    /// On as many runtimes of a thread each, as Openrun has them, until the process ends.
    pub(crate) async fn start_on_threads() -> anyhow::Result<Self> {
        let count = thread::available_parallelism()?.get();
        Self::start_on((0..count).map(|_| thread_of_its_own()).collect::<io::Result<_>>()?).await
    }

    /// Connections go to the runtimes in turn.
    async fn start_on(runtimes: Vec<Handle>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let bare = Self { address: listener.local_addr()?, body: Arc::default() };
        let (tracker, body) = (TaskTracker::new(), Arc::clone(&bare.body));
        tracker.clone().spawn(async move {
            for runtime in runtimes.iter().cycle() {
                let Ok((stream, _)) = listener.accept().await else { return };
                tracker.spawn_on(serve(stream, body.lock().clone()), runtime);
            }
        });
        Ok(bare)
    }

    /// Makes it answer so many bytes, head and all.
    pub(crate) fn imitate(&self, wanted: usize) -> anyhow::Result<()> {
        let mut body = wanted;
        // The head tells the length, so it changes with it.
        for _ in 0..3 {
            *self.body.lock() = vec![b'x'; body].into();
            let bytes = Request::get("/").send(self.address)?.bytes;
            body = (body + wanted).saturating_sub(bytes);
        }
        let bytes = Request::get("/").send(self.address)?.bytes;
        ensure!(bytes.abs_diff(wanted) < 4, "the bare server answers {bytes} bytes instead of {wanted}");
        Ok(())
    }
}

fn thread_of_its_own() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().spawn(move || runtime.block_on(future::pending::<()>()))?;
    Ok(handle)
}

async fn serve(stream: TcpStream, body: Bytes) {
    // Woken by the runtime that this runs on from now on.
    let Ok(stream) = stream.into_std().and_then(TcpStream::from_std) else { return };
    let service = service_fn(move |_| {
        let body = body.clone();
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    });
    // wrk goes in the middle of an answer when its time is over; like the end of the socket options, that is no matter.
    drop(stream.set_nodelay(true));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}
