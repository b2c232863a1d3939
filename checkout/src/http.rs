//! Everything of the checkout that is reached over HTTP: the API of orders and sales, the pages of both, the console.
//!
//! A handler is what it does and nothing else. What it needs of the request comes through [`extract`]ors, and the first of
//! them says who may call it: see [`access`]. An error becomes an answer in [`errors`] alone. Which handler answers which
//! address is written in the program's one router.

pub mod access;
pub mod console;
pub mod errors;
pub mod extract;
pub mod live_figures;
pub mod orders;
pub mod pages;
pub mod paging;
pub mod sales;
pub mod seller_api;
pub mod seller_auth;

use std::sync::Arc;

use sale::{Keys, SaleId, pass::PassIssuer};
use stores::{
    database::{
        Database,
        sales::{StockedSale, load},
    },
    payments::PaymentProvider,
    queue_store::SaleQueueStore,
};
use web::{ApiError, ErrorCode, Site};

use crate::{PaymentRequester, Reserver};

/// The state that all handlers share. A request that takes it copies one pointer.
pub type AppState = Arc<App>;

/// What the handlers work with.
pub struct App {
    pub site: Arc<Site>,
    pub keys: Arc<Keys>,
    pub passes: Arc<PassIssuer>,
    pub database: Database,
    pub queue: Arc<dyn SaleQueueStore>,
    pub provider: Arc<dyn PaymentProvider>,
    pub reserver: Arc<Reserver>,
    pub payment_requester: Arc<PaymentRequester>,
    /// The demo can be reset, and says what to try.
    pub demo: bool,
}

/// The sale of this id, as the database has it now.
pub async fn load_sale(app: &AppState, id: &str) -> Result<StockedSale, ApiError> {
    let id: SaleId = id.parse().map_err(|_| ErrorCode::SaleNotFound)?;
    load(&app.database, &id).await?.ok_or_else(|| ErrorCode::SaleNotFound.into())
}
