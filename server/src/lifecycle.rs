//! Start and stop of the process; the stop has two stages.
//!
//! The first signal, or a task that failed, cancels the *soft* token: the process is not ready, takes no
//! new work, and finishes what it has begun. When that takes too long, or at a second signal, the *hard* token is
//! cancelled: tasks drop what they hold, which every store survives. The process ends with 0 only when everything was
//! finished and nothing failed.

use std::{
    future::Future,
    io,
    panic::AssertUnwindSafe,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::error_chain::error_chain;

/// How long finishing may take. Container runtimes kill after 30 seconds.
const SOFT_STOP: Duration = Duration::from_secs(20);

/// How long tasks have to see the hard token before they are left behind.
const HARD_STOP: Duration = Duration::from_secs(1);

/// Spawns the tasks of the process and stops them.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    pub tracker: TaskTracker,
    /// Cancelled: not ready, no new work, finish the old.
    pub soft: CancellationToken,
    /// Cancelled: drop everything.
    pub hard: CancellationToken,
    has_failed: Arc<AtomicBool>,
    soft_stop: Duration,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            has_failed: Arc::new(AtomicBool::new(false)),
            soft_stop: SOFT_STOP,
        }
    }

    /// Overrides the time for finishing, for tests.
    #[must_use]
    pub fn with_soft_stop(self, soft_stop: Duration) -> Self {
        Self { soft_stop, ..self }
    }

    /// Whether the process takes work; `/readyz` answers this.
    pub fn is_ready(&self) -> bool {
        !self.soft.is_cancelled()
    }

    /// Runs `task` until it ends. An error or a panic stops the process; what may fail alone, such as a connection, is
    /// spawned on the [`tracker`](Self::tracker) itself.
    pub fn spawn<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error> + Send + 'static,
    {
        self.spawn_boxed(name, async move { task.await.map_err(Into::into) }.boxed());
    }

    fn spawn_boxed(&self, name: &'static str, task: BoxFuture<'static, anyhow::Result<()>>) {
        let lifecycle = self.clone();
        self.tracker.spawn(async move {
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => tracing::debug!(task = name, "a task has ended"),
                Ok(Err(error)) => {
                    tracing::error!(task = name, error = error_chain(&error), "a task failed; the process stops");
                    lifecycle.fail();
                }
                // The panic hook has logged it.
                Err(_) => lifecycle.fail(),
            }
        });
    }

    /// Waits for a signal, a failed task or a cancelled soft token, then winds everything down. `signals` are listened to
    /// from before the start on: one that comes while the process starts counts like any other.
    pub async fn run_until_stopped(&self, signals: io::Result<Signals>) -> ExitCode {
        match signals {
            Ok(signals) => select! {
                () = self.cancel_on_signals(signals) => ExitCode::FAILURE,
                code = self.wind_down() => code,
            },
            Err(error) => {
                tracing::error!(%error, "cannot listen for signals; the process stops");
                self.fail();
                self.wind_down().await
            }
        }
    }

    fn fail(&self) {
        self.has_failed.store(true, Ordering::SeqCst);
        self.soft.cancel();
    }

    /// Never returns: what follows from a signal is up to [`Lifecycle::wind_down`].
    async fn cancel_on_signals(&self, mut signals: Signals) {
        let signal = signals.next().await;
        tracing::info!(signal, "stopping: no new work, finishing what was begun; again to stop at once");
        self.soft.cancel();
        let signal = signals.next().await;
        tracing::warn!(signal, "stopping at once");
        self.hard.cancel();
        std::future::pending::<()>().await;
    }

    async fn wind_down(&self) -> ExitCode {
        self.soft.cancelled().await;
        self.tracker.close();
        select! {
            () = self.tracker.wait() => {}
            () = self.hard.cancelled() => {}
            () = sleep(self.soft_stop) => {
                tracing::warn!(seconds = self.soft_stop.as_secs(), "finishing took too long; stopping at once");
                self.hard.cancel();
            }
        }
        if self.hard.is_cancelled() && timeout(HARD_STOP, self.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.tracker.len(), "tasks are left behind");
        }
        if self.hard.is_cancelled() || self.has_failed.load(Ordering::SeqCst) {
            ExitCode::FAILURE
        } else {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
    }
}

/// SIGTERM and SIGINT, which mean the same here.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on; until then a signal just ends the process.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ExitCode` cannot be compared.
    fn is_success(code: ExitCode) -> bool {
        format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS)
    }

    #[tokio::test]
    async fn a_soft_stop_lets_tasks_finish() {
        let lifecycle = Lifecycle::new();
        let (soft, finished) = (lifecycle.soft.clone(), Arc::new(AtomicBool::new(false)));
        let has_finished = Arc::clone(&finished);
        lifecycle.spawn("finisher", async move {
            soft.cancelled().await;
            tokio::task::yield_now().await;
            has_finished.store(true, Ordering::SeqCst);
            anyhow::Ok(())
        });
        assert!(lifecycle.is_ready());
        lifecycle.soft.cancel();
        assert!(!lifecycle.is_ready());
        assert!(is_success(lifecycle.run_until_stopped(Signals::listen()).await));
        assert!(finished.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_task_that_fails_or_panics_stops_the_process() {
        let panics: fn() -> Result<(), io::Error> = || panic!("no");
        for body in [|| Err(io::Error::other("no")), panics] {
            let lifecycle = Lifecycle::new();
            let soft = lifecycle.soft.clone();
            lifecycle.spawn("steady", async move {
                soft.cancelled().await;
                anyhow::Ok(())
            });
            lifecycle.spawn("broken", async move { body() });
            assert!(!is_success(lifecycle.run_until_stopped(Signals::listen()).await));
        }
    }

    #[tokio::test]
    async fn a_task_that_ends_well_stops_nothing() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("once", async { anyhow::Ok(()) });
        let ended_early = timeout(Duration::from_millis(50), lifecycle.run_until_stopped(Signals::listen())).await;
        assert!(ended_early.is_err());
    }

    #[tokio::test]
    async fn a_task_that_does_not_finish_in_time_is_stopped_hard() {
        let lifecycle = Lifecycle::new().with_soft_stop(Duration::from_millis(10));
        let hard = lifecycle.hard.clone();
        lifecycle.spawn("slow", async move {
            hard.cancelled().await;
            anyhow::Ok(())
        });
        lifecycle.soft.cancel();
        assert!(!is_success(lifecycle.run_until_stopped(Signals::listen()).await));
        assert!(lifecycle.hard.is_cancelled());
    }

    #[tokio::test]
    async fn a_hard_stop_does_not_wait_for_the_soft_one() {
        let lifecycle = Lifecycle::new();
        let hard = lifecycle.hard.clone();
        lifecycle.spawn("slow", async move {
            hard.cancelled().await;
            anyhow::Ok(())
        });
        lifecycle.soft.cancel();
        lifecycle.hard.cancel();
        let code = timeout(Duration::from_secs(5), lifecycle.run_until_stopped(Signals::listen())).await.unwrap();
        assert!(!is_success(code));
    }
}
