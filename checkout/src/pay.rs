//! Pay: the buyer's request is written down together with the event that carries it to a payment worker.

use sale::OrderId;
use stores::{
    database::{
        Database,
        orders::{self, Order},
        payments::{self, PayOutcome, PayRequest},
    },
    payments::PaymentProvider,
};
use web::{ErrorCode, FieldError};

use crate::CheckoutError;

/// Asks for a payment of an order; the same key asks for the same one.
#[tracing::instrument(skip_all, fields(order = %request.order))]
pub async fn pay(
    database: &Database,
    provider: &dyn PaymentProvider,
    request: PayRequest<'_>,
) -> Result<Order, CheckoutError> {
    if !provider.methods().contains(&request.method) {
        return Err(CheckoutError::Invalid(vec![FieldError::new("/method", ErrorCode::UnknownMethod)]));
    }
    match payments::pay(database, provider.name(), request, database.now()).await? {
        PayOutcome::Requested | PayOutcome::Existing => view(database, request.order).await,
        PayOutcome::KeyReused => Err(CheckoutError::KeyReused),
        PayOutcome::HoldExpired => Err(CheckoutError::HoldExpired),
        PayOutcome::InProgress => Err(CheckoutError::PaymentInProgress),
        PayOutcome::AlreadyPaid => Err(CheckoutError::AlreadyPaid),
        PayOutcome::NotFound => Err(CheckoutError::OrderNotFound),
    }
}

pub(crate) async fn view(database: &Database, order: OrderId) -> Result<Order, CheckoutError> {
    orders::view(database, order).await?.ok_or(CheckoutError::OrderNotFound)
}
