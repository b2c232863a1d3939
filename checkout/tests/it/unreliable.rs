//! Stores that fail when they are told to: before a call has had its effect, or after it.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use sale::{BuyerId, ItemId, SaleId, Term, Timestamp, sale::Place};
use stores::{
    StoreError,
    database::Database,
    payments::{Charge, ChargeRef, NewCharge, NewRefund, Page, PaymentProvider, Refund, Span, TimeLimits},
    queue_store::{
        CallBatch, CallOutcome, EnterOutcome, EnterRequest, HoldEnd, HoldsCursor, HoldsPage, JoinOutcome, JoinRequest,
        Observation, PublishOutcome, Queue, QueueKey, Reservation, ReservationOutcome, SaleQueueStore, Snapshot,
        StockGate, TicketClaims, TicketStatus,
    },
    testing,
};
use tokio::sync::Barrier;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call does not arrive.
    Before,
    /// The call arrives; its answer does not.
    After,
}

/// A store in front of a store.
#[derive(Debug)]
pub(crate) struct Unreliable<T: ?Sized> {
    real: Arc<T>,
    /// What happens to the next calls that move something; then all goes well.
    plan: std::sync::Mutex<VecDeque<Option<Fault>>>,
    /// Whose provider forgets each key as soon as it has made a charge of it, and answers when so many are made.
    forgets: tokio::sync::Mutex<Option<(Database, Arc<Barrier>)>>,
}

impl<T: ?Sized> Unreliable<T> {
    pub(crate) fn new(real: Arc<T>) -> Arc<Self> {
        Arc::new(Self { real, plan: std::sync::Mutex::default(), forgets: tokio::sync::Mutex::default() })
    }

    /// The same key makes another charge each time, and nobody is answered before so many have asked.
    pub(crate) async fn forget_keys(&self, database: &Database, asked: usize) {
        *self.forgets.lock().await = Some((database.clone(), Arc::new(Barrier::new(asked))));
    }

    pub(crate) fn plan(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.plan.lock().unwrap().extend(faults);
    }

    async fn carry<R>(&self, call: impl Future<Output = Result<R, StoreError>>) -> Result<R, StoreError> {
        let fault = self.plan.lock().unwrap().pop_front().flatten();
        if fault == Some(Fault::Before) {
            return Err(StoreError::unavailable("test", "the call was lost"));
        }
        let answer = call.await;
        if fault == Some(Fault::After) {
            return Err(StoreError::unavailable("test", "the answer was lost"));
        }
        answer
    }
}

