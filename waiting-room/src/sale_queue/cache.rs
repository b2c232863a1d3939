//! What a process keeps in memory of a sale's queue: the sale's row, the frame, and the numbers for which the frame
//! alone is not enough.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use sale::{
    Frame, SaleId, SaleState, Timestamp,
    frame::{ItemLeft, Trouble},
    ids::FIRST_EPOCH,
};
use stores::{
    StoreError,
    database::{
        Database,
        sales::{self, StockedSale},
    },
    queue_store::{QueueKey, SaleQueueStore},
};
use tokio::sync::watch;

use crate::{encoded_frame::EncodedFrame, number_set::NumberSet, page_snapshot::PageSnapshot};

/// Answers from memory; [`Self::reload`] and [`Self::refresh`] keep it fresh, independently of each other.
pub struct QueueCache {
    pub(super) sale: SaleId,
    pub(super) database: Database,
    pub(super) queue_store: Arc<dyn SaleQueueStore>,
    /// Read by every request of the hot path, therefore without a lock.
    snapshot: ArcSwap<PageSnapshot>,
    /// The frame of every snapshot, for the streams.
    frames: watch::Sender<Arc<EncodedFrame>>,
    /// Numbers that left the queue in this epoch, as far as this process knows.
    departed: NumberSet,
    /// How many departures were read from the store.
    departures_read: Mutex<u64>,
    /// Numbers of earlier epochs that are known to be requeued in this one.
    requeued: NumberSet,
}

impl QueueCache {
    pub(super) fn new(database: Database, queue_store: Arc<dyn SaleQueueStore>, stocked: StockedSale) -> Self {
        let encoded = Arc::new(EncodedFrame::unpublished(first_frame(&stocked, database.now())));
        Self {
            sale: stocked.sale.id.clone(),
            database,
            queue_store,
            frames: watch::Sender::new(Arc::clone(&encoded)),
            snapshot: ArcSwap::from_pointee(PageSnapshot::new(encoded, Arc::new(stocked))),
            departed: NumberSet::default(),
            departures_read: Mutex::default(),
            requeued: NumberSet::default(),
        }
    }

    /// What this process shows now.
    pub fn snapshot(&self) -> Guard<Arc<PageSnapshot>> {
        self.snapshot.load()
    }

    /// Receives every new frame.
    pub fn subscribe(&self) -> watch::Receiver<Arc<EncodedFrame>> {
        self.frames.subscribe()
    }

    /// The key of the epoch that this process knows.
    pub fn key(&self) -> QueueKey {
        self.snapshot.load().stocked.queue_key()
    }

    /// The state of the sale at `now`, by the stock that this process knows. A leader that closes the sale publishes
    /// that before it writes the row; from then on the frame counts.
    pub fn state(&self, now: Timestamp) -> SaleState {
        let snapshot = self.snapshot();
        let (frame, stocked) = (&snapshot.encoded.frame, &snapshot.stocked);
        if frame.state == SaleState::Closed && frame.epoch == stocked.sale.epoch {
            return SaleState::Closed;
        }
        stocked.state(now)
    }

    /// Whether the number is known to have left the queue.
    pub fn has_departed(&self, number: u64) -> bool {
        self.departed.contains(number)
    }

    /// Remembers that the number left the queue.
    pub fn mark_departed(&self, number: u64) {
        self.departed.insert(number);
    }

    /// Whether the number, given in an earlier epoch, is known to be requeued in this one.
    pub fn is_requeued(&self, number: u64) -> bool {
        self.requeued.contains(number)
    }

    /// Remembers that the queue store has requeued the number.
    pub fn mark_requeued(&self, number: u64) {
        self.requeued.insert(number);
    }

    /// Reads the sale's row again. A new epoch forgets what was known of single tickets.
    pub async fn reload(&self) -> Result<(), StoreError> {
        let Some(stocked) = sales::load(&self.database, &self.sale).await? else { return Ok(()) };
        let stocked = Arc::new(stocked);
        let show = || {
            self.snapshot.rcu(|snapshot| PageSnapshot::new(Arc::clone(&snapshot.encoded), Arc::clone(&stocked)));
        };
        let last = Arc::clone(&self.snapshot.load().stocked);
        if stocked.queue_key() != last.queue_key() {
            // Under the lock, so that departures of the last epoch that are just being read do not count in this one.
            let mut departures_read = self.departures_read.lock();
            show();
            *departures_read = 0;
            self.departed.clear();
            self.requeued.clear();
        } else if stocked != last {
            show();
        }
        Ok(())
    }

    /// Fetches the leader's frame and returns whether it is a new one. While a store is unavailable, the last frame is
    /// shown with the trouble in it and a rate of zero.
    pub async fn refresh(&self) -> Result<bool, StoreError> {
        let fetched = self.queue_store.frame(&self.key()).await;
        let last = Arc::clone(&self.snapshot().encoded);
        let next = match &fetched {
            Ok(Some(json)) if *json == last.json => return Ok(false),
            Ok(Some(json)) => match serde_json::from_slice::<Frame>(json) {
                Ok(frame) => {
                    self.read_departures().await?;
                    EncodedFrame::published(frame, json.clone())
                }
                Err(error) => return Err(StoreError::unexpected("queue store", error.to_string())),
            },
            Ok(None) => EncodedFrame::unpublished(Frame {
                tick: last.frame.tick,
                ..first_frame(&self.snapshot().stocked, self.database.now())
            }),
            Err(error) => {
                let trouble =
                    if matches!(error, StoreError::Lost) { Trouble::Restoring } else { Trouble::StoreUnavailable };
                EncodedFrame::unpublished(Frame { trouble: Some(trouble), rate_per_minute: 0, ..last.frame.clone() })
            }
        };
        let is_new = !next.frame.has_same_content(&last.frame) || next.frame.tick != last.frame.tick;
        if is_new {
            self.show(Arc::new(next));
        }
        fetched.map(|_| is_new)
    }

    fn show(&self, encoded: Arc<EncodedFrame>) {
        self.snapshot.rcu(|snapshot| PageSnapshot::new(Arc::clone(&encoded), Arc::clone(&snapshot.stocked)));
        self.frames.send_replace(encoded);
    }

    /// Reads which numbers left through other processes.
    async fn read_departures(&self) -> Result<(), StoreError> {
        let (key, read) = (self.key(), *self.departures_read.lock());
        let departed = self.queue_store.departed(&key, read).await?;
        let mut departures_read = self.departures_read.lock();
        if key != self.key() {
            return Ok(());
        }
        for number in &departed {
            self.departed.insert(*number);
        }
        *departures_read = read.saturating_add(departed.len() as u64);
        Ok(())
    }
}

/// The frame before the leader has published one. In a later epoch places are still being restored.
fn first_frame(stocked: &StockedSale, now: Timestamp) -> Frame {
    Frame {
        state: stocked.state(now),
        trouble: (stocked.sale.epoch > FIRST_EPOCH).then_some(Trouble::Restoring),
        epoch: stocked.sale.epoch,
        opens_at: stocked.sale.opens_at,
        serving: stocked.called_up_to,
        last_number: stocked.called_up_to,
        items: stocked.stock.iter().map(ItemLeft::from).collect(),
        message: stocked.sale.message.clone(),
        ..Frame::empty(stocked.sale.id.clone())
    }
}
