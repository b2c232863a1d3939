//! Natural batching: asks that come in while the last call runs travel together in the next one. No timers: an ask that
//! finds nobody before it goes at once.

use std::{
    sync::Arc,
    thread::{self, ThreadId},
};

use futures::future::BoxFuture;
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

/// The most that travels in one call, so that one script never holds the store for long.
const MOST_AT_ONCE: usize = 256;

/// Why an ask got no answer of the business.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BatchError {
    /// Too many are waiting already, or the process is stopping.
    #[error("too much is waiting for the stores")]
    Overloaded,
    /// The call that carried it failed; everybody in it hears of that.
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

/// What an ask and the way back for its answer look like inside.
type Waiting<Ask, Answer> = (Ask, WayBack<Answer>);

/// Where an answer is waited for.
struct WayBack<Answer> {
    reply: oneshot::Sender<Result<Answer, BatchError>>,
    /// The thread, if its runtime has no other: to wake somebody there from outside is a call of the system.
    home: Option<(ThreadId, Handle)>,
}

impl<Answer> WayBack<Answer> {
    fn new() -> (Self, oneshot::Receiver<Result<Answer, BatchError>>) {
        let (reply, answer) = oneshot::channel();
        let home = Handle::try_current().ok().filter(|here| here.runtime_flavor() == RuntimeFlavor::CurrentThread);
        (Self { reply, home: home.map(|here| (thread::current().id(), here)) }, answer)
    }
}

/// Carries asks to a store in batches, one call at a time.
pub struct Batcher<Ask, Answer> {
    queue: mpsc::Sender<Waiting<Ask, Answer>>,
}

impl<Ask: Send + 'static, Answer: Send + 'static> Batcher<Ask, Answer> {
    /// A batcher whose worker lives on `tracker` until the batcher is dropped. At most `limit` asks wait; `run` answers a
    /// batch in its order. Metrics speak of it as `step`.
    pub fn new<Run>(step: &'static str, tracker: &TaskTracker, limit: usize, run: Run) -> Self
    where
        Run: Fn(Vec<Ask>) -> BoxFuture<'static, Result<Vec<Answer>, StoreError>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(limit);
        tracker.spawn(work(step, waiting, run));
        Self { queue }
    }

    /// Asks and waits for the answer. Dropping the wait does not take the ask back.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, BatchError> {
        let (way_back, answer) = WayBack::new();
        self.queue.try_send((ask, way_back)).map_err(|_| BatchError::Overloaded)?;
        answer.await.unwrap_or(Err(BatchError::Overloaded))
    }
}

async fn work<Ask, Answer, Run>(step: &'static str, mut waiting: mpsc::Receiver<Waiting<Ask, Answer>>, run: Run)
where
    Answer: Send + 'static,
    Run: Fn(Vec<Ask>) -> BoxFuture<'static, Result<Vec<Answer>, StoreError>>,
{
    let seconds = metrics::histogram!("openrun_batch_seconds", "step" => step);
    let sizes = metrics::histogram!("openrun_batch_asks", "step" => step);
    let mut drained = Vec::with_capacity(MOST_AT_ONCE);
    while waiting.recv_many(&mut drained, MOST_AT_ONCE).await > 0 {
        let (asks, ways_back): (Vec<_>, Vec<_>) = drained.drain(..).unzip();
        let count = ways_back.len();
        let sent = monotonic();
        let outcome = run(asks).await;
        seconds.record(sent.elapsed().as_secs_f64());
        sizes.record(u32::try_from(count).unwrap_or(u32::MAX));
        let answers = match outcome {
            Ok(answers) if answers.len() == count => answers.into_iter().map(Ok).collect(),
            Ok(answers) => {
                let detail = format!("{} answers to {count} asks", answers.len());
                fail(StoreError::unexpected("store", detail), count)
            }
            Err(fault) => fail(fault, count),
        };
        tell(ways_back, answers);
    }
}

/// Takes the answers back: those for another thread go there together, and whoever waits is woken on it.
fn tell<Answer: Send + 'static>(ways_back: Vec<WayBack<Answer>>, answers: Vec<Result<Answer, Arc<StoreError>>>) {
    let here = thread::current().id();
    let mut abroad: Vec<(ThreadId, Handle, Vec<_>)> = Vec::new();
    for (WayBack { reply, home }, answer) in ways_back.into_iter().zip(answers) {
        let answer = answer.map_err(BatchError::Store);
        match home {
            Some((thread, runtime)) if thread != here => match abroad.iter_mut().find(|(other, ..)| *other == thread) {
                Some((_, _, together)) => together.push((reply, answer)),
                None => abroad.push((thread, runtime, vec![(reply, answer)])),
            },
            // Whoever stopped waiting does not hear it; asking again gives the same answer.
            _ => drop(reply.send(answer)),
        }
    }
    for (_, runtime, together) in abroad {
        // On no tracker: whoever waits for these answers is on one.
        runtime.spawn(async move {
            for (reply, answer) in together {
                drop(reply.send(answer));
            }
        });
    }
}

fn fail<Answer>(fault: StoreError, count: usize) -> Vec<Result<Answer, Arc<StoreError>>> {
    let fault = Arc::new(fault);
    std::iter::repeat_with(|| Err(Arc::clone(&fault))).take(count).collect()
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn asks_that_wait_together_travel_together_and_each_gets_its_own_answer() {
        let tracker = TaskTracker::new();
        let sizes = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let batcher = Batcher::new("test", &tracker, 1_000, move |asks: Vec<u32>| {
            seen.lock().push(asks.len());
            Box::pin(async move {
                tokio::task::yield_now().await;
                Ok(asks.into_iter().map(|ask| ask * 2).collect())
            })
        });
        let answers = join_all((0..600).map(|ask| batcher.ask(ask))).await;
        for (ask, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap() as usize, ask * 2);
        }
        assert!(sizes.lock().len() <= 5, "{:?}", sizes.lock());
    }

    #[test]
    fn whoever_waits_on_a_thread_of_its_own_gets_its_own_answer() {
        let stores = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let batcher = {
            let _here = stores.enter();
            Arc::new(Batcher::new("test", &TaskTracker::new(), 1_000, |asks: Vec<u32>| {
                Box::pin(async move { Ok(asks.into_iter().map(|ask| ask * 2).collect()) })
            }))
        };
        let threads = [0, 1_000].map(|from| {
            let batcher = Arc::clone(&batcher);
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let answers = runtime.block_on(join_all((from..from + 300).map(|ask| batcher.ask(ask))));
                answers.into_iter().map(Result::unwrap).eq((from..from + 300).map(|ask| ask * 2))
            })
        });
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    }

    #[tokio::test]
    async fn a_failed_call_is_told_to_everybody_in_it_and_a_full_queue_at_once() {
        let tracker = TaskTracker::new();
        let batcher: Batcher<u32, u32> =
            Batcher::new("test", &tracker, 2, |_| Box::pin(async { Err(StoreError::Lost) }));
        let answers = join_all((0..3).map(|ask| batcher.ask(ask))).await;
        assert!(matches!(&answers[0], Err(BatchError::Store(fault)) if matches!(**fault, StoreError::Lost)));
        assert!(matches!(answers[2], Err(BatchError::Overloaded)));
    }
}