#[async_trait]
impl StockGate for Unreliable<dyn SaleQueueStore> {
    async fn reserve(
        &self,
        key: &QueueKey,
        asks: &[Reservation],
        now: Timestamp,
    ) -> Result<Vec<ReservationOutcome>, StoreError> {
        self.carry(self.real.reserve(key, asks, now)).await
    }
    async fn reacquire(
        &self,
        key: &QueueKey,
        ask: &Reservation,
        now: Timestamp,
    ) -> Result<ReservationOutcome, StoreError> {
        self.carry(self.real.reacquire(key, ask, now)).await
    }
    async fn end_holds(&self, key: &QueueKey, ends: &[HoldEnd]) -> Result<(), StoreError> {
        self.carry(self.real.end_holds(key, ends)).await
    }
    async fn restock(&self, key: &QueueKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError> {
        self.real.restock(key, item, total, version).await
    }
    async fn holds_page(&self, key: &QueueKey, from: &HoldsCursor) -> Result<HoldsPage, StoreError> {
        self.real.holds_page(key, from).await
    }
    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError> {
        self.real.forget(sale).await
    }
}

#[async_trait]
impl Queue for Unreliable<dyn SaleQueueStore> {
    async fn current_key(&self, sale: &SaleId) -> Result<QueueKey, StoreError> {
        self.real.current_key(sale).await
    }
    async fn join(
        &self,
        key: &QueueKey,
        asks: &[JoinRequest],
        up_to: u64,
        now: Timestamp,
    ) -> Result<Vec<JoinOutcome>, StoreError> {
        self.real.join(key, asks, up_to, now).await
    }
    async fn standing(
        &self,
        key: &QueueKey,
        asks: &[(BuyerId, TicketClaims)],
        now: Timestamp,
    ) -> Result<Vec<TicketStatus>, StoreError> {
        self.real.standing(key, asks, now).await
    }
    async fn call(&self, key: &QueueKey, batch: CallBatch, now: Timestamp) -> Result<CallOutcome, StoreError> {
        self.real.call(key, batch, now).await
    }
    async fn sweep(&self, key: &QueueKey, now: Timestamp) -> Result<u64, StoreError> {
        self.real.sweep(key, now).await
    }
    async fn enter(
        &self,
        key: &QueueKey,
        asks: &[EnterRequest],
        now: Timestamp,
    ) -> Result<Vec<EnterOutcome>, StoreError> {
        self.real.enter(key, asks, now).await
    }
    async fn leave(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Result<Vec<TicketStatus>, StoreError> {
        self.real.leave(key, places, now).await
    }
    async fn observe(&self, key: &QueueKey, nth: u64) -> Result<Observation, StoreError> {
        self.real.observe(key, nth).await
    }
    async fn publish(&self, key: &QueueKey, term: Term, frame: Bytes) -> Result<PublishOutcome, StoreError> {
        self.real.publish(key, term, frame).await
    }
    async fn frame(&self, key: &QueueKey) -> Result<Option<Bytes>, StoreError> {
        self.real.frame(key).await
    }
    async fn departed(&self, key: &QueueKey, seen: u64) -> Result<Vec<u64>, StoreError> {
        self.real.departed(key, seen).await
    }
    async fn end_grace_period(&self, key: &QueueKey) -> Result<(), StoreError> {
        self.real.end_grace_period(key).await
    }
    async fn rebuild(&self, key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError> {
        self.real.rebuild(key, snapshot, now).await
    }
}

#[async_trait]
impl PaymentProvider for Unreliable<dyn PaymentProvider> {
    fn name(&self) -> &'static str {
        self.real.name()
    }
    fn methods(&self) -> &'static [&'static str] {
        self.real.methods()
    }
    fn limits(&self) -> TimeLimits {
        self.real.limits()
    }
    async fn create(&self, charge: &NewCharge, now: Timestamp) -> Result<Charge, StoreError> {
        let forgets = self.forgets.lock().await;
        let created = self.carry(self.real.create(charge, now)).await;
        if let Some((database, all_asked)) = forgets.clone() {
            testing::forget_keys(&database).await;
            drop(forgets);
            all_asked.wait().await;
        }
        created
    }
    async fn confirm(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        self.carry(self.real.confirm(charge, now)).await
    }
    async fn query(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        self.carry(self.real.query(charge, now)).await
    }
    async fn capture(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        self.carry(self.real.capture(charge, now)).await
    }
    async fn void(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        self.carry(self.real.void(charge, now)).await
    }
    async fn refund(&self, charge: &ChargeRef, refund: &NewRefund, now: Timestamp) -> Result<Refund, StoreError> {
        self.carry(self.real.refund(charge, refund, now)).await
    }
    async fn list(&self, span: Span, cursor: Option<&str>, now: Timestamp) -> Result<Page, StoreError> {
        self.real.list(span, cursor, now).await
    }
}

/// A future that is dropped after so many polls, as a process that is killed drops what it was doing.
pub(crate) struct Killed<F> {
    work: Pin<Box<F>>,
    polls_left: usize,
}

pub(crate) fn killed_after<F: Future>(polls: usize, work: F) -> Killed<F> {
    Killed { work: Box::pin(work), polls_left: polls }
}

impl<F: Future> Future for Killed<F> {
    /// `None` when it was killed before its end.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls_left.checked_sub(1) else { return Poll::Ready(None) };
        self.polls_left = left;
        match self.work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}
