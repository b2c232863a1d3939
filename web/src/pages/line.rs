//! `/sales/{sale}/line`: the waiting page. People look at it longer than at all others together.

use askama::Template;
use serde_json::json;

use super::{limit_words, rendered, script_json};
use crate::{
    Moment, Shell, assets,
    words::{LineWords, waiting_time},
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
        until: Moment,
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

/// A waiting time as a range, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eta {
    /// The median.
    pub p50: u64,
    /// Nine in ten do not wait longer.
    pub p90: u64,
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
    pub shell: Shell,
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
    pub sale_state: super::SaleState,
    /// Where the ticket stands.
    pub view: LineView,
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
    pub opens_at: Moment,
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

    const fn heading(&self, words: &LineWords) -> &'static str {
        match self {
            Self::Lobby => words.lobby,
            Self::Waiting { .. } => words.waiting,
            Self::Paused { .. } => words.paused,
            Self::Called { .. } => words.called,
            Self::Late => words.late,
            Self::Admitted => words.admitted,
            Self::Consumed { .. } => words.consumed,
            Self::Expired => words.expired,
            Self::Left => words.left,
            Self::SoldOut => words.sold_out,
            Self::Closed => words.closed,
        }
    }
}

impl LinePage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    fn heading(&self) -> &'static str {
        self.view.heading(&self.shell.words().line)
    }

    /// The `hidden` attribute for a block that only some views show. The script moves it about the same way.
    fn only(&self, views: &str) -> &'static str {
        if views.split(' ').any(|view| view == self.view.code()) { "" } else { "hidden" }
    }

    const fn ahead(&self) -> Option<u64> {
        if let LineView::Waiting { ahead, .. } | LineView::Paused { ahead } = self.view { Some(ahead) } else { None }
    }

    const fn eta(&self) -> Option<Eta> {
        if let LineView::Waiting { eta, .. } = self.view { eta } else { None }
    }

    const fn until(&self) -> Option<Moment> {
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
        let words = &self.shell.words().line;
        match (&self.view, self.eta()) {
            (LineView::Paused { .. }, _) => words.eta_paused.to_owned(),
            (_, Some(eta)) => waiting_time(words, eta.p50, eta.p90),
            (_, None) => words.eta_unknown.to_owned(),
        }
    }

    fn why_slower(&self) -> &'static str {
        let words = &self.shell.words().line;
        match self.slower {
            Some(Slower::Rate) => words.slower_rate,
            Some(Slower::Paused) => words.slower_paused,
            Some(Slower::Payments) => words.slower_payments,
            None => "",
        }
    }

    /// The truth about the stock, as one sentence.
    fn stock(&self) -> String {
        let words = &self.shell.words().line;
        let ahead = self.ahead().unwrap_or(0);
        match (self.left, self.held) {
            (0, 0) => String::new(),
            (0, _) => words.stock_in_hands.to_owned(),
            (left, held) if ahead >= left.saturating_add(held) => words.stock_unlikely.of(left),
            (left, _) => words.stock_about.of(left),
        }
    }

    fn chance(&self) -> String {
        let words = self.shell.words();
        words.line_page.safe_chance.with(limit_words(words, self.enter_seconds))
    }

    fn data(&self) -> String {
        script_json(&json!({
            "sale": self.sale,
            "sale_name": self.sale_name,
            "ticket": self.ticket,
            "number": self.number,
            "epoch": self.epoch,
            "sale_state": self.sale_state.code(),
            "view": self.view.code(),
            "ahead": self.ahead(),
            "p50": self.eta().map(|eta| eta.p50),
            "p90": self.eta().map(|eta| eta.p90),
            "until": self.until().map(|until| until.0),
            "opens_at": self.opens_at.0,
            "words": self.shell.words().line,
        }))
    }
}
