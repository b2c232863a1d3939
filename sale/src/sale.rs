//! The sale: one opening, one queue, one stock list.

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    clock::Timestamp,
    ids::{BuyerId, Epoch, ItemId, SaleId},
    language::Text,
    money::{Currency, Money},
    order::states,
};

/// How the queue is ordered, with the terms of that kind. [`Kind::rank`] computes the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First come, first served from the opening.
    OpenRun,
    /// Everybody who is in the lobby at the opening gets a random rank; those who join later rank behind.
    Draw { lobby_opens_at: Timestamp },
    /// Entries are collected in a window; then as many as there are units are drawn, each with a window for the
    /// purchase.
    Raffle { entries_open_at: Timestamp, entries_close_at: Timestamp, purchase_window_seconds: u32 },
    /// Ordered without a queue.
    Regular,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenRun => "open_run",
            Self::Draw { .. } => "draw",
            Self::Raffle { .. } => "raffle",
            Self::Regular => "regular",
        }
    }
}

/// The name alone: the API has the terms in fields of their own.
impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The step of its schedule that a sale is in, whether or not it is paused or sold out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody can join yet.
    Scheduled,
    /// People can enter the lobby or the raffle; nobody has a rank yet.
    Lobby,
    /// Entries are closed, and the ranks are drawn.
    Drawing,
    /// The sale is open: tickets are called in the order of their ranks.
    Calling,
    /// Nobody is called any more; buyers in the checkout finish.
    Ended,
    /// Nobody is in the checkout any more.
    Closed,
}

states! {
    /// The state of a sale in the API.
    SaleState {
        Scheduled = "scheduled",
        /// Before the opening, while the lobby or the raffle is open.
        Lobby = "lobby",
        Open = "open",
        /// The seller paused the calls.
        Paused = "paused",
        /// Nobody can join or is called any more; buyers in the checkout finish.
        Draining = "draining",
        SoldOut = "sold_out",
        Closed = "closed",
    }
}

impl SaleState {
    /// Whether the sale is not open yet.
    pub const fn is_before_opening(self) -> bool {
        matches!(self, Self::Scheduled | Self::Lobby)
    }

    /// Whether people can join the queue now.
    pub const fn is_joinable(self) -> bool {
        matches!(self, Self::Open | Self::Paused)
    }
}

/// Who controls the admission rate: the seller, or the program (refused so far).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Manual,
    Auto,
}

/// The seller's settings of the admission loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Admission {
    #[serde(default)]
    pub mode: Mode,
    /// Calls per minute; 0 calls nobody.
    pub per_minute: u32,
    /// The most buyers who are called or in the checkout at the same time.
    pub max_active: u32,
    /// Share of calls beyond the free units, 0 to 10: 0.1 calls eleven people for ten units.
    #[serde(default)]
    pub overcall: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Item {
    pub id: ItemId,
    pub name: Text,
    pub price: Money,
    /// Units in all: free, on hold and sold.
    pub units: u32,
}

/// A sale with its items, as in the database.
#[derive(Clone, Debug, PartialEq)]
pub struct Sale {
    pub id: SaleId,
    pub kind: Kind,
    pub name: Text,
    pub opens_at: Timestamp,
    pub closes_at: Option<Timestamp>,
    pub items: Vec<Item>,
    /// Units that one buyer may hold and have bought, together.
    pub per_buyer_limit: u32,
    /// How long units are on hold for an unpaid order.
    pub hold_seconds: u32,
    /// How long a called buyer may take to enter.
    pub enter_seconds: u32,
    /// How long a pass is valid.
    pub pass_seconds: u32,
    pub admission: Admission,
    pub message: Option<Text>,
    pub paused: bool,
    /// The seller ended it; buyers in the checkout finish.
    pub closing: bool,
    /// When the last buyer had left the checkout after the end; `None` before.
    pub closed_at: Option<Timestamp>,
    /// Listed nowhere, but open to everybody who has its address.
    pub hidden: bool,
    /// The hash of the e-mail address of the seller who created it; empty for the operator and the command line.
    pub owner: String,
    /// The current epoch of the queue store; 0 before the store was filled for the first time.
    pub epoch: Epoch,
    /// Rises with every change, for If-Match.
    pub version: i64,
    pub created_at: Timestamp,
}

