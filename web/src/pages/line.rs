//! `/sales/{sale}/line`: the waiting page. People look at it longer than at all others together.

mod view;
mod visitor;

use askama::Template;
use sale::{SaleState, Timestamp, standing::Eta};
use serde_json::json;

use self::view::stock;
pub use self::{
    view::{LineShape, LineView},
    visitor::LineVisitor,
};
use super::{rendered, script_json, time_limit};
use crate::{
    Layout, assets, paths,
    precompressed::{PrecompressedTemplate, placeholder},
};

/// Why the estimate grew since it was last shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slower {
    /// The seller lowered the rate.
    Rate,
    /// The seller paused.
    Paused,
    /// Those inside need longer to pay.
    Payments,
}

/// The waiting page.
#[derive(Clone, Debug, Template)]
#[template(path = "line.html")]
pub struct LinePage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Id of the sale.
    pub sale: String,
    /// Its name in the page's language.
    pub sale_name: String,
    /// Id of the ticket.
    pub ticket: String,
    /// Its number.
    pub number: u64,
    /// The epoch of the frame that this page was made from, as its JSON value is written.
    pub epoch: String,
    /// The state of the sale.
    pub sale_state: SaleState,
    /// Where the ticket stands.
    pub view: LineView,
    /// Whether the number was called in an epoch that is lost. Its ticket stands at the front again, among an unknown number
    /// of others, so nobody is told to be next.
    pub at_front: bool,
    /// Why the estimate grew, if it did.
    pub slower: Option<Slower>,
    /// The queue store is unavailable or being rebuilt: nobody is called.
    pub trouble: bool,
    /// A sentence of the seller, in the page's language.
    pub message: Option<String>,
    /// Free units of all items.
    pub left: u64,
    /// Held units of all items.
    pub held: u64,
    /// The opening.
    pub opens_at: Timestamp,
    /// Time to enter after being called.
    pub enter_seconds: u64,
    /// Key for joining again after leaving.
    pub join_key: String,
}

impl LinePage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    /// The template of the page for everybody who differs only in what [`LineVisitor`] says; `None` for a view that has no shape.
    pub fn precompile(mut self) -> Option<PrecompressedTemplate> {
        self.view.shape()?;
        self.layout.nonce = placeholder::name();
        self.layout.now = placeholder::time();
        self.join_key = placeholder::name();
        self.ticket = placeholder::name();
        self.number = placeholder::number();
        self.view = self.view.placeholder();
        if self.left > 0 {
            self.left = placeholder::number();
        }
        let visitor = LineVisitor {
            language: self.layout.language,
            nonce: &self.layout.nonce,
            now: self.layout.now,
            opens_at: self.opens_at,
            ticket: &self.ticket,
            number: self.number,
            view: &self.view,
            left: self.left,
            held: self.held,
            join_key: &self.join_key,
        };
        PrecompressedTemplate::compile(&self.render(), &visitor.slot_values())
    }

    fn heading(&self) -> &'static str {
        self.view.heading(&self.layout.messages().line)
    }

    /// The `hidden` attribute for a block that only some views show. The script sets and removes it by the same rule.
    fn only(&self, views: &str) -> &'static str {
        if views.split(' ').any(|view| view == self.view.code()) { "" } else { "hidden" }
    }

    const fn ahead(&self) -> Option<u64> {
        self.view.ahead()
    }

    const fn eta(&self) -> Option<Eta> {
        self.view.eta()
    }

    const fn until(&self) -> Option<Timestamp> {
        if let LineView::Called { until } = self.view { Some(until) } else { None }
    }

    /// The address of the order; that of the checkout, which leads to it, where the order is not known.
    fn order_link(&self) -> String {
        if let LineView::Consumed { order: Some(order) } = &self.view {
            paths::order(order)
        } else {
            paths::checkout(&self.sale)
        }
    }

    fn time(&self) -> String {
        self.view.time(&self.layout.messages().line)
    }

    fn why_slower(&self) -> &'static str {
        let messages = &self.layout.messages().line;
        match self.slower {
            Some(Slower::Rate) => messages.slower_rate,
            Some(Slower::Paused) => messages.slower_paused,
            Some(Slower::Payments) => messages.slower_payments,
            None => "",
        }
    }

    /// How many units are left, as one sentence.
    fn stock(&self) -> String {
        stock(&self.layout.messages().line, &self.view, self.left, self.held)
    }

    fn chance(&self) -> String {
        let messages = self.layout.messages();
        messages.line_page.safe_chance.with(time_limit(messages, self.enter_seconds))
    }

    fn data(&self) -> String {
        script_json(&json!({
            "sale": self.sale,
            "sale_name": self.sale_name,
            "ticket": self.ticket,
            "number": self.number,
            "epoch": self.epoch,
            "sale_state": self.sale_state.as_str(),
            "view": self.view.code(),
            "ahead": self.ahead(),
            "p50": self.eta().map(|eta| eta.p50),
            "p90": self.eta().map(|eta| eta.p90),
            "until": self.until().map(Timestamp::as_millis),
            "opens_at": self.opens_at.as_millis(),
            "words": self.layout.messages().line,
        }))
    }
}
