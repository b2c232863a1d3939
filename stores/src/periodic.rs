//! Background work that is repeated until the process stops.
//!
//! ARCHITECTURE.md lists all of it. A loop that is woken by something else than time keeps a form of its own, and says why.
//! The function that runs a loop returns it boxed: so the loop is compiled in the crate that it belongs to, for speed, and
//! not in the program that starts it.

use std::{fmt::Display, mem::replace, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::outage::OutageLog;

/// When one kind of work is to be done, and how it goes.
///
/// ```ignore
/// let mut periodic = Periodic::every(INTERVAL, "the reconciler", &stop);
/// while periodic.is_due().await {
///     periodic.record(compare().await);
/// }
/// ```
///
/// An error never ends the loop: the first of an outage and the recovery are logged, and `openrun_trouble` is 1 in between.
/// A panic is left to the task that the loop runs on.
#[derive(Debug)]
pub struct Periodic {
    outage: OutageLog,
    stop: CancellationToken,
    interval: Duration,
    /// Before the next run.
    pause: Duration,
}

impl Periodic {
    /// Due at once, and again `interval` after each run has ended, whether it succeeded or not, until `stop`. `name`
    /// completes "… fails".
    pub fn every(interval: Duration, name: impl Into<String>, stop: &CancellationToken) -> Self {
        Self { outage: OutageLog::new(name), stop: stop.clone(), interval, pause: Duration::ZERO }
    }

    /// Lets the first run wait for an interval too.
    #[must_use]
    pub fn later(self) -> Self {
        Self { pause: self.interval, ..self }
    }

    /// Waits until the next run is due; `false` once the process stops.
    pub async fn is_due(&mut self) -> bool {
        let pause = replace(&mut self.pause, self.interval);
        if !pause.is_zero() {
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        !self.stop.is_cancelled()
    }

    /// Records what the run came to.
    pub fn record<E: Display>(&self, outcome: Result<(), E>) {
        match outcome {
            Ok(()) => self.outage.record_recovery(),
            Err(error) => self.outage.record_failure(&error),
        }
    }

    /// Lets the next run, and only that, wait for `pause` instead of the interval.
    pub fn pause_for(&mut self, pause: Duration) {
        self.pause = pause;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);
    const HALF: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn an_interval_begins_when_a_run_has_ended_and_an_error_changes_nothing() {
        let (stop, began) = (CancellationToken::new(), Instant::now());
        let mut periodic = Periodic::every(INTERVAL, "the test", &stop);
        let mut runs = Vec::new();
        while periodic.is_due().await {
            runs.push(began.elapsed().as_millis());
            sleep(HALF).await;
            periodic.record(Err("no"));
            if runs.len() == 3 {
                stop.cancel();
            }
        }
        assert_eq!((runs, began.elapsed().as_millis()), (vec![0, 1_500, 3_000], 3_500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_a_pause_and_lets_nothing_begin() {
        let (stop, began) = (CancellationToken::new(), Instant::now());
        let mut periodic = Periodic::every(INTERVAL, "the test", &stop).later();
        assert!(periodic.is_due().await);
        assert_eq!(began.elapsed(), INTERVAL);
        let stopping = async {
            sleep(HALF).await;
            stop.cancel();
        };
        let (is_due, ()) = tokio::join!(periodic.is_due(), stopping);
        assert!(!is_due);
        assert_eq!(began.elapsed(), INTERVAL + HALF);
        assert!(!Periodic::every(INTERVAL, "the test", &stop).is_due().await);
    }

    #[tokio::test(start_paused = true)]
    async fn another_pause_counts_once() {
        let began = Instant::now();
        let mut periodic = Periodic::every(INTERVAL, "the test", &CancellationToken::new());
        assert!(periodic.is_due().await);
        periodic.pause_for(HALF);
        assert!(periodic.is_due().await);
        assert_eq!(began.elapsed(), HALF);
        assert!(periodic.is_due().await);
        assert_eq!(began.elapsed(), HALF + INTERVAL);
    }
}
