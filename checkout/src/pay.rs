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
use web::{Code, FieldError};

use crate::Refusal;

/// Asks for a payment of an order; the same key asks for the same one.
#[tracing::instrument(skip_all, fields(order = %choice.order))]
pub async fn pay(database: &Database, provider: &dyn PaymentProvider, choice: Choice<'_>) -> Result<Order, Refusal> {
    if !provider.methods().contains(&choice.method) {
        return Err(Refusal::Invalid(vec![FieldError::new("/method", Code::UnknownMethod)]));
    }
    match payments::pay(database, choice, database.now()).await? {
        Paying::Requested | Paying::Existing => view(database, choice.order).await,
        Paying::KeyReused => Err(Refusal::KeyReused),
        Paying::HoldExpired => Err(Refusal::HoldExpired),
        Paying::InProgress => Err(Refusal::PaymentInProgress),
        Paying::AlreadyPaid => Err(Refusal::AlreadyPaid),
        Paying::NotFound => Err(Refusal::OrderNotFound),
    }
}

pub(crate) async fn view(database: &Database, order: OrderId) -> Result<Order, Refusal> {
    orders::view(database, order).await?.ok_or(Refusal::OrderNotFound)
}
