//! Pay: the buyer's request is written down together with the event that carries it to a payment worker.
//!
//! Requests that arrive while others are being written are written together, in one transaction: in a rush most buyers pay at
//! about the same time, and a transaction each would keep all connections to the database busy.

use std::{collections::HashMap, slice::from_ref, sync::Arc};

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
    provider: Arc<dyn PaymentProvider>,
    requests: Batcher<PayRequest, Result<Order, CheckoutError>>,
}

impl PaymentRequester {
    /// A requester whose work runs on `tracker` until it is dropped.
    pub fn new(database: Database, provider: Arc<dyn PaymentProvider>, tracker: &TaskTracker) -> Self {
        let name = provider.name();
        let requests = Batcher::new("payment_requested", tracker, MAX_WAITING, move |requests: Vec<PayRequest>| {
            let database = database.clone();
            Box::pin(async move { Ok(request_all(&database, name, &requests).await) })
        });
        Self { provider, requests }
    }

    /// Asks for a payment of an order; the same key asks for the same one.
    #[tracing::instrument(skip_all, fields(order = %request.order))]
    pub async fn request(&self, request: PayRequest) -> Result<Order, CheckoutError> {
        if !self.provider.methods().contains(&request.method.as_str()) {
            return Err(CheckoutError::Invalid(vec![FieldError::new("/method", ErrorCode::UnknownMethod)]));
        }
        match self.requests.submit(request).await {
            Ok(answer) => answer,
            Err(BatchError::Overloaded) => Err(CheckoutError::Overloaded),
            Err(BatchError::Store(_)) => Err(CheckoutError::StoreUnavailable),
        }
    }
}

async fn request_all(
    database: &Database,
    provider: &str,
    requests: &[PayRequest],
) -> Vec<Result<Order, CheckoutError>> {
    match request_together(database, provider, requests).await {
        Ok(answers) => answers,
        // The rows of one order may be to blame, and the others shall be paid. What was written already is found by its key.
        Err(StoreError::Unexpected { .. }) if requests.len() > 1 => {
            let mut answers = Vec::with_capacity(requests.len());
            for request in requests {
                let alone = request_together(database, provider, from_ref(request)).await;
                answers.extend(alone.unwrap_or_else(|error| vec![Err(CheckoutError::from(error))]));
            }
            answers
        }
        Err(error) => vec![Err(CheckoutError::from(error)); requests.len()],
    }
}

async fn request_together(
    database: &Database,
    provider: &str,
    requests: &[PayRequest],
) -> Result<Vec<Result<Order, CheckoutError>>, StoreError> {
    let outcomes = payments::pay(database, provider, requests, database.now()).await?;
    let is_answered = |outcome: &PayOutcome| matches!(outcome, PayOutcome::Requested | PayOutcome::Existing);
    let answered: Vec<_> = requests
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| is_answered(outcome))
        .map(|(request, _)| request.order)
        .collect();
    let read = if answered.is_empty() { Vec::new() } else { orders::read(database, &answered).await? };
    let read: HashMap<_, _> = read.into_iter().map(|order| (order.id, order)).collect();
    let answers = requests.iter().zip(outcomes).map(|(request, outcome)| match outcome {
        PayOutcome::Requested | PayOutcome::Existing => {
            read.get(&request.order).cloned().ok_or(CheckoutError::OrderNotFound)
        }
        PayOutcome::KeyReused => Err(CheckoutError::KeyReused),
        PayOutcome::HoldExpired => Err(CheckoutError::HoldExpired),
        PayOutcome::InProgress => Err(CheckoutError::PaymentInProgress),
        PayOutcome::AlreadyPaid => Err(CheckoutError::AlreadyPaid),
        PayOutcome::NotFound => Err(CheckoutError::OrderNotFound),
    });
    Ok(answers.collect())
}
