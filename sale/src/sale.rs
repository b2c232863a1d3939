//! The sale: one opening, one line, one stock list.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{BuyerId, Epoch, ItemId, SaleId},
    language::Text,
    money::{Currency, Money},
    order::states,
};

/// How the line is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// First come, first served from the opening.
    OpenRun,
    Draw,
    Raffle,
}

states! {
    /// What the outside sees of a sale.
    SaleState {
        Scheduled = "scheduled",
        /// Before the opening, and people gather already.
        Lobby = "lobby",
        Open = "open",
        /// The seller stopped the calls.
        Paused = "paused",
        /// Closed to newcomers while those inside finish.
        Draining = "draining",
        SoldOut = "sold_out",
        Closed = "closed",
    }
}

impl SaleState {
    /// Whether the opening still lies ahead.
    pub const fn is_before_opening(self) -> bool {
        matches!(self, Self::Scheduled | Self::Lobby)
    }

    /// Whether people can join the line now.
    pub const fn is_joinable(self) -> bool {
        matches!(self, Self::Open | Self::Paused)
    }
}

/// How the admission rate is steered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Manual,
    Auto,
}

/// The seller's settings of the admission loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Admission {
    #[serde(default)]
    pub mode: Mode,
    /// Calls per minute; 0 calls nobody.
    pub per_minute: u32,
    /// Buyers called or inside at the same time.
    pub max_active: u32,
    /// Share of calls beyond the units that are free, 0 to 10: 0.1 calls eleven people for ten units.
    #[serde(default)]
    pub overcall: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub id: ItemId,
    pub name: Text,
    pub price: Money,
    /// Units that exist.
    pub units: u32,
}

/// A sale as its row and its items' rows say it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    pub id: SaleId,
    pub kind: Kind,
    pub name: Text,
    pub opens_at: Timestamp,
    pub closes_at: Option<Timestamp>,
    pub items: Vec<Item>,
    pub per_buyer_limit: u32,
    pub hold_seconds: u32,
    pub enter_seconds: u32,
    pub pass_seconds: u32,
    pub admission: Admission,
    pub message: Option<Text>,
    pub paused: bool,
    /// The seller closed it; those inside finish.
    pub closing: bool,
    /// Nobody is inside any more.
    pub closed: bool,
    /// The life of the queue store that counts; 0 before the store was filled for the first time.
    pub epoch: Epoch,
    /// Raised by every change, for If-Match.
    pub version: i64,
    pub created_at: Timestamp,
}

impl Sale {
    /// The state at `now`, given the units sold for good.
    pub fn state(&self, now: Timestamp, sold: u64) -> SaleState {
        let ended = self.closes_at.is_some_and(|at| at <= now);
        if self.closed {
            SaleState::Closed
        } else if self.closing || ended {
            SaleState::Draining
        } else if sold >= self.units() {
            SaleState::SoldOut
        } else if now < self.opens_at {
            SaleState::Scheduled
        } else if self.paused {
            SaleState::Paused
        } else {
            SaleState::Open
        }
    }

    /// Units of all items.
    pub fn units(&self) -> u64 {
        self.items.iter().map(|item| u64::from(item.units)).fold(0, u64::saturating_add)
    }

    pub fn item(&self, id: &ItemId) -> Option<&Item> {
        self.items.iter().find(|item| item.id == *id)
    }

    pub fn currency(&self) -> Option<Currency> {
        self.items.first().map(|item| item.price.currency)
    }
}

/// Units of one item in an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub item: ItemId,
    pub quantity: u32,
}

/// Units of all lines.
pub fn quantity(lines: &[Line]) -> u32 {
    lines.iter().map(|line| line.quantity).fold(0, u32::saturating_add)
}

/// A place in the queue store: whose, and which number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub buyer: BuyerId,
    pub number: u64,
}
