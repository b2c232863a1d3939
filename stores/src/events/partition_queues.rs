//! The queues of messages that both logs have read and not handled yet, one for each partition.
//!
//! The queues are independent of each other: each has at most one batch with the handler, and one that has to wait delays
//! no other. A log pushes messages, starts the batches that can start, and awaits the progress of each partition to store
//! its offset.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};

use super::{message::Message, reader::Reader, retry_policy::Attempts};

/// Events in one batch, and so in one transaction of the handler: enough to share the cost of a commit, few enough that
/// the first one does not wait for it long.
const BATCH_SIZE: usize = 256;

/// Every message of the partition up to this position is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartitionProgress {
    pub(super) partition: i32,
    pub(super) position: i64,
}

/// The queues of one subscription.
pub(super) struct PartitionQueues {
    reader: Arc<Reader>,
    by_partition: HashMap<i32, PartitionQueue>,
    /// Tasks, because handlers must continue while the log itself waits for the database: a handler that is not polled
    /// while it is next for a connection would block all others, the log included.
    running: JoinSet<Finished>,
    next_pause: u64,
}

#[derive(Default)]
struct PartitionQueue {
    /// Messages that are not done, oldest first, without those that are with the handler.
    messages: VecDeque<Message>,
    state: State,
    attempts: Attempts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// A batch that begins at position `from` is with the handler.
    Handling { from: i64 },
    /// The same, but the partition was revoked meanwhile: the outcome is ignored.
    Revoked,
    /// Waits until the pause with this number is over.
    Paused { pause: u64 },
}

/// A task that ended.
enum Finished {
    Batch { partition: i32, batch: Vec<Message>, outcome: BatchOutcome },
    Pause { partition: i32, pause: u64 },
}

/// The outcome of a batch.
struct BatchOutcome {
    done: usize,
    wait: Option<Duration>,
    attempts: Attempts,
}

impl PartitionQueues {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader: Arc::new(reader), by_partition: HashMap::new(), running: JoinSet::new(), next_pause: 0 }
    }

    pub(super) fn push(&mut self, partition: i32, message: Message) {
        self.by_partition.entry(partition).or_default().messages.push_back(message);
    }

    /// The number of messages of a partition that wait.
    pub(super) fn waiting(&self, partition: i32) -> usize {
        self.by_partition.get(&partition).map_or(0, |queue| queue.messages.len())
    }

    /// The number of messages in the longest queue.
    pub(super) fn longest(&self) -> usize {
        self.by_partition.values().map(|queue| queue.messages.len()).max().unwrap_or(0)
    }

    /// The first position that is not done, over all partitions.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.by_partition.values().filter_map(PartitionQueue::first_open).min()
    }

    /// Whether no batch is with the handler.
    pub(super) fn are_idle(&self) -> bool {
        !self.by_partition.values().any(|queue| matches!(queue.state, State::Handling { .. } | State::Revoked))
    }

    /// Drops a partition that another process reads now. A running handler is not interrupted, but its outcome is ignored;
    /// later messages of the partition wait for it.
    pub(super) fn revoke(&mut self, partition: i32) {
        if let Some(queue) = self.by_partition.get_mut(&partition) {
            queue.revoke();
        }
    }

    pub(super) fn revoke_all(&mut self) {
        self.by_partition.values_mut().for_each(PartitionQueue::revoke);
    }

    /// Starts the next batch of every idle partition.
    pub(super) fn start(&mut self) {
        for (&partition, queue) in &mut self.by_partition {
            if queue.state == State::Idle
                && let Some(first) = queue.messages.front()
            {
                queue.state = State::Handling { from: first.position };
                let batch = queue.next_batch();
                self.running.spawn(run_batch(Arc::clone(&self.reader), partition, batch, queue.attempts));
            }
        }
    }

    /// Waits for the progress of a partition. Cancel safe.
    pub(super) async fn progress(&mut self) -> PartitionProgress {
        loop {
            match self.next_finished().await {
                Some(step) => {
                    if let Some(moved) = self.finish_task(step) {
                        return moved;
                    }
                    self.start();
                }
                None => pending().await,
            }
        }
    }

    /// Waits for the running handlers and starts no further batch.
    pub(super) async fn finish(&mut self, mut moved: impl FnMut(PartitionProgress)) {
        while !self.are_idle()
            && let Some(step) = self.next_finished().await
        {
            self.finish_task(step).into_iter().for_each(&mut moved);
        }
    }

    /// The next task that ends; a handler's panic is propagated.
    async fn next_finished(&mut self) -> Option<Finished> {
        match self.running.join_next().await? {
            Ok(step) => Some(step),
            Err(broken) => broken.try_into_panic().map_or(None, |panic| resume_unwind(panic)),
        }
    }

    fn finish_task(&mut self, finished: Finished) -> Option<PartitionProgress> {
        match finished {
            Finished::Pause { partition, pause } => {
                let queue = self.by_partition.get_mut(&partition)?;
                if queue.state == (State::Paused { pause }) {
                    queue.state = State::Idle;
                }
                None
            }
            Finished::Batch { partition, batch, outcome } => {
                let queue = self.by_partition.get_mut(&partition)?;
                if queue.state == State::Revoked {
                    queue.state = State::Idle;
                    return None;
                }
                let moved =
                    outcome.done.checked_sub(1).and_then(|last| batch.get(last)).map(|message| message.position);
                queue.attempts = outcome.attempts;
                batch.into_iter().skip(outcome.done).rev().for_each(|message| queue.messages.push_front(message));
                queue.state = State::Idle;
                if let Some(wait) = outcome.wait {
                    self.next_pause += 1;
                    let pause = self.next_pause;
                    queue.state = State::Paused { pause };
                    self.running.spawn(async move {
                        sleep(wait).await;
                        Finished::Pause { partition, pause }
                    });
                }
                moved.map(|position| PartitionProgress { partition, position })
            }
        }
    }
}

impl PartitionQueue {
    fn first_open(&self) -> Option<i64> {
        match self.state {
            State::Handling { from } => Some(from),
            State::Idle | State::Revoked | State::Paused { .. } => self.messages.front().map(|first| first.position),
        }
    }

    fn revoke(&mut self) {
        self.messages.clear();
        self.attempts = Attempts::default();
        self.state = match self.state {
            State::Idle | State::Paused { .. } => State::Idle,
            State::Handling { .. } | State::Revoked => State::Revoked,
        };
    }

    /// Removes the events at the head, or one message that cannot be handled.
    fn next_batch(&mut self) -> Vec<Message> {
        let events = self.messages.iter().take(BATCH_SIZE).take_while(|message| message.event.is_ok()).count();
        self.messages.drain(..events.max(1)).collect()
    }
}

async fn run_batch(reader: Arc<Reader>, partition: i32, batch: Vec<Message>, mut attempts: Attempts) -> Finished {
    let outcome = match reader.handle(&batch, &mut attempts).await {
        Ok((done, wait)) => BatchOutcome { done, wait, attempts },
        Err(trouble) => {
            // The same waits as after an error of the handler: the whole batch is delivered again.
            reader.outage.record_failure(&trouble);
            let decision = reader.retry.decide(&mut attempts, batch.len(), &Err(trouble));
            BatchOutcome { done: 0, wait: decision.next.wait(), attempts }
        }
    };
    Finished::Batch { partition, batch, outcome }
}
