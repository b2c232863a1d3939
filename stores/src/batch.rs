//! Natural batching: requests that arrive while a call is in flight are sent together in the next call. There is no timer:
//! with no call in flight, a request is sent immediately.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, ThreadId},
};

use futures::{FutureExt as _, future::BoxFuture};
use sale::{
    clock::monotonic,
    unavailable::{Unavailability, Unavailable},
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{mpsc, oneshot},
};
use tokio_util::task::TaskTracker;

use crate::StoreError;

/// The most requests in one call, so that one script never holds the store for long.
const MAX_BATCH: usize = 256;

/// Why a request got no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BatchError {
    /// Too many requests are waiting already, or the process is stopping.
    #[error("too much is waiting for the stores")]
    Overloaded,
    /// The call that carried it failed or panicked; every request in it gets this error.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

impl Unavailable for BatchError {
    fn unavailability(&self) -> Unavailability {
        match self {
            Self::Overloaded => Unavailability::Overloaded,
            Self::Store(error) => error.unavailability(),
        }
    }
}

/// Where an answer is awaited.
struct ReplyTo<Answer> {
    reply: oneshot::Sender<Result<Answer, BatchError>>,
    /// The thread and its runtime, where the runtime has no other thread: to wake a task there from another thread is a
    /// system call.
    home: Option<(ThreadId, Handle)>,
}

impl<Answer> ReplyTo<Answer> {
    fn new() -> (Self, oneshot::Receiver<Result<Answer, BatchError>>) {
        let (reply, answer) = oneshot::channel();
        let home =
            Handle::try_current().ok().filter(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread);
        (Self { reply, home: home.map(|runtime| (thread::current().id(), runtime)) }, answer)
    }
}

/// Sends requests to a store in batches, one call at a time.
pub struct Batcher<Request, Answer> {
    queue: mpsc::Sender<(Request, ReplyTo<Answer>)>,
}

impl<Request: Send + 'static, Answer: Send + 'static> Batcher<Request, Answer> {
    /// Starts a worker on `tracker` that ends when the batcher is dropped. At most `limit` requests wait; `run` answers a
    /// batch in its order. `step` is its label in metrics.
    pub fn new<Run>(step: &'static str, tracker: &TaskTracker, limit: usize, run: Run) -> Self
    where
        Run: Fn(Vec<Request>) -> BoxFuture<'static, Result<Vec<Answer>, StoreError>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(limit);
        tracker.spawn(work(step, waiting, run));
        Self { queue }
    }

    /// Submits a request and awaits its answer. Dropping the future does not withdraw the request.
    pub async fn submit(&self, request: Request) -> Result<Answer, BatchError> {
        let (reply_to, answer) = ReplyTo::new();
        self.queue.try_send((request, reply_to)).map_err(|_| BatchError::Overloaded)?;
        answer.await.unwrap_or(Err(BatchError::Overloaded))
    }
}

async fn work<Request, Answer, Run>(
    step: &'static str,
    mut waiting: mpsc::Receiver<(Request, ReplyTo<Answer>)>,
    run: Run,
) where
    Answer: Send + 'static,
    Run: Fn(Vec<Request>) -> BoxFuture<'static, Result<Vec<Answer>, StoreError>>,
{
    let seconds = metrics::histogram!("openrun_batch_seconds", "step" => step);
    let sizes = metrics::histogram!("openrun_batch_asks", "step" => step);
    let mut drained = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut drained, MAX_BATCH).await > 0 {
        let (requests, replies_to): (Vec<_>, Vec<_>) = drained.drain(..).unzip();
        let count = replies_to.len();
        let sent = monotonic();
        // A panic fails the batch, not the worker: the next ones would wait for ever. The panic hook has logged it.
        let outcome = match catch_unwind(AssertUnwindSafe(|| run(requests))) {
            Ok(call) => AssertUnwindSafe(call).catch_unwind().await,
            Err(panic) => Err(panic),
        };
        let outcome = outcome.unwrap_or_else(|_| Err(StoreError::unexpected("store", "the call panicked")));
        seconds.record(sent.elapsed().as_secs_f64());
        sizes.record(u32::try_from(count).unwrap_or(u32::MAX));
        let answers = match outcome {
            Ok(answers) if answers.len() == count => answers.into_iter().map(Ok).collect(),
            Ok(answers) => {
                let detail = format!("{} answers to {count} requests", answers.len());
                fail(StoreError::unexpected("store", detail), count)
            }
            Err(error) => fail(error, count),
        };
        reply(replies_to, answers);
    }
}

