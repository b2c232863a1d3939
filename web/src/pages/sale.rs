//! `/sales/{sale}`: the countdown, then the button to join.

use askama::Template;
use sale::{Language, Money, SaleState, Timestamp};
use serde_json::json;

use super::{Tone as _, rendered, script_json, time_limit};
use crate::{
    Layout, assets,
    format::{countdown, seconds_until},
    number::grouped,
    precompressed::{PrecompressedTemplate, SlotValues, placeholder},
};

/// One item as buyers see it.
#[derive(Clone, Debug)]
pub struct ItemCard {
    /// Its name in the page's language.
    pub name: String,
    /// Price of one unit.
    pub price: Money,
    /// Units in the whole sale.
    pub units: u64,
    /// Units free now.
    pub left: u64,
}

/// The page of one sale.
#[derive(Clone, Debug, Template)]
#[template(path = "sale.html")]
pub struct SalePage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Id of the sale.
    pub sale: String,
    /// Its name in the page's language.
    pub name: String,
    /// Where it stands.
    pub state: SaleState,
    /// The opening.
    pub opens_at: Timestamp,
    /// What it sells.
    pub items: Vec<ItemCard>,
    /// Units that one buyer may have.
    pub per_buyer_limit: u64,
    /// Time to enter after being called.
    pub enter_seconds: u64,
    /// Time to pay after reserving.
    pub hold_seconds: u64,
    /// People in the line now.
    pub waiting: u64,
    /// The number of the buyer's own live ticket, if there is one.
    pub number: Option<u64>,
    /// Key of the join, the same for every attempt of this page: hidden field `key`, header `Idempotency-Key`.
    pub join_key: String,
}

/// What the page says to one visitor at one moment. Everything else on it is the same for all visitors with this language
/// and state of the sale who have a ticket, and for all who have none.
#[derive(Clone, Copy, Debug)]
pub struct SaleVisitor<'v> {
    /// The language of the page.
    pub language: Language,
    /// The CSP nonce of this response.
    pub nonce: &'v str,
    /// The server's clock.
    pub now: Timestamp,
    /// The opening, which the page counts down to.
    pub opens_at: Timestamp,
    /// The number of the own ticket.
    pub number: Option<u64>,
    /// Key of the join.
    pub join_key: &'v str,
}

impl SaleVisitor<'_> {
    /// The values for the slots of [`SalePage::precompile`].
    pub fn slot_values(&self) -> SlotValues {
        let mut values = SlotValues::default();
        values.add(self.nonce);
        values.add(self.join_key);
        values.add(self.now.as_millis());
        values.add(countdown(seconds_until(self.opens_at, self.now), self.language));
        values.add_optional(self.number.map(grouped));
        values
    }
}

impl SalePage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    /// The template of the page for everybody who differs only in what [`SaleVisitor`] says.
    pub fn precompile(mut self) -> Option<PrecompressedTemplate> {
        self.layout.nonce = placeholder::name();
        self.layout.now = placeholder::time();
        self.join_key = placeholder::name();
        self.number = self.number.map(|_| placeholder::number());
        let visitor = SaleVisitor {
            language: self.layout.language,
            nonce: &self.layout.nonce,
            now: self.layout.now,
            opens_at: self.opens_at,
            number: self.number,
            join_key: &self.join_key,
        };
        PrecompressedTemplate::compile(&self.render(), &visitor.slot_values())
    }

    /// The state, as one sentence.
    fn sentence(&self) -> &'static str {
        let messages = &self.layout.messages().sale;
        match self.state {
            SaleState::Scheduled | SaleState::Lobby => messages.soon,
            SaleState::Open if !self.items.is_empty() && self.items.iter().all(|item| item.left == 0) => {
                messages.all_held
            }
            SaleState::Open => messages.open_now,
            SaleState::Paused => messages.paused_now,
            SaleState::Draining => messages.draining_now,
            SaleState::SoldOut => messages.sold_out_now,
            SaleState::Closed => messages.closed_now,
        }
    }

    fn turn(&self) -> String {
        let messages = self.layout.messages();
        messages.sale.how_turn.with(time_limit(messages, self.enter_seconds))
    }

    fn hold(&self) -> String {
        let messages = self.layout.messages();
        messages.sale.how_hold.with(time_limit(messages, self.hold_seconds))
    }

    fn data(&self) -> String {
        script_json(&json!({
            "sale": self.sale,
            "state": self.state.as_str(),
            "opens_at": self.opens_at.as_millis(),
            "key": self.join_key,
            "joined": self.number.is_some(),
            "open_now": self.layout.messages().sale.open_now,
        }))
    }
}
