//! How long a connection may say nothing: a slow client, or one that went away, must not hold it.
//!
//! hyper can do this too, but arms a timer anew for every request, and reads once more to do so. Here one timer per
//! connection looks every few seconds whether anything has happened.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;
use web::{Body, body::BoxError};

/// Between two looks. A connection on which no request began and none was answered for two of them is closed: after ten
/// seconds at the earliest and fifteen at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const QUIET_LOOKS: u32 = 2;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Patience {
    begun: AtomicU64,
    answered: AtomicU64,
}

/// Why a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The process stops.
    Stop,
    /// Nobody says anything.
    Quiet,
}

impl Patience {
    /// A request has come. It is under way until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Waits for the end of the process, or of patience.
    pub(super) async fn wait(self: Arc<Self>, stop: CancellationToken) -> Why {
        let (mut seen, mut quiet) = ((0, 0), 0);
        while quiet < QUIET_LOOKS {
            select! {
                () = stop.cancelled() => return Why::Stop,
                () = sleep(LOOK_EVERY) => {}
            }
            let (begun, answered) = (self.begun.load(Ordering::Relaxed), self.answered.load(Ordering::Relaxed));
            let at_rest = begun == answered && seen == (begun, answered);
            quiet = if at_rest { quiet + 1 } else { 0 };
            seen = (begun, answered);
        }
        Why::Quiet
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Patience>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of an answer, with which its request ends.
pub(super) struct Answering {
    pub(super) body: Body,
    pub(super) _under_way: UnderWay,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_ends_after_ten_to_fifteen_seconds() {
        let patience = Arc::new(Patience::default());
        let clients = async {
            for _ in 0..5 {
                sleep(Duration::from_secs(8)).await;
                drop(patience.begin());
            }
            let under_way = patience.begin();
            sleep(Duration::from_mins(1)).await;
            drop(under_way);
            tokio::time::Instant::now()
        };
        let waiting = Arc::clone(&patience).wait(CancellationToken::new());
        let (quiet_from, why) = tokio::join!(clients, waiting);
        assert_eq!(why, Why::Quiet);
        assert!((9_900..=15_100).contains(&quiet_from.elapsed().as_millis()), "{:?}", quiet_from.elapsed());
    }
}
