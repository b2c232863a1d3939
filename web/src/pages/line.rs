//! `/sales/{sale}/line`: the waiting page. People look at it longer than at all others together.

use askama::Template;
use sale::{Language, SaleState, Timestamp, standing::Eta};
use serde_json::json;

use super::{rendered, script_json, time_limit};
use crate::{
    Layout, assets,
    format::{clock_element, countdown, grouped, seconds_until, waiting_time},
    messages::{LineMessages, messages},
    precompressed::{PrecompressedTemplate, SlotValues, placeholder},
};

/// Where a ticket stands, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineView {
    /// The sale has not opened; the ticket waits.
    Lobby,
    /// In the line.
    Waiting {
        /// People ahead at most.
        ahead: u64,
        /// How long it takes, where that can be said.
        eta: Option<Eta>,
    },
    /// In the line, and the seller has paused.
    Paused {
        /// People ahead at most.
        ahead: u64,
    },
    /// It is this person's turn.
    Called {
        /// Until when to enter.
        until: Timestamp,
    },
    /// Missed the turn once; called again next.
    Late,
    /// Has a pass and has not reserved.
    Admitted,
    /// Has reserved with it.
    Consumed {
        /// The order, if the caller knows it.
        order: Option<String>,
    },
    /// Missed both turns.
    Expired,
    /// Left by own choice.
    Left,
    /// Every unit is sold.
    SoldOut,
    /// The sale is over.
    Closed,
}

/// Views that everybody reloads at an opening, as the same page for all but for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineShape {
    /// The sale has not opened.
    Lobby,
    /// In the line, with people ahead, and nobody can say for how long.
    Waiting,
    /// In the line, with people ahead and an estimate.
    WaitingForKnownTime,
    /// In the line, with people ahead, and the seller has paused.
    Paused,
    /// Every unit is sold.
    SoldOut,
    /// The sale is over.
    Closed,
}

/// Why the estimate grew since it was last said.
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
    /// The epoch of the frame this page was made from, as its JSON value is written.
    pub epoch: String,
    /// The state of the sale.
    pub sale_state: SaleState,
    /// Where the ticket stands.
    pub view: LineView,
    /// Whether the number was called in a life of the line that is lost: it stands at the front again, among others of
    /// whom nobody knows how many come back.
    pub at_front: bool,
    /// Why the estimate grew, if it did.
    pub slower: Option<Slower>,
    /// The store of the line is in trouble: nobody is called.
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

impl LineView {
    /// Snake case; the script uses the same names.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Lobby => "lobby",
            Self::Waiting { .. } => "waiting",
            Self::Paused { .. } => "paused",
            Self::Called { .. } => "called",
            Self::Late => "late",
            Self::Admitted => "admitted",
            Self::Consumed { .. } => "consumed",
            Self::Expired => "expired",
            Self::Left => "left",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
        }
    }

    /// What the page is made for, apart from numbers that are filled in; `None` where it speaks of more, or differs in
    /// more than a number.
    pub const fn shape(&self) -> Option<LineShape> {
        match self {
            Self::Waiting { ahead: 0 | 1, .. } | Self::Paused { ahead: 0 | 1 } => None,
            Self::Lobby => Some(LineShape::Lobby),
            Self::Waiting { eta: Some(_), .. } => Some(LineShape::WaitingForKnownTime),
            Self::Waiting { eta: None, .. } => Some(LineShape::Waiting),
            Self::Paused { .. } => Some(LineShape::Paused),
            Self::SoldOut => Some(LineShape::SoldOut),
            Self::Closed => Some(LineShape::Closed),
            Self::Called { .. } | Self::Late | Self::Admitted | Self::Consumed { .. } | Self::Expired | Self::Left => {
                None
            }
        }
    }

    /// The same view with placeholders.
    fn placeholder(&self) -> Self {
        match self {
            Self::Waiting { eta, .. } => {
                let p50 = placeholder::number();
                let eta = eta.map(|_| Eta { p50, p90: p50.saturating_add(placeholder::number()) });
                Self::Waiting { ahead: placeholder::number(), eta }
            }
            Self::Paused { .. } => Self::Paused { ahead: placeholder::number() },
            other => other.clone(),
        }
    }

    const fn ahead(&self) -> Option<u64> {
        if let Self::Waiting { ahead, .. } | Self::Paused { ahead } = self { Some(*ahead) } else { None }
    }

    const fn eta(&self) -> Option<Eta> {
        if let Self::Waiting { eta, .. } = self { *eta } else { None }
    }

    fn time(&self, messages: &LineMessages) -> String {
        match (self, self.eta()) {
            (Self::Paused { .. }, _) => messages.eta_paused.to_owned(),
            (_, Some(eta)) => waiting_time(messages, eta.p50, eta.p90),
            (_, None) => messages.eta_unknown.to_owned(),
        }
    }

    const fn heading(&self, messages: &LineMessages) -> &'static str {
        match self {
            Self::Lobby => messages.lobby,
            Self::Waiting { .. } => messages.waiting,
            Self::Paused { .. } => messages.paused,
            Self::Called { .. } => messages.called,
            Self::Late => messages.late,
            Self::Admitted => messages.admitted,
            Self::Consumed { .. } => messages.consumed,
            Self::Expired => messages.expired,
            Self::Left => messages.left,
            Self::SoldOut => messages.sold_out,
            Self::Closed => messages.closed,
        }
    }
}

