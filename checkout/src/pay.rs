//! Pay: the buyer's choice is written down together with the event that carries it to a payment worker.

use sale::OrderId;
use stores::{
    database::{
        Database,
        orders::{self, Order},
        payments::{self, Choice, Paying},
    },
    payments::PaymentProvider,
};
use web::{ErrorCode, FieldError};

use crate::CheckoutError;

/// Asks for a payment of an order; the same key asks for the same one.
#[tracing::instrument(skip_all, fields(order = %choice.order))]
pub async fn pay(
    database: &Database,
    provider: &dyn PaymentProvider,
    choice: Choice<'_>,
) -> Result<Order, CheckoutError> {
    if !provider.methods().contains(&choice.method) {
        return Err(CheckoutError::Invalid(vec![FieldError::new("/method", ErrorCode::UnknownMethod)]));
    }
    match payments::pay(database, provider.name(), choice, database.now()).await? {
        Paying::Requested | Paying::Existing => view(database, choice.order).await,
        Paying::KeyReused => Err(CheckoutError::KeyReused),
        Paying::HoldExpired => Err(CheckoutError::HoldExpired),
        Paying::InProgress => Err(CheckoutError::PaymentInProgress),
        Paying::AlreadyPaid => Err(CheckoutError::AlreadyPaid),
        Paying::NotFound => Err(CheckoutError::OrderNotFound),
    }
}

pub(crate) async fn view(database: &Database, order: OrderId) -> Result<Order, CheckoutError> {
    orders::view(database, order).await?.ok_or(CheckoutError::OrderNotFound)
}
