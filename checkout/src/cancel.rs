//! Cancel: the buyer lets an order go before money was taken.

use sale::OrderId;
use stores::database::{
    Database,
    holds::{self, CancelOutcome},
    orders::{self, Order},
};

use crate::CheckoutError;

/// Lets an order go. While a payment is under way the charge is called back first, and the order ends when the provider
/// has confirmed that.
#[tracing::instrument(skip_all, fields(order = %order))]
pub async fn cancel(database: &Database, order: OrderId) -> Result<Order, CheckoutError> {
    match holds::cancel(database, order, database.now()).await? {
        CancelOutcome::Released | CancelOutcome::Voiding | CancelOutcome::Already => {
            orders::view(database, order).await?.ok_or(CheckoutError::OrderNotFound)
        }
        CancelOutcome::TooLate => Err(CheckoutError::CannotCancel),
        CancelOutcome::NotFound => Err(CheckoutError::OrderNotFound),
    }
}
