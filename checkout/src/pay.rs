//! Pay: the buyer's request is written down together with the event that carries it to a payment worker.
//!
//! Requests that arrive while others are being written are written together, in one transaction: in a rush most buyers pay at
//! about the same time, and a transaction each would keep all connections to the database busy.

use std::{collections::HashMap, sync::Arc};

use stores::{
    StoreError,
    batch::{BatchError, Batcher},
    database::{
        Database,
        orders::{self, Order},
        payments::{self, PayOutcome, PayRequest},
    },
    payments::PaymentProvider,
};
use tokio_util::task::TaskTracker;
use web::{ErrorCode, FieldError};

use crate::CheckoutError;

/// Requests that may wait at the same time: some seconds of what the database carries.
const MAX_WAITING: usize = 10_000;

/// Takes requests to pay in one process.
pub struct PaymentRequester {
    database: Database,
    provider: Arc<dyn PaymentProvider>,
    /// `None` for a request that has to be made alone.
    requests: Batcher<PayRequest, Option<Result<Order, CheckoutError>>>,
}

impl PaymentRequester {
    /// A requester whose work runs on `tracker` until it is dropped.
    pub fn new(database: Database, provider: Arc<dyn PaymentProvider>, tracker: &TaskTracker) -> Self {
        let (books, name) = (database.clone(), provider.name());
        let requests = Batcher::new("payment_requested", tracker, MAX_WAITING, move |requests: Vec<PayRequest>| {
            let books = books.clone();
            Box::pin(async move { request_together(&books, name, &requests).await })
        });
        Self { database, provider, requests }
    }

    /// Asks for a payment of an order; the same key asks for the same one.
    #[tracing::instrument(skip_all, fields(order = %request.order))]
    pub async fn request(&self, request: PayRequest) -> Result<Order, CheckoutError> {
        if !self.provider.methods().contains(&request.method.as_str()) {
            return Err(CheckoutError::Invalid(vec![FieldError::new("/method", ErrorCode::UnknownMethod)]));
        }
        match self.requests.submit(request.clone()).await {
            Ok(Some(answer)) => answer,
            // Another transaction has locked its order: the others have not waited for that.
            Ok(None) => self.request_alone(&request).await,
            // Any request of the batch may be to blame, and the others shall be paid.
            Err(BatchError::Store(error)) if error.is_refusal() => self.request_alone(&request).await,
            Err(BatchError::Store(error)) => {
                tracing::warn!(%error, "a payment could not be requested");
                Err(CheckoutError::StoreUnavailable)
            }
            Err(BatchError::Overloaded) => Err(CheckoutError::Overloaded),
        }
    }

    async fn request_alone(&self, request: &PayRequest) -> Result<Order, CheckoutError> {
        let now = self.database.now();
        refusal(payments::pay_alone(&self.database, self.provider.name(), request, now).await?)?;
        orders::view(&self.database, request.order).await?.ok_or(CheckoutError::OrderNotFound)
    }
}

async fn request_together(
    database: &Database,
    provider: &str,
    requests: &[PayRequest],
) -> Result<Vec<Option<Result<Order, CheckoutError>>>, StoreError> {
    let outcomes = payments::pay(database, provider, requests, database.now()).await?;
    let accepted = requests.iter().zip(&outcomes).filter(|(_, outcome)| refusal(**outcome).is_ok());
    let accepted: Vec<_> = accepted.map(|(request, _)| request.order).collect();
    let read = if accepted.is_empty() { Vec::new() } else { orders::read(database, &accepted).await? };
    let read: HashMap<_, _> = read.into_iter().map(|order| (order.id, order)).collect();
    let answers = requests.iter().zip(outcomes).map(|(request, outcome)| {
        let order = || read.get(&request.order).cloned().ok_or(CheckoutError::OrderNotFound);
        (outcome != PayOutcome::Locked).then(|| refusal(outcome).and_then(|()| order()))
    });
    Ok(answers.collect())
}

/// Refuses a request that has begun no payment, for the reason that its outcome names.
fn refusal(outcome: PayOutcome) -> Result<(), CheckoutError> {
    match outcome {
        PayOutcome::Requested | PayOutcome::Existing => Ok(()),
        PayOutcome::KeyReused => Err(CheckoutError::KeyReused),
        PayOutcome::HoldExpired => Err(CheckoutError::HoldExpired),
        PayOutcome::InProgress => Err(CheckoutError::PaymentInProgress),
        PayOutcome::AlreadyPaid => Err(CheckoutError::AlreadyPaid),
        PayOutcome::NotFound => Err(CheckoutError::OrderNotFound),
        PayOutcome::Locked => Err(CheckoutError::InFlight),
    }
}
