//! `/console`: every sale of the seller.

use askama::Template;
use sale::{SaleState, Timestamp};

use crate::{
    Layout, assets,
    pages::{Tone as _, rendered},
};

/// The list.
#[derive(Clone, Debug, Template)]
#[template(path = "console/sales.html")]
pub struct ConsoleSalesPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Newest first.
    pub sales: Vec<ConsoleSaleRow>,
    /// Whether the demo can be reset here.
    pub demo: bool,
}

/// One sale in the list.
#[derive(Clone, Debug)]
pub struct ConsoleSaleRow {
    /// Its id.
    pub id: String,
    /// Its name in the page's language.
    pub name: String,
    /// Where it stands.
    pub state: SaleState,
    /// The opening.
    pub opens_at: Timestamp,
    /// People waiting.
    pub waiting: u64,
    /// Units sold.
    pub sold: u64,
    /// Units in the whole sale.
    pub units: u64,
}

impl ConsoleSalesPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }
}
