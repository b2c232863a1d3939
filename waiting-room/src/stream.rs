//! Stream: the frame as server-sent events, the same bytes for everybody.
//!
//! A page that listens costs little: once the head of the answer is out, the listener may take the connection's socket
//! and write events to it without hyper, whose buffers are larger than everything that is ever sent here.

use std::{convert::Infallible, io::ErrorKind, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use sale::SaleId;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    select,
    sync::{OwnedSemaphorePermit, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use web::{ApiError, Body};

use crate::{TIME, WaitingRoom, room::Shown};

/// An event is sent when nothing happened for so long, so that proxies and pages know that the line lives. It is a real
/// one, because scripts do not hear of comments.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A server-sent event of the stream.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the description of what `Shown` writes as bytes")]
pub struct FrameEvent {
    /// `frame` or `heartbeat`
    event: String,
    /// The tick of the frame.
    id: Option<String>,
    /// The frame, as JSON.
    data: String,
}

/// The frame as server-sent events: `event: frame`, id = tick, a heartbeat every 15 seconds.
///
/// The answer carries its [`Listener`] as an extension, for whoever can give it the socket; its body says the same.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/stream",
    operation_id = "stream_frames",
    tag = "line",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "Server-sent events", body = FrameEvent, content_type = "text/event-stream"))
)]
pub async fn stream(door: &WaitingRoom, sale: &SaleId) -> Result<Response<Body>, ApiError> {
    let mut frames = door.rooms.room(sale).await?.watch();
    frames.mark_changed();
    let listener = Listener { frames, stop: door.stop.clone() };
    let mut response = Response::new(listener.clone().into_body());
    response.extensions_mut().insert(listener);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(TIME, door.time());
    Ok(response)
}

/// Somebody who hears of every frame from now on, the one at hand first.
#[derive(Clone, Debug)]
pub struct Listener {
    frames: watch::Receiver<Arc<Shown>>,
    /// Cancelled when the process stops.
    stop: CancellationToken,
}

/// What there is to hear.
enum News {
    Frame(Arc<Shown>),
    Heartbeat,
    /// The process stops.
    End,
}

impl Listener {
    // One flat wait: what is nested in it would be kept twice, and there is one per page.
    async fn next(&mut self) -> News {
        select! {
            changed = self.frames.changed() => match changed {
                Ok(()) => News::Frame(Arc::clone(&self.frames.borrow_and_update())),
                Err(_) => News::End,
            },
            () = sleep(HEARTBEAT) => News::Heartbeat,
            () = self.stop.cancelled() => News::End,
        }
    }

    fn into_body(self) -> Body {
        let events = stream::unfold(self, |mut listener| async move {
            let event = match listener.next().await {
                News::Frame(shown) => shown.event.clone(),
                News::Heartbeat => Bytes::from_static(b"event: heartbeat\ndata: 1\n\n"),
                News::End => return None,
            };
            Some((Ok::<_, Infallible>(Frame::data(event)), listener))
        });
        Body::stream(StreamBody::new(events))
    }

    /// Writes what there is to hear as chunks of HTTP/1.1 behind a head that is out already, until one of both ends.
    /// `place` is kept as long: the connection counts among those that are open.
    pub async fn write_to(mut self, mut socket: TcpStream, _place: OwnedSemaphorePermit) {
        loop {
            let news = select! {
                news = self.next() => news,
                () = hung_up(&socket) => return,
            };
            let chunk = match &news {
                News::Frame(shown) => &shown.chunk[..],
                News::Heartbeat => b"1a\r\nevent: heartbeat\ndata: 1\n\n\r\n",
                News::End => {
                    // Whoever has not even read what came before does not miss it.
                    drop(socket.try_write(b"0\r\n\r\n"));
                    return;
                }
            };
            // A page that does not read keeps its own stream waiting, but not the end of the process.
            select! {
                written = socket.write_all(chunk) => if written.is_err() { return },
                () = self.stop.cancelled() => return,
            }
        }
    }
}

/// Until the page has gone. What it says meanwhile is not listened to.
async fn hung_up(socket: &TcpStream) {
    let mut bytes = [0; 32];
    while socket.readable().await.is_ok() {
        match socket.try_read(&mut bytes) {
            Ok(1..) => {}
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use sale::Frame;
    use tokio::{io::AsyncReadExt as _, net::TcpListener, sync::Semaphore};

    use super::*;

    async fn place() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap()
    }

    #[tokio::test]
    async fn a_listener_writes_the_frame_at_hand_then_every_change_and_ends_with_the_process() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut page = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let (socket, _) = server.accept().await.unwrap();
        let shown = |tick| Arc::new(Shown::new(Frame { tick, ..Frame::empty("s".parse().unwrap()) }, "{}".into()));
        let (sender, mut frames) = watch::channel(shown(7));
        frames.mark_changed();
        let stop = CancellationToken::new();
        let mut text = String::new();
        let told = async {
            let mut bytes = [0; 64];
            let count = page.read(&mut bytes).await.unwrap();
            assert_eq!(&bytes[..count], b"1d\r\nevent: frame\nid: 7\ndata: {}\n\n\r\n".as_slice());
            sender.send_replace(shown(8));
            page.readable().await.unwrap();
            stop.cancel();
            page.read_to_string(&mut text).await.unwrap();
        };
        let listener = Listener { frames, stop: stop.clone() };
        tokio::join!(listener.write_to(socket, place().await), told);
        assert_eq!(text, "1d\r\nevent: frame\nid: 8\ndata: {}\n\n\r\n0\r\n\r\n");
    }

    #[tokio::test]
    async fn a_listener_that_hangs_up_is_forgotten() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let (socket, _) = server.accept().await.unwrap();
        let shown = Arc::new(Shown::unwritten(Frame::empty("s".parse().unwrap())));
        let (_sender, frames) = watch::channel(shown);
        drop(page);
        Listener { frames, stop: CancellationToken::new() }.write_to(socket, place().await).await;
    }
}
