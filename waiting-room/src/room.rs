//! One sale in this process's memory: the sale, the frame as everybody gets it, and the batches on their way to the
//! stores.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use http::HeaderValue;
use parking_lot::Mutex;
use sale::{
    EpochNonce, Frame, Pass, SaleId, SaleState, Timestamp, clock::monotonic, frame::Trouble, ids::FIRST_EPOCH,
    standing::PrefixSums,
};
use stores::{
    StoreError,
    batch::Batcher,
    database::{
        Database, passes,
        sales::{self, StockedSale},
        sequence::{self, RaiseOutcome},
    },
    failpoint::{self, Point},
    queue_store::{
        EnterOutcome, EnterRequest, JoinOutcome, JoinRequest, QueueKey, SaleQueueStore, TicketClaims, TicketStatus,
    },
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{edition::Edition, numbers::Numbers};

/// Asks of one kind that may wait for the stores at the same time; more are told to come back.
const WAITING_ASKS: usize = 20_000;
/// Numbers that are allocated at once at least.
const LEAST_BLOCK: u64 = 1_000;
/// A block that lasted shorter than this was too small: the next one is larger.
const BLOCK_LASTS: std::time::Duration = std::time::Duration::from_secs(2);
/// The largest block: what a crash may skip in the numbering.
const MOST_BLOCK: u64 = 1 << 20;

/// The frame as it is sent: once rendered, the same bytes for everybody.
#[derive(Debug)]
pub struct Shown {
    pub frame: Frame,
    /// Whether the leader wrote it, so that every process shows the same.
    is_written: bool,
    sums: PrefixSums,
    pub json: Bytes,
    pub etag: HeaderValue,
    /// The same as a server-sent event.
    pub event: Bytes,
    /// The event as a chunk of HTTP/1.1.
    pub chunk: Bytes,
}

impl Shown {
    /// Whether this process does not hear the leader, so that another one may have told everybody of fewer people ahead.
    pub const fn is_stale(&self) -> bool {
        !self.is_written && self.frame.trouble.is_some()
    }

    /// People ahead of a number, as [`sale::standing::ahead`] tells.
    pub fn ahead(&self, number: u64) -> Option<u64> {
        self.sums.ahead(&self.frame, number)
    }

    /// `json` are the bytes that the leader wrote.
    pub fn new(frame: Frame, json: Bytes) -> Self {
        let etag = format!("\"{}-{}\"", frame.epoch, frame.tick);
        Self::tagged(frame, true, json, &etag)
    }

    /// A frame that no leader has written: before the first one, and while a store is in trouble. Its tick says nothing,
    /// so its tag comes from what it says.
    pub fn unwritten(frame: Frame) -> Self {
        let json = serde_json::to_vec(&frame).unwrap_or_default();
        let mut hash = DefaultHasher::new();
        json.hash(&mut hash);
        let etag = format!("\"{}-{}-{:016x}\"", frame.epoch, frame.tick, hash.finish());
        Self::tagged(frame, false, json.into(), &etag)
    }

    fn tagged(frame: Frame, is_written: bool, json: Bytes, etag: &str) -> Self {
        let mut event = format!("event: frame\nid: {}\ndata: ", frame.tick).into_bytes();
        event.extend_from_slice(&json);
        event.extend_from_slice(b"\n\n");
        let mut chunk = format!("{:x}\r\n", event.len()).into_bytes();
        let head = chunk.len();
        chunk.extend_from_slice(&event);
        chunk.extend_from_slice(b"\r\n");
        let chunk = Bytes::from(chunk);
        let event = chunk.slice(head..head + event.len());
        let etag = HeaderValue::from_str(etag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { sums: PrefixSums::of(&frame), frame, is_written, json, etag, event, chunk }
    }
}

/// A ticket's way in: the ask of the store, and whether the pass is bound to a cookie.
#[derive(Clone, Copy, Debug)]
pub struct PassRequest {
    pub enter: EnterRequest,
    pub bound: bool,
    pub issued_at: Timestamp,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum PassOutcome {
    /// The pass, and whether this ask made it.
    In(Pass, bool),
    NotCalled(TicketStatus),
    Gone(TicketStatus),
}

pub struct Room {
    shared: Arc<Shared>,
    pub joins: Batcher<JoinRequest, JoinOutcome>,
    pub standings: Batcher<(sale::BuyerId, TicketClaims), TicketStatus>,
    pub pass_requests: Batcher<PassRequest, PassOutcome>,
}

/// What the batches work with.
struct Shared {
    id: SaleId,
    database: Database,
    queue: Arc<dyn SaleQueueStore>,
    /// Read without a lock that threads would wait for: every request of the hot path reads it.
    edition: ArcSwap<Edition>,
    /// Every frame of an edition, for those who listen.
    frames: watch::Sender<Arc<Shown>>,
    block: Mutex<Block>,
    /// Numbers that gave their place up in this life, as far as this process has heard.
    left: Numbers,
    /// How many departures the store has told of.
    departures: Mutex<u64>,
    /// Numbers of an older life that are known to be seated again.
    seated: Numbers,
}

/// The numbers allocated in one epoch, as this process knows it.
#[derive(Clone, Copy)]
struct Block {
    epoch: EpochNonce,
    allocated_up_to: u64,
    size: u64,
    raised: std::time::Instant,
}

impl Room {
    pub fn new(database: Database, queue: Arc<dyn SaleQueueStore>, known: StockedSale, tracker: &TaskTracker) -> Self {
        let shown = Arc::new(Shown::unwritten(first_frame(&known, database.now())));
        let block = Block {
            epoch: known.epoch_nonce,
            allocated_up_to: known.allocated_up_to,
            size: LEAST_BLOCK,
            raised: monotonic(),
        };
        let shared = Arc::new(Shared {
            id: known.sale.id.clone(),
            database,
            queue,
            frames: watch::Sender::new(Arc::clone(&shown)),
            edition: ArcSwap::from_pointee(Edition::new(shown, Arc::new(known))),
            block: Mutex::new(block),
            left: Numbers::default(),
            departures: Mutex::default(),
            seated: Numbers::default(),
        });
        let (joins, standings, pass_requests) = (Arc::clone(&shared), Arc::clone(&shared), Arc::clone(&shared));
        Self {
            shared,
            joins: Batcher::new("join", tracker, WAITING_ASKS, move |asks| {
                let shared = Arc::clone(&joins);
                Box::pin(async move { shared.join(asks).await })
            }),
            standings: Batcher::new("standing", tracker, WAITING_ASKS, move |asks| {
                let shared = Arc::clone(&standings);
                Box::pin(async move { shared.queue.standing(&shared.key(), &asks, shared.database.now()).await })
            }),
            pass_requests: Batcher::new("enter", tracker, WAITING_ASKS, move |asks| {
                let shared = Arc::clone(&pass_requests);
                Box::pin(async move { shared.enter(asks).await })
            }),
        }
    }

    /// What is shown now, with the templates that were compiled for it.
    pub fn edition(&self) -> Guard<Arc<Edition>> {
        self.shared.edition.load()
    }

    /// Hears of every new frame.
    pub fn watch(&self) -> watch::Receiver<Arc<Shown>> {
        self.shared.frames.subscribe()
    }

    pub fn key(&self) -> QueueKey {
        self.shared.key()
    }

    /// The sale's state by this process's knowledge of time and stock. A leader that ends the sale says so in its last
    /// frame before it writes the row, and nothing here says less than the frame.
    pub fn state(&self, now: Timestamp) -> SaleState {
        let edition = self.edition();
        let (frame, known) = (&edition.shown.frame, &edition.known);
        if frame.state == SaleState::Closed && frame.epoch == known.sale.epoch {
            return SaleState::Closed;
        }
        known.state(now)
    }

    pub fn has_left(&self, number: u64) -> bool {
        self.shared.left.contains(number)
    }

    pub fn remember_left(&self, number: u64) {
        self.shared.left.insert(number);
    }

    pub fn is_seated_again(&self, number: u64) -> bool {
        self.shared.seated.contains(number)
    }

    pub fn remember_seated(&self, number: u64) {
        self.shared.seated.insert(number);
    }

    /// Reads the sale again.
    pub async fn reload(&self) -> Result<(), StoreError> {
        self.shared.reload().await
    }

    /// Fetches the leader's frame and tells whether it is a new one. In trouble the last one is shown with the trouble in
    /// it, and promises no calls.
    pub async fn refresh(&self) -> Result<bool, StoreError> {
        let fetched = self.shared.queue.frame(&self.key()).await;
        let last = Arc::clone(&self.edition().shown);
        let next = match &fetched {
            Ok(Some(json)) if *json == last.json => return Ok(false),
            Ok(Some(json)) => match serde_json::from_slice::<Frame>(json) {
                Ok(frame) => {
                    self.shared.hear_departures().await?;
                    Shown::new(frame, json.clone())
                }
                Err(fault) => return Err(StoreError::unexpected("queue store", fault.to_string())),
            },
            Ok(None) => Shown::unwritten(Frame {
                tick: last.frame.tick,
                ..first_frame(&self.edition().known, self.shared.database.now())
            }),
            Err(trouble) => {
                let trouble =
                    if matches!(trouble, StoreError::Lost) { Trouble::Restoring } else { Trouble::StoreUnavailable };
                Shown::unwritten(Frame { trouble: Some(trouble), rate_per_minute: 0, ..last.frame.clone() })
            }
        };
        let is_new = !next.frame.has_same_content(&last.frame) || next.frame.tick != last.frame.tick;
        if is_new {
            self.shared.show(Arc::new(next));
        }
        fetched.map(|_| is_new)
    }
}

impl Shared {
    fn key(&self) -> QueueKey {
        self.edition.load().known.queue_key()
    }

    async fn reload(&self) -> Result<(), StoreError> {
        let Some(known) = sales::load(&self.database, &self.id).await? else { return Ok(()) };
        let last = Arc::clone(&self.edition.load().known);
        if known.queue_key() != last.queue_key() {
            self.left.clear();
            *self.departures.lock() = 0;
            self.seated.clear();
        }
        if known != *last {
            let known = Arc::new(known);
            self.edition.rcu(|edition| Edition::new(Arc::clone(&edition.shown), Arc::clone(&known)));
        }
        Ok(())
    }

    fn show(&self, shown: Arc<Shown>) {
        self.edition.rcu(|edition| Edition::new(Arc::clone(&shown), Arc::clone(&edition.known)));
        self.frames.send_replace(shown);
    }

    /// Hears who left through other processes.
    async fn hear_departures(&self) -> Result<(), StoreError> {
        let (key, seen) = (self.key(), *self.departures.lock());
        let departed = self.queue.departed(&key, seen).await?;
        if key != self.key() {
            return Ok(());
        }
        for number in &departed {
            self.left.insert(*number);
        }
        *self.departures.lock() = seen.saturating_add(departed.len() as u64);
        Ok(())
    }

    /// Joins in the order of the asks. Requests beyond the allocated numbers are sent again once more are allocated; a store that began a new
    /// life is asked once more under it.
    async fn join(&self, asks: Vec<JoinRequest>) -> Result<Vec<JoinOutcome>, StoreError> {
        let mut answers: Vec<JoinOutcome> = Vec::with_capacity(asks.len());
        let mut reloaded = false;
        loop {
            let (key, allocated_up_to) = (self.key(), self.allocated_up_to());
            let rest = &asks[answers.len()..];
            match self.queue.join(&key, rest, allocated_up_to, self.database.now()).await {
                Ok(joined) => {
                    let given = joined.iter().position(|answer| *answer == JoinOutcome::AllocationReached);
                    answers.extend(joined.into_iter().take(given.unwrap_or(rest.len())));
                    if given.is_none() {
                        return Ok(answers);
                    }
                    self.allocate(&key, rest.len()).await?;
                }
                Err(StoreError::Lost) if !reloaded => {
                    reloaded = true;
                    self.reload().await?;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn allocated_up_to(&self) -> u64 {
        let known = Arc::clone(&self.edition.load().known);
        let mut block = self.block.lock();
        if block.epoch != known.epoch_nonce {
            *block = Block { epoch: known.epoch_nonce, allocated_up_to: known.allocated_up_to, ..*block };
        }
        block.allocated_up_to
    }

    async fn allocate(&self, key: &QueueKey, waiting: usize) -> Result<(), StoreError> {
        let size = {
            let mut block = self.block.lock();
            let quick = monotonic().duration_since(block.raised) < BLOCK_LASTS;
            let size = if quick { block.size.saturating_mul(2) } else { LEAST_BLOCK };
            block.size = size.max(waiting as u64).clamp(LEAST_BLOCK, MOST_BLOCK);
            block.size
        };
        match sequence::allocate(&self.database, key, size).await? {
            RaiseOutcome::RaisedTo(allocated_up_to) => {
                let mut block = self.block.lock();
                block.allocated_up_to = allocated_up_to.max(block.allocated_up_to);
                block.raised = monotonic();
                Ok(())
            }
            RaiseOutcome::Refused => {
                self.reload().await?;
                Err(StoreError::Lost)
            }
        }
    }

    /// Lets tickets in and commits their pass rows before anybody hears of it.
    async fn enter(&self, asks: Vec<PassRequest>) -> Result<Vec<PassOutcome>, StoreError> {
        let enters: Vec<EnterRequest> = asks.iter().map(|ask| ask.enter).collect();
        let entered = self.queue.enter(&self.key(), &enters, self.database.now()).await?;
        let admitted: Vec<Pass> = asks
            .iter()
            .zip(&entered)
            .filter_map(|(ask, entered)| match entered {
                // The end that the store counts by, also when the process that was told it first died before the row.
                EnterOutcome::Admitted { expires_at } => Some(Pass {
                    id: ask.enter.pass,
                    sale: self.id.clone(),
                    buyer: ask.enter.place.buyer,
                    number: ask.enter.place.number,
                    issued_at: ask.issued_at,
                    expires_at: *expires_at,
                    bound: ask.bound,
                }),
                EnterOutcome::NotCalled(_) | EnterOutcome::Gone(_) => None,
            })
            .collect();
        if !admitted.is_empty() {
            failpoint::reached(Point::TicketEntered);
        }
        let mut given = passes::give(&self.database, &admitted).await?.into_iter();
        entered
            .into_iter()
            .map(|entered| match entered {
                EnterOutcome::Admitted { .. } => given
                    .next()
                    .map(|(pass, is_new)| PassOutcome::In(pass, is_new))
                    .ok_or_else(|| StoreError::unexpected("database", "fewer passes than were given")),
                EnterOutcome::NotCalled(status) => Ok(PassOutcome::NotCalled(status)),
                EnterOutcome::Gone(status) => Ok(PassOutcome::Gone(status)),
            })
            .collect()
    }
}

/// What can be said of a line before its leader has written a frame. In a later life places are still being put back.
fn first_frame(known: &StockedSale, now: Timestamp) -> Frame {
    let stock = known.stock.iter().map(|count| sale::frame::ItemLeft {
        id: count.item.clone(),
        left: u64::try_from(count.free).unwrap_or(0),
        held: u64::try_from(count.held).unwrap_or(0),
    });
    Frame {
        state: known.state(now),
        trouble: (known.sale.epoch > FIRST_EPOCH).then_some(Trouble::Restoring),
        epoch: known.sale.epoch,
        opens_at: known.sale.opens_at,
        serving: known.called_up_to,
        last_number: known.called_up_to,
        items: stock.collect(),
        message: known.sale.message.clone(),
        ..Frame::empty(known.sale.id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_say_different_things_have_different_tags() {
        let frame = Frame::empty("s".parse().unwrap());
        let (quiet, lost) = (frame.clone(), Frame { trouble: Some(Trouble::Restoring), waiting: 3, ..frame.clone() });
        assert_eq!(Shown::unwritten(quiet.clone()).etag, Shown::unwritten(quiet.clone()).etag);
        assert_ne!(Shown::unwritten(quiet.clone()).etag, Shown::unwritten(lost).etag);
        assert_ne!(Shown::unwritten(Frame { waiting: 1, ..frame }).etag, Shown::unwritten(quiet).etag);
    }
}
