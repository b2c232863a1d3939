//! The oracle: what the database would hold, which is enough to begin a new epoch.

use std::collections::BTreeMap;

use sale::{
    BuyerId, HoldId, ItemId, OrderId, Timestamp,
    sale::{Line as OrderLine, Place, quantity},
};
use stores::queue_store::{
    HoldEnd, HoldEnding, Reservation, Snapshot, SnapshotHold, SnapshotPass, StockCount, TicketClaims,
};

use crate::steps::Which;

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) allocated_up_to: u64,
    pub(crate) called_up_to: u64,
    tickets: BTreeMap<u8, Vec<TicketClaims>>,
    passes: BTreeMap<(BuyerId, u64), SnapshotPass>,
    holds: BTreeMap<HoldId, SnapshotHold>,
    bought: BTreeMap<BuyerId, u32>,
}

pub(crate) fn buyer(n: u8) -> BuyerId {
    BuyerId::from_bytes([n; 16])
}

pub(crate) fn hold(order: u8, n: u32) -> HoldId {
    HoldId { order: OrderId::derive(Timestamp::from_millis(1_780_000_000_000), &[&[order]]), n }
}

pub(crate) fn units(item: &str, quantity: u32) -> OrderLine {
    OrderLine { item: item.parse::<ItemId>().unwrap(), quantity }
}

impl Oracle {
    pub(crate) fn ticket(&self, n: u8, which: Which, epoch: i64) -> TicketClaims {
        let tickets = self.tickets.get(&n).map_or(&[][..], |tickets| &tickets[..]);
        let found = match which {
            Which::Latest => tickets.last().copied(),
            Which::Earlier => tickets.iter().rev().nth(1).copied(),
            Which::Odd { number, older } => Some(TicketClaims { number, epoch: epoch - i64::from(older) }),
        };
        found.unwrap_or(TicketClaims { number: 1, epoch })
    }

    pub(crate) fn place(&self, n: u8, which: Which, epoch: i64) -> Place {
        Place { buyer: buyer(n), number: self.ticket(n, which, epoch).number }
    }

    pub(crate) fn tickets(&self) -> impl Iterator<Item = (u8, TicketClaims)> {
        self.tickets.iter().filter_map(|(n, tickets)| Some((*n, *tickets.last()?)))
    }

    pub(crate) fn gave(&mut self, n: u8, carried: TicketClaims) {
        let tickets = self.tickets.entry(n).or_default();
        if tickets.last().is_none_or(|last| last.number != carried.number) {
            tickets.push(carried);
        }
    }

    pub(crate) fn entered(&mut self, place: Place, expires_at: Timestamp) {
        let pass = SnapshotPass { place, expires_at, hold: None, ended: false };
        self.passes.entry((place.buyer, place.number)).or_insert(pass);
    }

    pub(crate) fn left(&mut self, place: Place) {
        if let Some(pass) = self.passes.get_mut(&(place.buyer, place.number)) {
            pass.ended = true;
        }
    }

    pub(crate) fn reserved(&mut self, request: &Reservation) {
        if self.holds.contains_key(&request.hold) {
            return;
        }
        let Place { buyer, number } = request.place;
        if let Some(pass) = self.passes.get_mut(&(buyer, number)).filter(|_| request.hold.n == 1) {
            pass.hold = Some(request.hold);
        }
        *self.bought.entry(buyer).or_default() += quantity(&request.lines);
        let active = request.hold.n == 1;
        self.holds
            .insert(request.hold, SnapshotHold { hold: request.hold, buyer, lines: request.lines.clone(), active });
    }

    pub(crate) fn ended(&mut self, end: &HoldEnd) {
        if end.ending == HoldEnding::Inactive {
            if let Some(held) = self.holds.get_mut(&end.hold) {
                held.active = false;
            }
            return;
        }
        let Some(held) = self.holds.remove(&end.hold) else { return };
        if end.ending != HoldEnding::Committed {
            *self.bought.entry(held.buyer).or_default() -= quantity(&held.lines);
        }
        if end.ending == HoldEnding::NeverPlaced {
            let mut passes = self.passes.values_mut();
            if let Some(pass) = passes.find(|pass| pass.hold == Some(end.hold)) {
                pass.hold = None;
            }
        }
    }

    /// As the database makes it: of a buyer with several passes the latest one counts.
    pub(crate) fn snapshot(&self, stock: Vec<StockCount>) -> Snapshot {
        let latest: BTreeMap<_, _> = self.passes.iter().map(|((buyer, _), pass)| (*buyer, pass.clone())).collect();
        Snapshot {
            allocated_up_to: self.allocated_up_to,
            called_up_to: self.called_up_to,
            version: 2,
            stock,
            holds: self.holds.values().cloned().collect(),
            buyers: self.bought.iter().map(|(buyer, units)| (*buyer, *units)).collect(),
            passes: latest.into_values().collect(),
        }
    }
}
