//! The admission loop of one sale: observe, decide, write the cursor ahead, call. The leader also ends missed windows
//! and writes the frame.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sale::{
    Frame, SaleId, SaleState, Term, Timestamp, clock::monotonic, frame::Trouble, ids::FIRST_EPOCH,
    standing::poll_after_ms,
};
use stores::{
    StoreError,
    database::{
        Database,
        numbers::{self, Raised},
        outbox,
        sales::{self, StockedSale},
    },
    failpoint::{self, Point},
    queue_store::{CallBatch, CallOutcome, Observation, PublishOutcome, QueueKey, SaleQueueStore, StockCount},
};
use tokio::time::sleep;

use crate::{
    bucket::Bucket,
    decide::{self, Limit, Observed},
    frame,
};

/// How long a lead lasts without being renewed: the longest that a sale stands still when its leader dies.
const LEAD_MS: i64 = 3_000;
/// A lead is renewed well before it ends.
const RENEW_AFTER: Duration = Duration::from_secs(1);
/// The leader stops this long before its lead ends, so that clocks that drift apart never make two.
const LEAD_MARGIN: Duration = Duration::from_millis(500);
/// How long before its time a call is prepared: at low rates the burst is one call, and what comes late is lost for good.
pub(crate) const AHEAD: Duration = Duration::from_millis(15);
/// How often the seller's settings are read: a pause takes effect within a second, the stores' answers included.
const RELOAD_AFTER: Duration = Duration::from_millis(200);
/// How often units per order and the backlog of events are measured.
const MEASURE_AFTER: Duration = Duration::from_secs(1);
/// Events that may wait for the relay; above it payments are so far behind that nobody else is called in.
const OUTBOX_LIMIT: i64 = 10_000;

/// Everything that a loop works with.
#[derive(Clone)]
pub struct Stores {
    pub database: Database,
    pub queue: Arc<dyn SaleQueueStore>,
    /// This process among those that may lead.
    pub leader: String,
}

/// The loop's memory.
pub struct Leader {
    stores: Stores,
    sale: SaleId,
    reign: Option<Reign>,
    /// The last frame that this process knows of, kept over reigns and lives so that ticks never run backwards.
    frame: Option<Frame>,
    /// Whether that frame is known to be in the store.
    is_stored: bool,
    started: Instant,
}

/// One term of leading.
struct Reign {
    term: Term,
    seq: u64,
    /// On the monotonic clock.
    renewed: Instant,
    loaded: Instant,
    known: StockedSale,
    /// When the settling after a lost store is over.
    settled_at: Option<Timestamp>,
    cursor: u64,
    bucket: Bucket,
    /// A batch whose answer never came: it is sent again as it was, with the same seq.
    unanswered: Option<CallBatch>,
    units_per_order: f64,
    /// More events wait than the relay can have in its hands.
    is_behind: bool,
    measured: Instant,
}

/// What a step did, for the wait after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Another process leads.
    Following,
    /// The rate allows the next call after so long; at a rate of zero never.
    Leading { next_call: Option<Duration> },
    /// The rate allows a call, but nobody waits, or cap or units keep them waiting.
    Idle,
    /// The sale is closed for good.
    Over,
}

impl Leader {
    pub fn new(stores: Stores, sale: SaleId) -> Self {
        Self { stores, sale, reign: None, frame: None, is_stored: false, started: monotonic() }
    }

    /// One turn of the loop. After an error the next step starts from what the stores say.
    pub async fn step(&mut self) -> Result<Stepped, StoreError> {
        if !self.keep_lead().await? {
            return Ok(Stepped::Following);
        }
        self.reload().await?;
        let now = self.stores.database.now();
        let started = self.started;
        let Some(reign) = self.reign.as_mut() else { return Ok(Stepped::Following) };
        if reign.known.sale.closed_at.is_some() {
            return Ok(Stepped::Over);
        }
        let key = reign.known.queue_key();
        let trouble = reign.settle(&self.stores, &key, now).await?;
        self.stores.queue.sweep(&key, now).await?;
        let called = reign.call(&self.stores, &key, trouble, started).await?;
        if called.end == End::Stale {
            self.reign = None;
            return Ok(Stepped::Following);
        }
        let next_call = reign.bucket.wait(since(started));
        let stepped = if called.end == End::Idle { Stepped::Idle } else { Stepped::Leading { next_call } };
        let finished = reign.is_finished(&called.seen, now);
        // The last frame says what the row is about to say: nobody writes one for a sale that is closed.
        if finished {
            reign.known.sale.closed_at = Some(now);
        }
        reign.show(&self.sale, &called.seen);
        let term = reign.term;
        let composed = frame::compose(&reign.known, &called.seen, trouble, now);
        if self.publish(&key, term, composed).await? == PublishOutcome::StaleTerm {
            self.reign = None;
            return Ok(Stepped::Following);
        }
        if finished {
            sales::mark_closed(&self.stores.database, &self.sale, now).await?;
        }
        Ok(stepped)
    }