/// Delivers the answers. Those for another thread are sent there in one task, which wakes their receivers on that thread.
fn reply<Answer: Send + 'static>(replies_to: Vec<ReplyTo<Answer>>, answers: Vec<Result<Answer, Arc<StoreError>>>) {
    let current = thread::current().id();
    let mut elsewhere: Vec<(ThreadId, Handle, Vec<_>)> = Vec::new();
    for (ReplyTo { reply, home }, answer) in replies_to.into_iter().zip(answers) {
        let answer = answer.map_err(BatchError::Store);
        match home {
            Some((thread, runtime)) if thread != current => {
                match elsewhere.iter_mut().find(|(other, ..)| *other == thread) {
                    Some((_, _, replies)) => replies.push((reply, answer)),
                    None => elsewhere.push((thread, runtime, vec![(reply, answer)])),
                }
            }
            // A receiver that stopped waiting misses it; the same request gets the same answer.
            _ => drop(reply.send(answer)),
        }
    }
    for (_, runtime, replies) in elsewhere {
        // On no tracker: the tasks that await these answers are on one.
        runtime.spawn(async move {
            for (reply, answer) in replies {
                drop(reply.send(answer));
            }
        });
    }
}

fn fail<Answer>(error: StoreError, count: usize) -> Vec<Result<Answer, Arc<StoreError>>> {
    let error = Arc::new(error);
    std::iter::repeat_with(|| Err(Arc::clone(&error))).take(count).collect()
}

#[cfg(test)]
mod tests {
    use futures::future::{join_all, lazy, ready};

    use super::*;

    #[tokio::test]
    async fn waiting_requests_are_sent_together_and_each_gets_its_own_answer() {
        let tracker = TaskTracker::new();
        let sizes = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let batcher = Batcher::new("test", &tracker, 1_000, move |requests: Vec<u32>| {
            seen.lock().push(requests.len());
            Box::pin(async move {
                tokio::task::yield_now().await;
                Ok(requests.into_iter().map(|request| request * 2).collect())
            })
        });
        let answers = join_all((0..600).map(|request| batcher.submit(request))).await;
        for (request, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap() as usize, request * 2);
        }
        assert!(sizes.lock().len() <= 5, "{:?}", sizes.lock());
    }

    async fn one_panics_and_two_is_answered(batcher: Batcher<u32, u32>) {
        assert!(matches!(batcher.submit(1).await, Err(BatchError::Store(_))));
        assert_eq!(batcher.submit(2).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_call_that_panics_fails_its_own_requests_and_the_next_one_is_answered() {
        let before_its_future = Batcher::new("test", &TaskTracker::new(), 2, |requests: Vec<u32>| {
            assert_ne!(requests, [1]);
            Box::pin(ready(Ok(requests)))
        });
        one_panics_and_two_is_answered(before_its_future).await;
        let in_its_future = Batcher::new("test", &TaskTracker::new(), 2, |requests: Vec<u32>| {
            Box::pin(lazy(move |_| {
                assert_ne!(requests, [1]);
                Ok(requests)
            }))
        });
        one_panics_and_two_is_answered(in_its_future).await;
    }

    #[test]
    fn requests_from_threads_with_their_own_runtimes_get_their_own_answers() {
        let stores = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let batcher = {
            let _entered = stores.enter();
            Arc::new(Batcher::new("test", &TaskTracker::new(), 1_000, |requests: Vec<u32>| {
                Box::pin(async move { Ok(requests.into_iter().map(|request| request * 2).collect()) })
            }))
        };
        let threads = [0, 1_000].map(|from| {
            let batcher = Arc::clone(&batcher);
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let answers = runtime.block_on(join_all((from..from + 300).map(|request| batcher.submit(request))));
                answers.into_iter().map(Result::unwrap).eq((from..from + 300).map(|request| request * 2))
            })
        });
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    }

    #[tokio::test]
    async fn a_failed_call_fails_every_request_in_it_and_a_full_queue_fails_at_once() {
        let tracker = TaskTracker::new();
        let batcher: Batcher<u32, u32> =
            Batcher::new("test", &tracker, 2, |_| Box::pin(async { Err(StoreError::Lost) }));
        let answers = join_all((0..3).map(|request| batcher.submit(request))).await;
        assert!(matches!(&answers[0], Err(BatchError::Store(error)) if matches!(**error, StoreError::Lost)));
        assert!(matches!(answers[2], Err(BatchError::Overloaded)));
    }
}
