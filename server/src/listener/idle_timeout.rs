//! Closes idle connections, so that a slow client, or one that went away, does not hold one open.
//!
//! hyper can do this too, but rearms a timer for every request, and reads the clock once more to do so. Here one timer per
//! connection checks every few seconds whether anything has happened.

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

/// Between two checks. A connection on which no request has started or finished for two intervals is closed: after ten
/// seconds at the earliest and fifteen at the latest.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
const IDLE_CHECKS: u32 = 2;

/// Counts the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct IdleTimeout {
    started: AtomicU64,
    finished: AtomicU64,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The process is stopping.
    Stop,
    /// No request has started or finished for too long.
    Idle,
}

impl IdleTimeout {
    /// Counts a request as in flight until the guard is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> RequestGuard {
        self.started.fetch_add(1, Ordering::Relaxed);
        RequestGuard(Arc::clone(self))
    }

    /// Waits until the connection has been idle for too long, or the process stops.
    pub(super) async fn expired_or_stopped(self: Arc<Self>, stop: CancellationToken) -> CloseReason {
        let (mut seen, mut idle_checks) = ((0, 0), 0);
        while idle_checks < IDLE_CHECKS {
            select! {
                () = stop.cancelled() => return CloseReason::Stop,
                () = sleep(CHECK_INTERVAL) => {}
            }
            let (started, finished) = (self.started.load(Ordering::Relaxed), self.finished.load(Ordering::Relaxed));
            let at_rest = started == finished && seen == (started, finished);
            idle_checks = if at_rest { idle_checks + 1 } else { 0 };
            seen = (started, finished);
        }
        CloseReason::Idle
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<IdleTimeout>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.finished.fetch_add(1, Ordering::Relaxed);
    }
}

/// A response body; the request is in flight until it is dropped.
pub(super) struct GuardedBody {
    pub(super) body: Body,
    pub(super) _guard: RequestGuard,
}

impl HttpBody for GuardedBody {
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
    async fn an_idle_connection_is_closed_after_ten_to_fifteen_seconds() {
        let idle_timeout = Arc::new(IdleTimeout::default());
        let clients = async {
            for _ in 0..5 {
                sleep(Duration::from_secs(8)).await;
                drop(idle_timeout.begin_request());
            }
            let request = idle_timeout.begin_request();
            sleep(Duration::from_mins(1)).await;
            drop(request);
            tokio::time::Instant::now()
        };
        let waiting = Arc::clone(&idle_timeout).expired_or_stopped(CancellationToken::new());
        let (idle_since, reason) = tokio::join!(clients, waiting);
        assert_eq!(reason, CloseReason::Idle);
        assert!((9_900..=15_100).contains(&idle_since.elapsed().as_millis()), "{:?}", idle_since.elapsed());
    }
}