/// The truth about the stock, as one sentence.
fn stock(messages: &LineMessages, view: &LineView, left: u64, held: u64) -> String {
    let ahead = view.ahead().unwrap_or(0);
    match (left, held) {
        (0, 0) => String::new(),
        (0, _) => messages.stock_in_hands.to_owned(),
        (left, held) if ahead >= left.saturating_add(held) => messages.stock_unlikely.of(left),
        (left, _) => messages.stock_about.of(left),
    }
}

/// What the page says to one visitor at one moment. Everything else on it is the same for all whose view has the same
/// [`LineView::shape`], as long as the sale and its line stand as they do.
#[derive(Clone, Copy, Debug)]
pub struct LineVisitor<'v> {
    /// The language of the page.
    pub language: Language,
    /// The CSP nonce of this response.
    pub nonce: &'v str,
    /// The server's clock.
    pub now: Timestamp,
    /// The opening, which the page counts down to.
    pub opens_at: Timestamp,
    /// Id of the ticket.
    pub ticket: &'v str,
    /// Its number.
    pub number: u64,
    /// Where the ticket stands.
    pub view: &'v LineView,
    /// Free units of all items.
    pub left: u64,
    /// Held units of all items.
    pub held: u64,
    /// Key for joining again after leaving.
    pub join_key: &'v str,
}

impl LineVisitor<'_> {
    /// The values for the slots of [`LinePage::precompile`].
    pub fn slot_values(&self) -> SlotValues {
        let messages = &messages(self.language).line;
        let (ahead, eta) = (self.view.ahead(), self.view.eta());
        let mut values = SlotValues::default();
        values.add(self.nonce);
        values.add(self.join_key);
        values.add(self.ticket);
        values.add(self.now.as_millis());
        values.add(clock_element(self.now, self.language));
        values.add(countdown(seconds_until(self.opens_at, self.now), self.language));
        values.add(grouped(self.number));
        values.add(self.number);
        values.add_optional(ahead.map(grouped));
        values.add_optional(ahead);
        values.add_optional(eta.map(|eta| eta.p50));
        values.add_optional(eta.map(|eta| eta.p90));
        values.add_escaped(eta.map(|_| self.view.time(messages)));
        values.add_escaped((self.left > 0).then(|| stock(messages, self.view, self.left, self.held)));
        values
    }
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

    /// The `hidden` attribute for a block that only some views show. The script moves it about the same way.
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

    /// The order that the ticket led to; checkout knows it where the caller does not.
    fn order_link(&self) -> String {
        if let LineView::Consumed { order: Some(order) } = &self.view {
            format!("/orders/{order}")
        } else {
            format!("/sales/{}/checkout", self.sale)
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

    /// The truth about the stock, as one sentence.
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
