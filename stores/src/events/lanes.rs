//! Lanes: what both logs do with the messages they read.
//!
//! A lane is an ordered queue of messages, a partition. Lanes move independently of each other: each has at most one batch
//! under way, and one that has to wait holds up no other. The log pushes messages in, starts what can start, and hears
//! how far each lane has moved, so that it can remember it.

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    panic::resume_unwind,
    sync::Arc,
    time::Duration,
};

use sale::Event;
use tokio::{task::JoinSet, time::sleep};

use super::{
    Group, Handler,
    patience::{Next, Patience, Tries},
};
use crate::{
    StoreError,
    database::{Database, dead_letters},
    outage::Outage,
};

/// So many events are one batch, and so one transaction of the handler: enough to share the cost of a commit, few enough
/// that the first of them need not wait for it long.
const BATCH: usize = 256;

/// An event of ours has some 300 bytes.
const LARGEST_BODY: usize = 16 * 1024;

/// Who reads, and what for.
pub(super) struct Reader {
    pub(super) group: Group,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) database: Database,
    pub(super) patience: Patience,
    pub(super) outage: Outage,
}

/// A message and where it lies.
#[derive(Debug)]
pub(super) struct Message {
    /// Row or offset, ascending within a lane.
    pub(super) place: i64,
    /// The same for people.
    pub(super) place_name: String,
    /// As it came, for the dead letters.
    pub(super) body: Vec<u8>,
    event: Result<Event, Poison>,
}

/// Why a message is no event of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poison {
    TooLarge,
    Unknown,
    WrongKey,
}

impl Poison {
    const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "larger than any event of this program",
            Self::Unknown => "not an event that this program knows",
            Self::WrongKey => "its key is not the id of its order",
        }
    }
}

impl Message {
    pub(super) fn read(place: i64, place_name: String, key: Option<&[u8]>, body: &[u8]) -> Self {
        Self { place, place_name, body: body.to_vec(), event: read_event(key, body) }
    }
}

fn read_event(key: Option<&[u8]>, body: &[u8]) -> Result<Event, Poison> {
    if body.len() > LARGEST_BODY {
        return Err(Poison::TooLarge);
    }
    let event = Event::parse(body).ok_or(Poison::Unknown)?;
    if key == Some(event.order.to_string().as_bytes()) { Ok(event) } else { Err(Poison::WrongKey) }
}

/// A lane is done with everything up to this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) lane: i32,
    pub(super) place: i64,
}

/// All lanes that one subscription reads.
pub(super) struct Lanes {
    reader: Arc<Reader>,
    by_number: HashMap<i32, Lane>,
    /// Tasks, because they have to go on while the log itself waits for the database: a handler that stood still in the
    /// queue for a connection would keep it from everybody behind, the log included.
    under_way: JoinSet<Step>,
    next_turn: u64,
}

#[derive(Default)]
struct Lane {
    /// Not done yet, oldest first; without those that are under way.
    messages: VecDeque<Message>,
    state: State,
    tries: Tries,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    /// A batch that begins at `from` is with the handler.
    Handling { from: i64 },
    /// The same, but the lane was taken away meanwhile: what comes of it is of no interest any more.
    Disowned,
    /// It waits until the rest with this number is over.
    Resting { turn: u64 },
}

/// What ended.
enum Step {
    Handled { lane: i32, batch: Vec<Message>, outcome: Outcome },
    Rested { lane: i32, turn: u64 },
}

/// What became of a batch.
struct Outcome {
    done: usize,
    wait: Option<Duration>,
    tries: Tries,
}

