//! The payment worker: carries requested payments to the provider and records its answers.
//!
//! Two ways lead here: `payment.requested` from the event log, and the poller, which asks again where no answer came.
//! Several workers may run; calls are made with a key per attempt and answers only move an attempt forward, so the
//! claims between workers save work and decide nothing.

mod step;

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};
use sale::{Event, EventKind, Timestamp};
use stores::{
    StoreError,
    batch::{BatchError, Batcher},
    database::{
        Database,
        payments::{self, ChargeOutcome, ChargeReport, PaymentRow, Recorded, Sending},
        refunds::{self, RefundAnswer, RefundRow},
    },
    events::{Handler, Progress},
    failpoint::{self, Point},
    payments::{Charge, ChargeRef, ChargeState, NewCharge, NewRefund, PaymentProvider},
    periodic::Periodic,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::step::{Step, next_poll, next_step};

/// How many calls' time a worker may be busy with an attempt before another one asks. More than one attempt needs.
const LEASE_CALLS: u32 = 5;
/// What a hold's deadline leaves to a charge beyond the provider's own time.
const DEADLINE_GRACE_MS: i64 = 1_000;
/// Calls to the provider at the same time. At a provider that takes a third of a second this is some three thousand
/// payments a second and process.
const CONCURRENCY: usize = 1_000;
/// Writes that may wait at the same time.
const MOST_WAITING: usize = 10_000;
/// How often the poller looks for attempts whose time has come.
const POLL_EVERY: Duration = Duration::from_millis(200);

/// Carries payments to the provider. What several of them have to write at the same time is written in one transaction.
pub struct PaymentWorker {
    database: Database,
    provider: Arc<dyn PaymentProvider>,
    marks: Batcher<Sending, bool>,
    records: Batcher<ChargeReport, Recorded>,
}

impl PaymentWorker {
    /// A worker whose writes are carried out by tasks of their own, on `tracker`, until it is dropped.
    pub fn new(database: Database, provider: Arc<dyn PaymentProvider>, tracker: &TaskTracker) -> Self {
        let books = database.clone();
        let marks = Batcher::new("payment_sent", tracker, MOST_WAITING, move |all: Vec<Sending>| {
            let books = books.clone();
            Box::pin(async move { payments::mark_sent(&books, &all, books.now()).await })
        });
        let books = database.clone();
        let records = Batcher::new("payment_told", tracker, MOST_WAITING, move |all: Vec<ChargeReport>| {
            let books = books.clone();
            Box::pin(async move { payments::record(&books, &all, books.now()).await })
        });
        Self { database, provider, marks, records }
    }

    /// Asks about open attempts and carries out refunds until `stop`.
    pub fn run(&self, stop: CancellationToken) -> BoxFuture<'_, ()> {
        self.run_until(stop).boxed()
    }

    async fn run_until(&self, stop: CancellationToken) {
        let mut periodic = Periodic::every(POLL_EVERY, "the payment worker", &stop);
        while periodic.is_due().await {
            periodic.record(self.poll().await);
        }
    }

    /// One look at everything whose time has come.
    pub async fn poll(&self) -> Result<(), StoreError> {
        let now = self.database.now();
        let until = self.lease_from(now);
        let claimed = payments::claim_due(&self.database, now, until, 200).await?;
        self.advance_all(payments::load_all(&self.database, &claimed).await?).await?;
        let owed = refunds::claim_due(&self.database, now, until, 50).await?;
        stream::iter(owed).map(|refund| self.give_back(refund)).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Until when nobody else asks about an attempt that this worker begins with now.
    fn lease_from(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(millis(self.provider.limits().call.saturating_mul(LEASE_CALLS)))
    }

    async fn advance_all(&self, payments: Vec<PaymentRow>) -> Result<(), StoreError> {
        stream::iter(payments).map(|payment| self.advance(payment)).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Carries an attempt as far as the provider's answers go. A step that did not bring it forward is not repeated here;
    /// the poller asks again later.
    pub async fn advance(&self, mut payment: PaymentRow) -> Result<(), StoreError> {
        let mut before = Step::Nothing;
        loop {
            let step = next_step(&payment);
            if step == Step::Nothing || step == before {
                return Ok(());
            }
            match self.carry_out(&step, &payment).await? {
                Some(next) => payment = next,
                None => return Ok(()),
            }
            before = step;
        }
    }

    /// One step, and the attempt after it; `None` when it ended, another worker does it, or a person has to.
    async fn carry_out(&self, step: &Step, payment: &PaymentRow) -> Result<Option<PaymentRow>, StoreError> {
        let now = self.database.now();
        let charge = match step {
            Step::Nothing => return Ok(None),
            Step::GiveUp => return self.record(payment, ChargeOutcome::NeverConfirmed).await,
            Step::Create => match self.create(payment, now).await {
                Some(created) if !self.mark_sent(payment, &created, now).await? => return Ok(None),
                Some(created) => {
                    let committed = ChargeRef { key: payment.key(), provider_id: created.provider_id.clone() };
                    self.confirm_created(payment, (&committed, created), now).await
                }
                None => None,
            },
            Step::Query(committed) => match self.answer("query", self.provider.query(committed, now)).await {
                Some(charge) => self.confirm_created(payment, (committed, charge), now).await,
                None => None,
            },
            Step::Capture(charge) => self.answer("capture", self.provider.capture(charge, now)).await,
            Step::Void(charge) => self.answer("void", self.provider.void(charge, now)).await,
        };
        let next = self.record(payment, charge.map_or(ChargeOutcome::Silence, ChargeOutcome::Known)).await?;
        if matches!(step, Step::Capture(_)) && next.is_none() {
            failpoint::reached(Point::CaptureRecorded);
        }
        Ok(next)
    }

    async fn create(&self, payment: &PaymentRow, now: Timestamp) -> Option<Charge> {
        failpoint::reached(Point::PaymentWritten);
        let charge = NewCharge { key: payment.key(), money: payment.money, method: payment.method.clone() };
        let created = self.answer("create", self.provider.create(&charge, now)).await;
        failpoint::reached(Point::ChargeCreated);
        created
    }

    /// Commits the id of a charge before it is confirmed.
    async fn mark_sent(&self, payment: &PaymentRow, created: &Charge, now: Timestamp) -> Result<bool, StoreError> {
        let action_ms = millis(self.provider.limits().action);
        let sending = Sending {
            id: payment.id,
            order: payment.order,
            provider_id: created.provider_id.clone(),
            answer_by: now.plus_millis(action_ms).plus_millis(DEADLINE_GRACE_MS),
            poll_at: self.lease_from(now),
        };
        let is_ours = self.marks.submit(sending).await.map_err(trouble)?;
        failpoint::reached(Point::ChargeRecorded);
        Ok(is_ours)
    }

    /// Confirms the charge whose id is committed, if that is still to be done. An answer about another charge confirms
    /// nothing.
    async fn confirm_created(
        &self,
        payment: &PaymentRow,
        (committed, charge): (&ChargeRef, Charge),
        now: Timestamp,
    ) -> Option<Charge> {
        let is_committed = charge.provider_id == committed.provider_id && charge.money == payment.money;
        if charge.state != ChargeState::Created || !is_committed {
            return Some(charge);
        }
        let confirmed = self.answer("confirm", self.provider.confirm(committed, now)).await;
        failpoint::reached(Point::ChargeSent);
        confirmed
    }

    async fn record(&self, payment: &PaymentRow, outcome: ChargeOutcome) -> Result<Option<PaymentRow>, StoreError> {
        let poll_at = next_poll(payment.polls, self.database.now());
        let report = ChargeReport { id: payment.id, order: payment.order, outcome, poll_at };
        match self.records.submit(report).await.map_err(trouble)? {
            Recorded::Moved(next) => Ok(Some(*next)),
            Recorded::Ended | Recorded::Same => Ok(None),
            Recorded::NeedsReview(case) => {
                tracing::error!(payment.id = %payment.id, case = case.as_str(), "a payment needs a person");
                Ok(None)
            }
        }
    }

    /// A webhook, or an operator, says that a charge has changed. That is not believed: the provider is queried, and its
    /// answer is recorded as any other. It may be another charge than the committed one of the attempt that its key names.
    pub async fn on_webhook(&self, charge: &ChargeRef) -> Result<(), StoreError> {
        let Some(payment) = payments::of_key(&self.database, &charge.key).await? else { return Ok(()) };
        let asked = self.answer("query", self.provider.query(charge, self.database.now())).await;
        if let Some(charge) = asked
            && let Some(next) = self.record(&payment, ChargeOutcome::Known(charge)).await?
        {
            return self.advance(next).await;
        }
        Ok(())
    }

    async fn give_back(&self, refund: RefundRow) -> Result<(), StoreError> {
        let now = self.database.now();
        let asked = NewRefund { key: refund.id.clone(), money: refund.money };
        let answer = self.answer("refund", self.provider.refund(&refund.charge, &asked, now)).await;
        failpoint::reached(Point::RefundSent);
        let answer = answer.map_or(RefundAnswer::Silence, |given| RefundAnswer::Progress {
            provider_ref: given.provider_id,
            progress: given.progress,
        });
        if refunds::record(&self.database, &refund, &answer, self.database.now()).await? {
            tracing::error!(refund.id, "a refund was refused too often; the order needs review");
        }
        Ok(())
    }

    /// The provider's answer to a call; `None` when there was none, which never means no.
    async fn answer<T>(&self, call: &'static str, asked: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        match tokio::time::timeout(self.provider.limits().call, asked).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(trouble)) => {
                tracing::info!(payment.call = call, "the payment provider gave no answer: {trouble}");
                None
            }
            Err(_) => {
                tracing::info!(payment.call = call, "the payment provider gave no answer in time");
                None
            }
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Trouble of a batch is everybody's in it.
fn trouble(fault: BatchError) -> StoreError {
    StoreError::unavailable("payments", fault)
}

#[async_trait]
impl Handler for PaymentWorker {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        let asked: Vec<_> =
            batch.iter().filter(|event| event.kind == EventKind::PaymentRequested).map(|event| event.order).collect();
        // An attempt that was sent is in another worker's hands, or the poller's.
        let mut waiting = payments::open_of(&self.database, &asked).await?;
        waiting.retain(|payment| matches!(next_step(payment), Step::Create | Step::GiveUp | Step::Void(_)));
        self.advance_all(waiting).await?;
        if batch.iter().any(|event| event.kind == EventKind::RefundRequested) {
            self.poll().await?;
        }
        Ok(Progress::Done)
    }
}
