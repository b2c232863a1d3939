//! Stream: the frame as server-sent events, the same bytes for everybody.
//!
//! An open stream takes little memory: once the response head is written, the server may take the connection's socket
//! away from hyper, whose buffers are larger than everything that is ever sent here, and write the events itself.

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

use crate::{SERVER_TIME, WaitingRoom, encoded_frame::EncodedFrame};

/// After this time without a frame a heartbeat is sent, so that proxies keep the connection and pages know that it
/// works. It is an event, because scripts do not receive comments.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A server-sent event of the stream.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the description of what `EncodedFrame` writes as bytes")]
pub struct FrameEvent {
    /// `frame` or `heartbeat`
    event: String,
    /// The tick of the frame.
    id: Option<String>,
    /// The frame, as JSON.
    data: String,
}

/// The frame as server-sent events: `event: frame`, id = tick, a heartbeat every 15 seconds.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/stream",
    operation_id = "stream_frames",
    tag = "line",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "Server-sent events", body = FrameEvent, content_type = "text/event-stream"))
)]
pub async fn stream(app: &WaitingRoom, sale: &SaleId) -> Result<Response<Body>, ApiError> {
    let mut frames = app.queues.open(sale).await?.cache.subscribe();
    frames.mark_changed();
    let subscriber = FrameSubscriber { frames, stop: app.stop.clone() };
    let mut response = Response::new(subscriber.clone().into_body());
    // For a server that can hand the socket over; the body sends the same events.
    response.extensions_mut().insert(subscriber);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(SERVER_TIME, app.server_time());
    Ok(response)
}

/// An open stream: receives the current frame, then every new one.
#[derive(Clone, Debug)]
pub struct FrameSubscriber {
    frames: watch::Receiver<Arc<EncodedFrame>>,
    /// Cancelled when the process stops.
    stop: CancellationToken,
}

/// What a stream sends next.
enum Message {
    Frame(Arc<EncodedFrame>),
    Heartbeat,
    /// The process stops.
    End,
}

impl FrameSubscriber {
    // Not nested, because the state of a nested future is kept twice, and there is one for each open stream.
    async fn next(&mut self) -> Message {
        select! {
            changed = self.frames.changed() => match changed {
                Ok(()) => Message::Frame(Arc::clone(&self.frames.borrow_and_update())),
                Err(_) => Message::End,
            },
            () = sleep(HEARTBEAT) => Message::Heartbeat,
            () = self.stop.cancelled() => Message::End,
        }
    }

    fn into_body(self) -> Body {
        let events = stream::unfold(self, |mut subscriber| async move {
            let event = match subscriber.next().await {
                Message::Frame(encoded) => encoded.event.clone(),
                Message::Heartbeat => Bytes::from_static(b"event: heartbeat\ndata: 1\n\n"),
                Message::End => return None,
            };
            Some((Ok::<_, Infallible>(Frame::data(event)), subscriber))
        });
        Body::stream(StreamBody::new(events))
    }

    /// Writes events as chunks of HTTP/1.1 after a response head that is written already, until the client disconnects
    /// or the process stops. The permit is held until then: the connection counts as open.
    pub async fn write_to(mut self, mut socket: TcpStream, _permit: OwnedSemaphorePermit) {
        loop {
            let message = select! {
                message = self.next() => message,
                () = disconnected(&socket) => return,
            };
            let chunk = match &message {
                Message::Frame(encoded) => &encoded.chunk[..],
                Message::Heartbeat => b"1a\r\nevent: heartbeat\ndata: 1\n\n\r\n",
                Message::End => {
                    // Not awaited: a client that has not read the chunks before does not need the last one.
                    drop(socket.try_write(b"0\r\n\r\n"));
                    return;
                }
            };
            // A client that does not read delays its own stream, but not the stop of the process.
            select! {
                written = socket.write_all(chunk) => if written.is_err() { return },
                () = self.stop.cancelled() => return,
            }
        }
    }
}

/// Waits until the client disconnects, and ignores what it sends meanwhile.
async fn disconnected(socket: &TcpStream) {
    let mut bytes = [0; 32];
    while socket.readable().await.is_ok() {
        match socket.try_read(&mut bytes) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use sale::Frame;
    use tokio::{io::AsyncReadExt as _, net::TcpListener, sync::Semaphore};

    use super::*;

    async fn permit() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap()
    }

    #[tokio::test]
    async fn a_stream_sends_the_current_frame_then_every_new_one_and_ends_with_the_process() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut page = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let (socket, _) = server.accept().await.unwrap();
        let empty = || Frame::empty("s".parse().unwrap());
        let frame = |tick| Arc::new(EncodedFrame::published(Frame { tick, ..empty() }, "{}".into()));
        let (sender, mut frames) = watch::channel(frame(7));
        frames.mark_changed();
        let stop = CancellationToken::new();
        let mut text = String::new();
        let reads = async {
            let mut bytes = [0; 64];
            let count = page.read(&mut bytes).await.unwrap();
            assert_eq!(&bytes[..count], b"1d\r\nevent: frame\nid: 7\ndata: {}\n\n\r\n".as_slice());
            sender.send_replace(frame(8));
            page.readable().await.unwrap();
            stop.cancel();
            page.read_to_string(&mut text).await.unwrap();
        };
        let subscriber = FrameSubscriber { frames, stop: stop.clone() };
        tokio::join!(subscriber.write_to(socket, permit().await), reads);
        assert_eq!(text, "1d\r\nevent: frame\nid: 8\ndata: {}\n\n\r\n0\r\n\r\n");
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_client_disconnects() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
        let (socket, _) = server.accept().await.unwrap();
        let frame = Arc::new(EncodedFrame::unpublished(Frame::empty("s".parse().unwrap())));
        let (_sender, frames) = watch::channel(frame);
        drop(page);
        FrameSubscriber { frames, stop: CancellationToken::new() }.write_to(socket, permit().await).await;
    }
}
