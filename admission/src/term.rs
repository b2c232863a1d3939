//! One term of a leader: observe, decide, raise the called number in the database, call.

use std::time::{Duration, Instant};

use sale::{
    SaleState, Term, Timestamp,
    clock::monotonic,
    frame::{Trouble, poll_after_ms},
    ids::FIRST_EPOCH,
};
use stores::{
    StoreError,
    database::{
        Database,
        sales::{self, StockedSale},
        sequence::{self, RaiseOutcome},
    },
    failpoint::{self, Point},
    queue_store::{CallBatch, CallOutcome, Observation, QueueKey},
};
use tokio::time::sleep;

use crate::{
    bucket::Bucket,
    decide::{self, Inputs, Limit},
    services::Services,
};

/// How long before its time a call is prepared: at low rates the burst is one call, and time lost before a call cannot
/// be caught up.
pub(crate) const PREPARE_AHEAD: Duration = Duration::from_millis(15);

/// How often units per order and the backlog of events are measured.
pub(crate) const MEASURE_AFTER: Duration = Duration::from_secs(1);

/// The state of one term of a leader.
pub(crate) struct LeaderTerm {
    pub(crate) term: Term,
    pub(crate) seq: u64,
    /// When the lease was last renewed, and the sale last loaded, on the monotonic clock.
    pub(crate) renewed: Instant,
    pub(crate) loaded: Instant,
    pub(crate) stocked: StockedSale,
    /// When the grace period after a lost store ends; `None` once it has.
    pub(crate) grace_ends_at: Option<Timestamp>,
    /// No number above it may be called; raised in the database first.
    pub(crate) called_up_to: u64,
    pub(crate) bucket: Bucket,
    /// A batch without a reply: it is sent again unchanged, with the same `seq`.
    pub(crate) in_flight: Option<CallBatch>,
    /// Units that an order takes on average.
    pub(crate) units_per_order: f64,
    /// Whether more events wait for the relay than it can publish soon.
    pub(crate) events_lag: bool,
    pub(crate) measured: Instant,
}

/// A round of calling: the latest observation and how the round ended.
pub(crate) struct CallRound {
    pub(crate) observed: Observation,
    pub(crate) end: RoundEnd,
}

/// How a round of calling ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundEnd {
    /// As many were called as the rate allows.
    InTime,
    /// Nobody was called although the rate allows it.
    Idle,
    /// Another process leads, or the store is in another epoch.
    Stale,
}

impl LeaderTerm {
    /// A term that begins now, with a spent bucket: the leader before may just have spent it.
    pub(crate) async fn begin(
        database: &Database,
        term: Term,
        stocked: StockedSale,
        renewed: Instant,
        started: Instant,
    ) -> Result<Self, StoreError> {
        let loaded = monotonic();
        Ok(Self {
            term,
            seq: 0,
            renewed,
            loaded,
            grace_ends_at: grace_period_end(database, &stocked).await?,
            called_up_to: stocked.called_up_to,
            bucket: Bucket::spent(stocked.sale.admission.per_minute, nanos_since(started)),
            in_flight: None,
            units_per_order: f64::from(stocked.sale.per_buyer_limit),
            events_lag: false,
            measured: loaded.checked_sub(MEASURE_AFTER).unwrap_or(loaded),
            stocked,
        })
    }

    /// The reason why nobody may be called, if any. Ends the grace period after a lost store once every holder has had
    /// time to return.
    pub(crate) async fn trouble(
        &mut self,
        services: &Services,
        key: &QueueKey,
        now: Timestamp,
    ) -> Result<Option<Trouble>, StoreError> {
        match self.grace_ends_at {
            Some(at) if now < at => Ok(Some(Trouble::Restoring)),
            Some(_) => {
                services.queue.end_grace_period(key).await?;
                self.grace_ends_at = None;
                Ok(self.events_lag.then_some(Trouble::PaymentsDelayed))
            }
            None => Ok(self.events_lag.then_some(Trouble::PaymentsDelayed)),
        }
    }

