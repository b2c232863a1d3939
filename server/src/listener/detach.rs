//! Takes the socket of an event stream away from hyper once the response head is written: an idle stream then costs a
//! tenth of the memory that hyper keeps for a connection.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, Version};
use http_body::{Body as HttpBody, Frame};
use parking_lot::Mutex;
use waiting_room::stream::FrameSubscriber;
use web::Body;

/// The slot in which a response body leaves the stream's subscriber for the connection.
#[derive(Clone, Default)]
pub(super) struct Detach(Arc<Mutex<Option<FrameSubscriber>>>);

impl Detach {
    /// Replaces the body of a response that carries a subscriber by one that puts it into the slot. `version` is the
    /// request's: before HTTP/1.1 there is no chunked encoding.
    pub(super) fn intercept(self, mut response: Response<Body>, version: Version) -> Response<Body> {
        match response.extensions_mut().remove::<FrameSubscriber>() {
            Some(subscriber) if version == Version::HTTP_11 => {
                response.map(|_| Body::stream(DetachingBody { subscriber: Some(subscriber), to: self }))
            }
            _ => response,
        }
    }

    /// Drives the connection until it is closed, or until the slot holds a subscriber.
    ///
    /// hyper polls the body after it has written the head, and flushes before it returns pending: then the socket is free.
    pub(super) async fn detached_or_closed<C, E>(&self, connection: &mut C) -> Result<Option<FrameSubscriber>, E>
    where
        C: Future<Output = Result<(), E>> + Unpin,
    {
        poll_fn(|context| match Pin::new(&mut *connection).poll(context) {
            Poll::Ready(ended) => Poll::Ready(ended.map(|()| None)),
            Poll::Pending => self.0.lock().take().map_or(Poll::Pending, |subscriber| Poll::Ready(Ok(Some(subscriber)))),
        })
        .await
    }
}

/// An empty body whose first poll puts the subscriber into the slot. On HEAD hyper never polls it.
struct DetachingBody {
    subscriber: Option<FrameSubscriber>,
    to: Detach,
}

impl HttpBody for DetachingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(subscriber) = self.subscriber.take() {
            *self.to.0.lock() = Some(subscriber);
        }
        Poll::Pending
    }
}
