//! The page of a request that failed: what happened, whether place and money are safe, what to do.

use askama::Template;

use super::rendered;
use crate::{ErrorCode, Layout, assets, messages::Messages, paths};

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// What went wrong.
    pub code: ErrorCode,
    /// Where to go from here.
    pub next: NextLink,
    /// The id under which the logs know this request.
    pub trace_id: String,
}

/// Where a page leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextLink {
    /// The list of sales.
    Sales,
    /// The page of a sale, by id.
    Sale(String),
    /// The waiting page of a sale, by id.
    Line(String),
    /// The checkout of a sale, by id.
    Checkout(String),
    /// An order, by id.
    Order(String),
    /// The sign-in of the console.
    Console,
    /// The same address again.
    Again(String),
}

impl ErrorPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    fn message(&self) -> &[&'static str; 2] {
        self.layout.messages().error_page.message(self.code)
    }

    fn reassurance(&self) -> Option<&'static str> {
        self.layout.messages().error_page.reassurance(self.code)
    }
}

impl NextLink {
    fn path(&self) -> String {
        match self {
            Self::Sales => paths::sales(),
            Self::Sale(sale) => paths::sale(sale),
            Self::Line(sale) => paths::line(sale),
            Self::Checkout(sale) => paths::checkout(sale),
            Self::Order(order) => paths::order(order),
            Self::Console => paths::console::home(),
            Self::Again(path) => path.clone(),
        }
    }

    const fn label(&self, messages: &Messages) -> &'static str {
        match self {
            Self::Sales => messages.common.all_sales,
            Self::Sale(_) => messages.common.to_sale,
            Self::Line(_) => messages.common.to_place,
            Self::Checkout(_) => messages.common.to_checkout,
            Self::Order(_) => messages.common.to_order,
            Self::Console => messages.console.nav.name,
            Self::Again(_) => messages.common.reload,
        }
    }
}