    /// Calls as many as the rate, the cap and the units allow.
    pub(crate) async fn call(
        &mut self,
        services: &Services,
        key: &QueueKey,
        trouble: Option<Trouble>,
        started: Instant,
    ) -> Result<CallRound, StoreError> {
        if let Some(batch) = self.in_flight {
            let observed = services.queue.observe(key, 1).await?;
            return Ok(CallRound { observed, end: self.send(services, key, batch, started).await? });
        }
        let allowed = self.bucket.preparable(nanos_since(started), PREPARE_AHEAD);
        let now = services.database.now();
        let mut observed = services.queue.observe(key, allowed.max(1)).await?;
        let open = trouble.is_none() && self.stocked.state(now) == SaleState::Open;
        let (mut calls, limit) = decide::calls(&self.inputs(&observed, open, allowed));
        if calls == 0 {
            return Ok(CallRound { observed, end: if allowed > 0 { RoundEnd::Idle } else { RoundEnd::InTime } });
        }
        if calls < allowed.max(1) && limit != Limit::Nobody {
            observed = services.queue.observe(key, calls).await?;
            calls = calls.min(observed.waiting);
        }
        if observed.nth_number > self.called_up_to {
            match sequence::mark_called(&services.database, key, self.term, observed.nth_number).await? {
                RaiseOutcome::RaisedTo(called_up_to) => self.called_up_to = called_up_to,
                RaiseOutcome::Refused => return Ok(CallRound { observed, end: RoundEnd::Stale }),
            }
            failpoint::reached(Point::CalledUpToRaised);
        }
        self.seq = self.seq.saturating_add(1);
        let until = now.plus_seconds(i64::from(self.stocked.sale.enter_seconds));
        let batch = CallBatch { term: self.term, seq: self.seq, calls, up_to: self.called_up_to, until };
        // A call that was prepared ahead of its time waits until then, at most PREPARE_AHEAD.
        if let Some(wait) = self.bucket.wait(nanos_since(started)) {
            sleep(wait).await;
        }
        self.in_flight = Some(batch);
        let end = self.send(services, key, batch, started).await?;
        if end != RoundEnd::Stale {
            observed = services.queue.observe(key, 1).await?;
        }
        Ok(CallRound { observed, end })
    }

    /// Sends a batch and charges the bucket for it.
    async fn send(
        &mut self,
        services: &Services,
        key: &QueueKey,
        batch: CallBatch,
        started: Instant,
    ) -> Result<RoundEnd, StoreError> {
        let answer = services.queue.call(key, batch, services.database.now()).await;
        self.bucket.charge(batch.calls, nanos_since(started));
        match answer? {
            CallOutcome::Called { called, serving } => {
                self.in_flight = None;
                metrics::counter!("openrun_calls_total", "sale" => key.sale.to_string()).increment(called);
                tracing::debug!(sale = %key.sale, seq = batch.seq, called, serving, "called");
                Ok(RoundEnd::InTime)
            }
            CallOutcome::StaleTerm { term } => {
                tracing::info!(sale = %key.sale, ours = self.term, term, "another process leads the sale now");
                Ok(RoundEnd::Stale)
            }
        }
    }

    fn inputs(&self, observed: &Observation, open: bool, rate: u64) -> Inputs {
        let free =
            observed.stock.iter().map(|count| u64::try_from(count.free).unwrap_or(0)).fold(0, u64::saturating_add);
        Inputs {
            open,
            rate,
            waiting: observed.waiting,
            called: observed.called,
            active: observed.active,
            max_active: u64::from(self.stocked.sale.admission.max_active),
            without_hold: observed.without_hold,
            free_units: free,
            units_per_order: self.units_per_order,
            overcall: self.stocked.sale.admission.overcall,
        }
    }

    /// Whether a draining sale has no active buyer and no held unit left.
    pub(crate) fn is_finished(&self, observed: &Observation, now: Timestamp) -> bool {
        self.stocked.state(now) == SaleState::Draining
            && observed.called == 0
            && observed.active == 0
            && observed.stock.iter().all(|count| count.held == 0)
    }
}

/// When the grace period ends: after a loss every holder has the time of two polls to return before calls continue.
async fn grace_period_end(database: &Database, stocked: &StockedSale) -> Result<Option<Timestamp>, StoreError> {
    let began = sales::epoch_began(database, &stocked.sale.id).await?;
    if stocked.sale.epoch <= FIRST_EPOCH {
        return Ok(Some(began));
    }
    let waiting = stocked.allocated_up_to.saturating_sub(stocked.called_up_to);
    let grace_ms = i64::try_from(poll_after_ms(waiting).saturating_mul(2)).unwrap_or(i64::MAX);
    Ok(Some(began.plus_millis(grace_ms)))
}

/// Nanoseconds on the leader's own clock.
pub(crate) fn nanos_since(started: Instant) -> u64 {
    u64::try_from(monotonic().duration_since(started).as_nanos()).unwrap_or(u64::MAX)
}
