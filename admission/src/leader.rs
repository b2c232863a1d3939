//! The leader of one sale's admission: holds the lease, reads the settings, steps its term, publishes the frame.

use std::time::{Duration, Instant};

use sale::{Frame, SaleId, SaleState, Term, clock::monotonic};
use stores::{
    StoreError,
    database::{leadership, outbox, sales},
    queue_store::{CallBatch, CallOutcome, PublishOutcome, QueueKey},
};

use crate::{
    frame, gauges,
    services::Services,
    term::{LeaderTerm, MEASURE_AFTER, RoundEnd, nanos_since},
};

/// How long the lease lasts without renewal: the longest time without calls when a leader dies.
const LEAD_MS: i64 = 3_000;
/// The lease is renewed well before it ends.
const RENEW_AFTER: Duration = Duration::from_secs(1);
/// The leader stops this long before its lease ends, so that clock drift never makes two leaders.
const LEAD_MARGIN: Duration = Duration::from_millis(500);
/// How often the seller's settings are read: a pause takes effect within a second, with the latency of the stores.
const RELOAD_AFTER: Duration = Duration::from_millis(200);
/// Unpublished events above which payments are so far behind that nobody is called.
const OUTBOX_LIMIT: i64 = 10_000;

/// The state of the loop.
pub struct Leader {
    services: Services,
    sale: SaleId,
    /// The current term; `None` while another process leads.
    leading: Option<LeaderTerm>,
    /// The last frame that this process knows of, kept across terms and epochs so that ticks never decrease.
    frame: Option<Frame>,
    /// Whether that frame is known to be in the store.
    is_stored: bool,
    /// The origin of the bucket's clock.
    started: Instant,
}

/// What a step did, for the wait after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// Another process leads.
    Following,
    /// The rate allows the next call after `next_call`; `None` at a rate of zero.
    Leading { next_call: Option<Duration> },
    /// The rate allows a call, but nobody waits, or the cap or the units do not.
    Idle,
    /// The sale is closed for good.
    Closed,
}

impl Leader {
    pub fn new(services: Services, sale: SaleId) -> Self {
        Self { services, sale, leading: None, frame: None, is_stored: false, started: monotonic() }
    }

    /// One step of the loop. After an error the next step reads the stores again.
    pub async fn step(&mut self) -> Result<StepOutcome, StoreError> {
        if !self.keep_lead().await? {
            return Ok(StepOutcome::Following);
        }
        self.reload().await?;
        let now = self.services.database.now();
        let started = self.started;
        let Some(leading) = self.leading.as_mut() else { return Ok(StepOutcome::Following) };
        if leading.stocked.state(now) == SaleState::Closed {
            return Ok(StepOutcome::Closed);
        }
        let key = leading.stocked.queue_key();
        let trouble = leading.trouble(&self.services, &key, now).await?;
        self.services.queue.sweep(&key, now).await?;
        let round = leading.call(&self.services, &key, trouble, started).await?;
        if round.end == RoundEnd::Stale {
            self.leading = None;
            return Ok(StepOutcome::Following);
        }
        let next_call = leading.bucket.wait(nanos_since(started));
        let outcome = if round.end == RoundEnd::Idle { StepOutcome::Idle } else { StepOutcome::Leading { next_call } };
        let finished = leading.is_finished(&round.observed, now);
        // The last frame shows the sale as closed before the row does: no frame is written for a closed sale.
        if finished {
            leading.stocked.sale.closed_at = Some(now);
        }
        gauges::show(leading, &self.sale, &round.observed);
        let term = leading.term;
        let composed = frame::compose(&leading.stocked, &round.observed, trouble, now);
        if self.publish(&key, term, composed).await? == PublishOutcome::StaleTerm {
            self.leading = None;
            return Ok(StepOutcome::Following);
        }
        if finished {
            sales::mark_closed(&self.services.database, &self.sale, now).await?;
        }
        Ok(outcome)
    }

    /// Gives the lease up at once, so that another process need not wait until it expires.
    pub async fn resign(&mut self) {
        if self.leading.take().is_some()
            && let Err(trouble) = leadership::resign(&self.services.database, &self.sale, &self.services.leader).await
        {
            tracing::debug!(sale = %self.sale, %trouble, "cannot give up the lease; it expires by itself");
        }
    }

