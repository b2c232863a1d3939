//! Stream: the frame as server-sent events, the same bytes for everybody.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};
use http_body_util::StreamBody;
use sale::SaleId;
use tokio::sync::watch;
use web::{Body, Problem};

use crate::{WaitingRoom, room::Shown};

/// An event is sent when nothing happened for so long, so that proxies and pages know that the line lives. It is a real
/// one, because scripts do not hear of comments.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The frame as server-sent events: `event: frame`, id = tick, a heartbeat every 15 seconds.
#[utoipa::path(get, path = "/v1/sales/{sale}/stream", tag = "line", params(("sale" = String, Path)),
    responses((status = 200, description = "text/event-stream"), (status = 404, description = "sale_not_found")))]
pub async fn stream(door: &WaitingRoom, sale: &SaleId) -> Result<Response<Body>, Problem> {
    let mut frames = door.rooms.room(sale).await?.watch();
    frames.mark_changed();
    let stop = door.stop.clone();
    let events = stream::unfold((frames, stop), |(frames, stop)| async move {
        let (event, frames) = stop.clone().run_until_cancelled_owned(next_event(frames)).await??;
        Some((event, (frames, stop)))
    });
    let mut response = Response::new(Body::stream(StreamBody::new(events)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("openrun-time", door.time());
    Ok(response)
}

type Event = Result<http_body::Frame<Bytes>, std::convert::Infallible>;

/// The next event, or `None` when the process stops.
async fn next_event(mut frames: watch::Receiver<Arc<Shown>>) -> Option<(Event, watch::Receiver<Arc<Shown>>)> {
    let bytes = match tokio::time::timeout(HEARTBEAT, frames.changed()).await {
        Ok(Ok(())) => frames.borrow_and_update().event.clone(),
        Ok(Err(_)) => return None,
        Err(_) => Bytes::from_static(b"event: heartbeat\ndata: 1\n\n"),
    };
    Some((Ok(http_body::Frame::data(bytes)), frames))
}
