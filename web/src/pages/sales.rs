//! `/`: every sale, and what to do now.

use askama::Template;
use sale::{SaleState, Timestamp};

use super::{ItemCard, Tone as _, rendered};
use crate::{Layout, assets, messages::SalesMessages};

/// The list of sales.
#[derive(Clone, Debug, Template)]
#[template(path = "sales.html")]
pub struct SalesPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Newest first, or as the seller orders them.
    pub sales: Vec<SaleRow>,
    /// Set in the demo: what to try.
    pub demo: Option<Demo>,
}

/// One sale in the list.
#[derive(Clone, Debug)]
pub struct SaleRow {
    /// Its id.
    pub id: String,
    /// Its name in the page's language.
    pub name: String,
    /// Where it stands.
    pub state: SaleState,
    /// When it opens or opened.
    pub opens_at: Timestamp,
    /// What it sells.
    pub items: Vec<ItemCard>,
}

/// What the demo adds to the list.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Address of the console, with the sign-in of the demo if there is one.
    pub console_url: String,
}

impl SalesPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }
}

impl SaleRow {
    fn action(&self, messages: &SalesMessages) -> &'static str {
        match self.state {
            SaleState::Scheduled | SaleState::Lobby => messages.do_scheduled,
            SaleState::Open => messages.do_open,
            SaleState::Paused => messages.do_paused,
            SaleState::Draining | SaleState::SoldOut | SaleState::Closed => messages.do_over,
        }
    }
}
