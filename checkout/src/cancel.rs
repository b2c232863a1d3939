//! Cancel: the buyer lets an order go before money was taken.

use sale::OrderId;
use stores::database::{
    Database,
    holds::{self, Cancelled},
    orders::Order,
};

use crate::{CheckoutError, pay::view};

/// Lets an order go. While a payment is under way the charge is called back first, and the order ends when the provider
/// has confirmed that.
#[tracing::instrument(skip_all, fields(order = %order))]
pub async fn cancel(database: &Database, order: OrderId) -> Result<Order, CheckoutError> {
    match holds::cancel(database, order, database.now()).await? {
        Cancelled::Released | Cancelled::Voiding | Cancelled::Already => view(database, order).await,
        Cancelled::TooLate => Err(CheckoutError::CannotCancel),
        Cancelled::NotFound => Err(CheckoutError::OrderNotFound),
    }
}
