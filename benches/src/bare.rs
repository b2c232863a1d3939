//! The ceiling of every HTTP figure: hyper and nothing behind it, on as many threads as Openrun has, answering as many
//! bytes.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::ask::{Answer, Request};

/// A server that says the same to everybody.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    /// A connection keeps what it found when it was opened, so that no request waits for a lock.
    body: Arc<Mutex<Bytes>>,
}

impl Bare {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let bare = Self { address: listener.local_addr()?, body: Arc::default() };
        let (tracker, body) = (TaskTracker::new(), Arc::clone(&bare.body));
        tracker.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let body = body.lock().clone();
                tracker.spawn(serve(stream, body));
            }
        });
        Ok(bare)
    }

    /// Makes it answer as many bytes as `answer` has, head and all.
    pub(crate) fn imitate(&self, answer: &Answer) -> anyhow::Result<()> {
        let wanted = answer.bytes();
        let mut body = wanted;
        // The head tells the length, so it changes with it.
        for _ in 0..3 {
            *self.body.lock() = vec![b'x'; body].into();
            let bytes = Request::get("/").send(self.address)?.bytes();
            body = (body + wanted).saturating_sub(bytes);
        }
        let bytes = Request::get("/").send(self.address)?.bytes();
        ensure!(bytes.abs_diff(wanted) < 4, "the bare server answers {bytes} bytes instead of {wanted}");
        Ok(())
    }
}

async fn serve(stream: TcpStream, body: Bytes) {
    let service = service_fn(move |_| {
        let body = body.clone();
        async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
    });
    // wrk goes in the middle of an answer when its time is over; like the end of the socket options, that is no matter.
    drop(stream.set_nodelay(true));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}