impl Sale {
    /// The phase at `now`, by the schedule and the seller's end.
    pub fn phase(&self, now: Timestamp) -> Phase {
        if self.closed_at.is_some() {
            Phase::Closed
        } else if self.closing || self.closes_at.is_some_and(|at| at <= now) {
            Phase::Ended
        } else if self.opens_at <= now {
            Phase::Calling
        } else {
            self.phase_before_opening(now)
        }
    }

    fn phase_before_opening(&self, now: Timestamp) -> Phase {
        match self.kind {
            Kind::Draw { lobby_opens_at } if lobby_opens_at <= now => Phase::Lobby,
            Kind::Raffle { entries_close_at, .. } if entries_close_at <= now => Phase::Drawing,
            Kind::Raffle { entries_open_at, .. } if entries_open_at <= now => Phase::Lobby,
            _ => Phase::Scheduled,
        }
    }

    /// The state at `now`, given the units that are sold (not only on hold).
    pub fn state(&self, now: Timestamp, sold: u64) -> SaleState {
        match self.phase(now) {
            Phase::Closed => SaleState::Closed,
            Phase::Ended => SaleState::Draining,
            _ if sold >= self.units() => SaleState::SoldOut,
            Phase::Scheduled => SaleState::Scheduled,
            Phase::Lobby | Phase::Drawing => SaleState::Lobby,
            Phase::Calling if self.paused => SaleState::Paused,
            Phase::Calling => SaleState::Open,
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

/// A place in the queue: its buyer and the number of its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub buyer: BuyerId,
    pub number: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SaleBuilder;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn opens_at_100(kind: Kind) -> Sale {
        SaleBuilder::new("shoes".parse().unwrap(), at(0))
            .with(|sale| {
                sale.kind = kind;
                sale.opens_at = at(100);
                sale.closes_at = Some(at(200));
            })
            .build()
    }

    #[test]
    fn a_sale_goes_through_the_phases_of_its_kind() {
        let raffle = Kind::Raffle { entries_open_at: at(10), entries_close_at: at(50), purchase_window_seconds: 60 };
        for (kind, phases) in [
            (Kind::OpenRun, [Phase::Scheduled, Phase::Scheduled, Phase::Scheduled]),
            (Kind::Regular, [Phase::Scheduled, Phase::Scheduled, Phase::Scheduled]),
            (Kind::Draw { lobby_opens_at: at(10) }, [Phase::Scheduled, Phase::Lobby, Phase::Lobby]),
            (raffle, [Phase::Scheduled, Phase::Lobby, Phase::Drawing]),
        ] {
            let sale = opens_at_100(kind);
            assert_eq!([9, 10, 50].map(|second| sale.phase(at(second))), phases, "{kind:?}");
            assert_eq!(
                [100, 199, 200].map(|second| sale.phase(at(second))),
                [Phase::Calling, Phase::Calling, Phase::Ended]
            );
        }
    }

    #[test]
    fn an_ended_sale_is_not_sold_out_and_a_sold_out_one_is_not_paused() {
        let mut sale = opens_at_100(Kind::OpenRun);
        assert_eq!(sale.state(at(100), 0), SaleState::Open);
        sale.paused = true;
        assert_eq!(sale.state(at(99), 0), SaleState::Scheduled);
        assert_eq!(sale.state(at(100), 0), SaleState::Paused);
        assert_eq!(sale.state(at(100), sale.units()), SaleState::SoldOut);
        sale.closing = true;
        assert_eq!(sale.state(at(100), sale.units()), SaleState::Draining);
        sale.closed_at = Some(at(101));
        assert_eq!(sale.state(at(100), 0), SaleState::Closed);
    }
}