    async fn keep_lead(&mut self) -> Result<bool, StoreError> {
        let asked = monotonic();
        if let Some(leading) = &self.leading
            && asked.duration_since(leading.renewed) < RENEW_AFTER
        {
            return Ok(true);
        }
        let now = self.services.database.now();
        let until = now.plus_millis(LEAD_MS);
        let lead = leadership::acquire(&self.services.database, &self.sale, &self.services.leader, now, until).await;
        match lead {
            Ok(Some(lead)) => {
                gauges::show_lead(&self.sale, true);
                match self.leading.as_mut().filter(|leading| leading.term == lead.term) {
                    Some(leading) => leading.renewed = asked,
                    None if lead.is_new => self.begin(lead.term, asked).await?,
                    // The sequence numbers of a dropped term are unknown; a new term starts them again.
                    None => {
                        leadership::resign(&self.services.database, &self.sale, &self.services.leader).await?;
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Ok(None) => {
                gauges::show_lead(&self.sale, false);
                self.leading = None;
                Ok(false)
            }
            Err(trouble) => {
                let lead_for = Duration::from_millis(LEAD_MS.unsigned_abs()).saturating_sub(LEAD_MARGIN);
                if self.leading.as_ref().is_some_and(|leading| asked.duration_since(leading.renewed) > lead_for) {
                    self.leading = None;
                }
                Err(trouble)
            }
        }
    }

    /// Begins a term: an empty batch of the new term makes the store refuse the old leader.
    async fn begin(&mut self, term: Term, renewed: Instant) -> Result<(), StoreError> {
        self.leading = None;
        let Some(stocked) = sales::load(&self.services.database, &self.sale).await? else { return Ok(()) };
        let key = stocked.queue_key();
        let now = self.services.database.now();
        let fence = CallBatch { term, seq: 0, calls: 0, up_to: 0, until: now };
        if let CallOutcome::StaleTerm { term: newer } = self.services.queue.call(&key, fence, now).await? {
            return Err(StoreError::unexpected(
                "queue store",
                format!("the store knows the later term {newer}, ours is {term}"),
            ));
        }
        let bytes = self.services.queue.frame(&key).await?;
        let stored: Option<Frame> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let stored = stored.filter(|frame| self.frame.as_ref().is_none_or(|last| frame.tick >= last.tick));
        self.is_stored = stored.is_some();
        self.frame = stored.or(self.frame.take());
        tracing::info!(sale = %self.sale, term, epoch = stocked.sale.epoch, "this process leads the admission of the sale");
        let begun = LeaderTerm::begin(&self.services.database, term, stocked, renewed, self.started).await?;
        self.leading = Some(begun);
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), StoreError> {
        let now = monotonic();
        let Some(leading) = self.leading.as_mut().filter(|leading| now.duration_since(leading.loaded) >= RELOAD_AFTER)
        else {
            return Ok(());
        };
        let Some(stocked) = sales::load(&self.services.database, &self.sale).await? else {
            self.leading = None;
            return Ok(());
        };
        if stocked.queue_key() != leading.stocked.queue_key() {
            let (term, renewed) = (leading.term, leading.renewed);
            return self.begin(term, renewed).await;
        }
        leading.bucket.set_rate(stocked.sale.admission.per_minute, nanos_since(self.started));
        leading.stocked = stocked;
        leading.loaded = now;
        if now.duration_since(leading.measured) >= MEASURE_AFTER {
            leading.measured = now;
            let limit = f64::from(leading.stocked.sale.per_buyer_limit);
            let measured = sales::units_per_buyer(&self.services.database, &self.sale).await?;
            leading.units_per_order = measured.unwrap_or(limit).clamp(1.0, limit);
            leading.events_lag = outbox::is_longer_than(&self.services.database, OUTBOX_LIMIT).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, key: &QueueKey, term: Term, composed: Frame) -> Result<PublishOutcome, StoreError> {
        let Some(next) = frame::next(self.frame.as_ref(), self.is_stored, composed) else {
            return Ok(PublishOutcome::Stored);
        };
        let bytes = serde_json::to_vec(&next).map_err(|fault| StoreError::unexpected("frame", fault.to_string()))?;
        // Without a reply the frame may be stored or not, and no other frame may have its tick.
        (self.frame, self.is_stored) = (Some(next), false);
        let published = self.services.queue.publish(key, term, bytes.into()).await?;
        self.is_stored = published == PublishOutcome::Stored;
        Ok(published)
    }
}
