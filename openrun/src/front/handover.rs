//! A connection that listens to a line is given to its listener, socket and all, once the head of the answer is out: an
//! idle one then costs a tenth of what hyper keeps for it.

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
use waiting_room::stream::Listener;
use web::Body;

/// Where the body of an answer leaves the listener for the connection that it came on.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Option<Listener>>>);

impl Handover {
    /// An answer with a listener gets a body that hands it over. `version` is the request's: before 1.1 there are no
    /// chunks.
    pub(super) fn offer(self, mut response: Response<Body>, version: Version) -> Response<Body> {
        match response.extensions_mut().remove::<Listener>() {
            Some(listener) if version == Version::HTTP_11 => {
                response.map(|_| Body::stream(HandsOver { listener: Some(listener), to: self }))
            }
            _ => response,
        }
    }

    /// Drives the connection to its end, or until there is a listener for it.
    ///
    /// hyper asks for the body when the head is written, and flushes before it rests: then the socket is free.
    pub(super) async fn or_end<C, E>(&self, connection: &mut C) -> Result<Option<Listener>, E>
    where
        C: Future<Output = Result<(), E>> + Unpin,
    {
        poll_fn(|context| match Pin::new(&mut *connection).poll(context) {
            Poll::Ready(ended) => Poll::Ready(ended.map(|()| None)),
            Poll::Pending => self.0.lock().take().map_or(Poll::Pending, |listener| Poll::Ready(Ok(Some(listener)))),
        })
        .await
    }
}

/// A body that says nothing: asked for its first bytes, it hands the listener over. Nobody asks on HEAD.
struct HandsOver {
    listener: Option<Listener>,
    to: Handover,
}

impl HttpBody for HandsOver {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(listener) = self.listener.take() {
            *self.to.0.lock() = Some(listener);
        }
        Poll::Pending
    }
}