impl Lanes {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader: Arc::new(reader), by_number: HashMap::new(), under_way: JoinSet::new(), next_turn: 0 }
    }

    pub(super) fn push(&mut self, lane: i32, message: Message) {
        self.by_number.entry(lane).or_default().messages.push_back(message);
    }

    /// How many messages of a lane wait.
    pub(super) fn waiting(&self, lane: i32) -> usize {
        self.by_number.get(&lane).map_or(0, |lane| lane.messages.len())
    }

    /// How many messages wait in the longest lane.
    pub(super) fn longest(&self) -> usize {
        self.by_number.values().map(|lane| lane.messages.len()).max().unwrap_or(0)
    }

    /// The first place that is not done, over all lanes.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.by_number.values().filter_map(Lane::first_open).min()
    }

    /// Whether no handler is at work.
    pub(super) fn are_quiet(&self) -> bool {
        !self.by_number.values().any(|lane| matches!(lane.state, State::Handling { .. } | State::Disowned))
    }

    /// Forgets a lane that belongs to another reader now. A handler that is at work is not interrupted, but what it has
    /// done is not remembered; the lane's next messages wait for it.
    pub(super) fn disown(&mut self, lane: i32) {
        if let Some(lane) = self.by_number.get_mut(&lane) {
            lane.disown();
        }
    }

    pub(super) fn disown_all(&mut self) {
        self.by_number.values_mut().for_each(Lane::disown);
    }

    /// Gives the next batch of every idle lane to the handler.
    pub(super) fn start(&mut self) {
        for (&number, lane) in &mut self.by_number {
            if lane.state == State::Idle
                && let Some(first) = lane.messages.front()
            {
                lane.state = State::Handling { from: first.place };
                let batch = lane.next_batch();
                self.under_way.spawn(handle(Arc::clone(&self.reader), number, batch, lane.tries));
            }
        }
    }

    /// Waits until a lane moves. Dropped early it forgets nothing.
    pub(super) async fn moved(&mut self) -> Moved {
        loop {
            match self.ended().await {
                Some(step) => {
                    if let Some(moved) = self.take(step) {
                        return moved;
                    }
                    self.start();
                }
                None => pending().await,
            }
        }
    }

    /// Waits until the handlers that are at work have ended, and starts no more.
    pub(super) async fn finish(&mut self, mut moved: impl FnMut(Moved)) {
        while !self.are_quiet()
            && let Some(step) = self.ended().await
        {
            self.take(step).into_iter().for_each(&mut moved);
        }
    }

    /// What ended next; a handler's panic is the reader's.
    async fn ended(&mut self) -> Option<Step> {
        match self.under_way.join_next().await? {
            Ok(step) => Some(step),
            Err(broken) => broken.try_into_panic().map_or(None, |panic| resume_unwind(panic)),
        }
    }

    fn take(&mut self, step: Step) -> Option<Moved> {
        match step {
            Step::Rested { lane: number, turn } => {
                let lane = self.by_number.get_mut(&number)?;
                if lane.state == (State::Resting { turn }) {
                    lane.state = State::Idle;
                }
                None
            }
            Step::Handled { lane: number, batch, outcome } => {
                let lane = self.by_number.get_mut(&number)?;
                if lane.state == State::Disowned {
                    lane.state = State::Idle;
                    return None;
                }
                let moved = outcome.done.checked_sub(1).and_then(|last| batch.get(last)).map(|message| message.place);
                lane.tries = outcome.tries;
                batch.into_iter().skip(outcome.done).rev().for_each(|message| lane.messages.push_front(message));
                lane.state = State::Idle;
                if let Some(wait) = outcome.wait {
                    self.next_turn += 1;
                    let turn = self.next_turn;
                    lane.state = State::Resting { turn };
                    self.under_way.spawn(async move {
                        sleep(wait).await;
                        Step::Rested { lane: number, turn }
                    });
                }
                moved.map(|place| Moved { lane: number, place })
            }
        }
    }
}

impl Lane {
    fn first_open(&self) -> Option<i64> {
        match self.state {
            State::Handling { from } => Some(from),
            State::Idle | State::Disowned | State::Resting { .. } => self.messages.front().map(|first| first.place),
        }
    }

    fn disown(&mut self) {
        self.messages.clear();
        self.tries = Tries::default();
        self.state = match self.state {
            State::Idle | State::Resting { .. } => State::Idle,
            State::Handling { .. } | State::Disowned => State::Disowned,
        };
    }

    /// Takes the events at the head, or one poisonous message.
    fn next_batch(&mut self) -> Vec<Message> {
        let events = self.messages.iter().take(BATCH).take_while(|message| message.event.is_ok()).count();
        self.messages.drain(..events.max(1)).collect()
    }
}

async fn handle(reader: Arc<Reader>, lane: i32, batch: Vec<Message>, mut tries: Tries) -> Step {
    let outcome = match reader.try_batch(&batch, &mut tries).await {
        Ok((done, wait)) => Outcome { done, wait, tries },
        Err(trouble) => {
            // The same waits as for a handler in trouble: the batch is given again from its beginning.
            reader.outage.goes_on(&trouble);
            let verdict = reader.patience.judge(&mut tries, batch.len(), &Err(trouble));
            Outcome { done: 0, wait: verdict.next.wait(), tries }
        }
    };
    Step::Handled { lane, batch, outcome }
}

impl Reader {
    /// How many messages of the batch are done, and how long to wait before the rest. An `Err` says that a dead letter
    /// could not be buried.
    async fn try_batch(&self, batch: &[Message], tries: &mut Tries) -> Result<(usize, Option<Duration>), StoreError> {
        if let Some(first) = batch.first()
            && let Err(poison) = first.event
        {
            self.bury(first, poison.reason()).await?;
            return Ok((1, None));
        }
        let events: Vec<_> = batch.iter().filter_map(|message| message.event.clone().ok()).collect();
        let answer = self.handler.handle(&events).await;
        match &answer {
            Ok(_) => self.outage.is_over(),
            Err(trouble) => self.outage.goes_on(trouble),
        }
        let verdict = self.patience.judge(tries, batch.len(), &answer);
        let handled = metrics::counter!("openrun_events_handled_total", "group" => self.group.as_str());
        handled.increment(verdict.done as u64);
        if verdict.next == Next::GiveUp
            && let Some(message) = batch.get(verdict.done)
        {
            self.bury(message, "put off too often").await?;
            *tries = Tries::default();
            return Ok((verdict.done + 1, None));
        }
        Ok((verdict.done, verdict.next.wait()))
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<(), StoreError> {
        dead_letters::bury(&self.database, self.group, &message.place_name, &message.body, reason).await?;
        let group = self.group.as_str();
        metrics::counter!("openrun_dead_letters_total", "group" => group).increment(1);
        tracing::error!(
            event_log.group = group,
            event_log.place = message.place_name,
            "{group} gave up the message at {}, {reason}; it lies in the dead letters",
            message.place_name,
        );
        Ok(())
    }
}

impl Next {
    const fn wait(self) -> Option<Duration> {
        match self {
            Self::Wait(wait) => Some(wait),
            Self::GoOn | Self::GiveUp => None,
        }
    }
}
