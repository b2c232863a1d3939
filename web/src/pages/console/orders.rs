//! `/console/sales/{sale}/orders`: the orders of a sale.

use askama::Template;
use sale::{Money, OrderState, Timestamp};

use crate::{
    Layout, assets,
    pages::{Tone as _, rendered},
};

/// The list.
#[derive(Clone, Debug, Template)]
#[template(path = "console/orders.html")]
pub struct ConsoleOrdersPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Id of the sale.
    pub sale: String,
    /// Its name in the page's language.
    pub name: String,
    /// Newest first.
    pub orders: Vec<ConsoleOrderRow>,
    /// Where older ones begin; the link carries it as `?cursor=`.
    pub next_cursor: Option<String>,
}

/// One order in the list.
#[derive(Clone, Debug)]
pub struct ConsoleOrderRow {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: OrderState,
    /// Units of all lines.
    pub units: u64,
    /// All of it.
    pub total: Money,
    /// When it was placed.
    pub placed_at: Timestamp,
}

impl ConsoleOrdersPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }
}