    /// Steps down at once, so that another process need not wait for the lead to end.
    pub async fn resign(&mut self) {
        if self.reign.take().is_some()
            && let Err(trouble) = numbers::resign(&self.stores.database, &self.sale, &self.stores.leader).await
        {
            tracing::debug!(sale = %self.sale, %trouble, "the lead ends by itself");
        }
    }

    fn show_lead(&self, leads: bool) {
        metrics::gauge!("openrun_leads", "sale" => self.sale.to_string()).set(f64::from(leads));
    }

    async fn keep_lead(&mut self) -> Result<bool, StoreError> {
        let asked = monotonic();
        if let Some(reign) = &self.reign
            && asked.duration_since(reign.renewed) < RENEW_AFTER
        {
            return Ok(true);
        }
        let now = self.stores.database.now();
        let until = now.plus_millis(LEAD_MS);
        let lead = numbers::lead(&self.stores.database, &self.sale, &self.stores.leader, now, until).await;
        match lead {
            Ok(Some(lead)) => {
                self.show_lead(true);
                match self.reign.as_mut().filter(|reign| reign.term == lead.term) {
                    Some(reign) => reign.renewed = asked,
                    None if lead.new => self.begin(lead.term, asked).await?,
                    // A reign that was dropped does not know how far its batches were numbered: a new term does.
                    None => {
                        numbers::resign(&self.stores.database, &self.sale, &self.stores.leader).await?;
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Ok(None) => {
                self.show_lead(false);
                self.reign = None;
                Ok(false)
            }
            Err(trouble) => {
                let lead_for = Duration::from_millis(LEAD_MS.unsigned_abs()).saturating_sub(LEAD_MARGIN);
                if self.reign.as_ref().is_some_and(|reign| asked.duration_since(reign.renewed) > lead_for) {
                    self.reign = None;
                }
                Err(trouble)
            }
        }
    }

    /// A new reign: the bucket starts spent, and an empty batch of the new term shuts the old leader out of the store.
    async fn begin(&mut self, term: Term, renewed: Instant) -> Result<(), StoreError> {
        self.reign = None;
        let Some(known) = sales::load(&self.stores.database, &self.sale).await? else { return Ok(()) };
        let key = known.queue_key();
        let now = self.stores.database.now();
        let fence = CallBatch { term, seq: 0, calls: 0, up_to: 0, until: now };
        if let CallOutcome::StaleTerm { term: newer } = self.stores.queue.call(&key, fence, now).await? {
            return Err(StoreError::unexpected("queue store", format!("term {newer} reigns already, ours is {term}")));
        }
        let bytes = self.stores.queue.frame(&key).await?;
        let stored: Option<Frame> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let stored = stored.filter(|frame| self.frame.as_ref().is_none_or(|last| frame.tick >= last.tick));
        self.is_stored = stored.is_some();
        self.frame = stored.or(self.frame.take());
        tracing::info!(sale = %self.sale, term, epoch = known.sale.epoch, "leads the admission of this sale");
        let loaded = monotonic();
        self.reign = Some(Reign {
            term,
            seq: 0,
            renewed,
            loaded,
            settled_at: settling_until(&self.stores.database, &known).await?,
            cursor: known.cursor,
            bucket: Bucket::spent(known.sale.admission.per_minute, since(self.started)),
            unanswered: None,
            units_per_order: f64::from(known.sale.per_buyer_limit),
            is_behind: false,
            measured: loaded.checked_sub(MEASURE_AFTER).unwrap_or(loaded),
            known,
        });
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), StoreError> {
        let now = monotonic();
        let Some(reign) = self.reign.as_mut().filter(|reign| now.duration_since(reign.loaded) >= RELOAD_AFTER) else {
            return Ok(());
        };
        let Some(known) = sales::load(&self.stores.database, &self.sale).await? else {
            self.reign = None;
            return Ok(());
        };
        if known.queue_key() != reign.known.queue_key() {
            let (term, renewed) = (reign.term, reign.renewed);
            return self.begin(term, renewed).await;
        }
        reign.bucket.set_rate(known.sale.admission.per_minute, since(self.started));
        reign.known = known;
        reign.loaded = now;
        if now.duration_since(reign.measured) >= MEASURE_AFTER {
            reign.measured = now;
            let limit = f64::from(reign.known.sale.per_buyer_limit);
            let measured = sales::units_per_buyer(&self.stores.database, &self.sale).await?;
            reign.units_per_order = measured.unwrap_or(limit).clamp(1.0, limit);
            reign.is_behind = outbox::is_longer_than(&self.stores.database, OUTBOX_LIMIT).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, key: &QueueKey, term: Term, composed: Frame) -> Result<PublishOutcome, StoreError> {
        let Some(next) = frame::next(self.frame.as_ref(), self.is_stored, composed) else {
            return Ok(PublishOutcome::Stored);
        };
        let bytes = serde_json::to_vec(&next).map_err(|fault| StoreError::unexpected("frame", fault.to_string()))?;
        // An answer that is lost says nothing: the frame may be shown by now, and no other one may have its tick.
        (self.frame, self.is_stored) = (Some(next), false);
        let published = self.stores.queue.publish(key, term, bytes.into()).await?;
        self.is_stored = published == PublishOutcome::Stored;
        Ok(published)
    }
}

/// A turn of calling, and what was seen before it.
struct Turn {
    seen: Observation,
    end: End,
}

/// How a turn of calling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As the rate allows.
    InTime,
    /// Nobody was called although the rate allows it.
    Idle,
    /// Another leader reigns, or the store lives another life.
    Stale,
}

impl Reign {
    /// What keeps everybody from being called. Ends the settling after a lost store once every holder has had time to
    /// come back.
    async fn settle(&mut self, stores: &Stores, key: &QueueKey, now: Timestamp) -> Result<Option<Trouble>, StoreError> {
        match self.settled_at {
            Some(at) if now < at => Ok(Some(Trouble::Restoring)),
            Some(_) => {
                stores.queue.end_grace_period(key).await?;
                self.settled_at = None;
                Ok(self.is_behind.then_some(Trouble::PaymentsDelayed))
            }
            None => Ok(self.is_behind.then_some(Trouble::PaymentsDelayed)),
        }
    }

    async fn call(
        &mut self,
        stores: &Stores,
        key: &QueueKey,
        trouble: Option<Trouble>,
        started: Instant,
    ) -> Result<Turn, StoreError> {
        if let Some(batch) = self.unanswered {
            let seen = stores.queue.observe(key, 1).await?;
            return Ok(Turn { seen, end: self.send(stores, key, batch, started).await? });
        }
        let allowed = self.bucket.preparable(since(started), AHEAD);
        let now = stores.database.now();
        let mut seen = stores.queue.observe(key, allowed.max(1)).await?;
        let open = trouble.is_none() && self.known.state(now) == SaleState::Open;
        let (mut calls, limit) = decide::calls(&self.observed(&seen, open, allowed));
        if calls == 0 {
            return Ok(Turn { seen, end: if allowed > 0 { End::Idle } else { End::InTime } });
        }
        if calls < allowed.max(1) && limit != Limit::Nobody {
            seen = stores.queue.observe(key, calls).await?;
            calls = calls.min(seen.waiting);
        }
        if seen.nth_number > self.cursor {
            match numbers::raise_cursor(&stores.database, key, self.term, seen.nth_number).await? {
                Raised::To(cursor) => self.cursor = cursor,
                Raised::Refused => return Ok(Turn { seen, end: End::Stale }),
            }
            failpoint::reached(Point::CursorRaised);
        }
        self.seq = self.seq.saturating_add(1);
        let until = now.plus_seconds(i64::from(self.known.sale.enter_seconds));
        let batch = CallBatch { term: self.term, seq: self.seq, calls, up_to: self.cursor, until };
        // What was prepared ahead of its time waits for it, no longer than AHEAD.
        if let Some(wait) = self.bucket.wait(since(started)) {
            sleep(wait).await;
        }
        self.unanswered = Some(batch);
        let end = self.send(stores, key, batch, started).await?;
        if end != End::Stale {
            seen = stores.queue.observe(key, 1).await?;
        }
        Ok(Turn { seen, end })
    }

    /// Sends a batch and charges the bucket for it.
    async fn send(
        &mut self,
        stores: &Stores,
        key: &QueueKey,
        batch: CallBatch,
        started: Instant,
    ) -> Result<End, StoreError> {
        let answer = stores.queue.call(key, batch, stores.database.now()).await;
        self.bucket.charge(batch.calls, since(started));
        match answer? {
            CallOutcome::Called { called, serving } => {
                self.unanswered = None;
                metrics::counter!("openrun_calls_total", "sale" => key.sale.to_string()).increment(called);
                tracing::debug!(sale = %key.sale, seq = batch.seq, called, serving, "called");
                Ok(End::InTime)
            }
            CallOutcome::StaleTerm { term } => {
                tracing::info!(sale = %key.sale, ours = self.term, term, "another process leads now");
                Ok(End::Stale)
            }
        }
    }

    fn observed(&self, seen: &Observation, open: bool, rate: u64) -> Observed {
        let free = seen.stock.iter().map(|count| u64::try_from(count.free).unwrap_or(0)).fold(0, u64::saturating_add);
        Observed {
            open,
            rate,
            waiting: seen.waiting,
            called: seen.called,
            active: seen.active,
            max_active: u64::from(self.known.sale.admission.max_active),
            without_hold: seen.without_hold,
            free_units: free,
            units_per_order: self.units_per_order,
            overcall: self.known.sale.admission.overcall,
        }
    }

    /// Shows where the sale stands. Only its leader does; a process that leads it no longer keeps what it showed last, and
    /// says so by `openrun_leads`.
    fn show(&self, sale: &SaleId, seen: &Observation) {
        let gauge = |name: &'static str, value: u64| {
            metrics::gauge!(name, "sale" => sale.to_string()).set(u32::try_from(value).unwrap_or(u32::MAX));
        };
        gauge("openrun_waiting", seen.waiting);
        gauge("openrun_called", seen.called);
        gauge("openrun_active", seen.active);
        gauge("openrun_rate_per_minute", self.known.sale.admission.per_minute.into());
        gauge("openrun_epoch", u64::try_from(self.known.sale.epoch).unwrap_or(0));
        gauge("openrun_term", u64::try_from(self.term).unwrap_or(0));
        let sum = |count: fn(&StockCount) -> i64| seen.stock.iter().map(count).fold(0, i64::saturating_add);
        let (free, held, sold) = (sum(|stock| stock.free), sum(|stock| stock.held), sum(|stock| stock.sold));
        for (state, units) in [("free", free), ("held", held), ("sold", sold)] {
            let units = i32::try_from(units).unwrap_or(i32::MAX);
            metrics::gauge!("openrun_units", "sale" => sale.to_string(), "state" => state).set(units);
        }
    }

    /// Whether a draining sale has nobody left inside.
    fn is_finished(&self, seen: &Observation, now: Timestamp) -> bool {
        self.known.state(now) == SaleState::Draining
            && seen.called == 0
            && seen.active == 0
            && seen.stock.iter().all(|count| count.held == 0)
    }
}

/// After a loss every holder gets two polls' time to come back before calls go on.
async fn settling_until(database: &Database, known: &StockedSale) -> Result<Option<Timestamp>, StoreError> {
    let began = sales::epoch_began(database, &known.sale.id).await?;
    if known.sale.epoch <= FIRST_EPOCH {
        return Ok(Some(began));
    }
    let waiting = known.ceiling.saturating_sub(known.cursor);
    let settling_ms = i64::try_from(poll_after_ms(waiting).saturating_mul(2)).unwrap_or(i64::MAX);
    Ok(Some(began.plus_millis(settling_ms)))
}

/// Nanoseconds on the leader's own clock.
fn since(started: Instant) -> u64 {
    u64::try_from(monotonic().duration_since(started).as_nanos()).unwrap_or(u64::MAX)
}
