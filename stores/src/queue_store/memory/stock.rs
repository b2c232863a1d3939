//! The stock gate of one life: units, holds, buyers' limits, and what the leader observes of all of it.

use std::{collections::BTreeMap, ops::Bound};

use sale::{
    BuyerId, HoldId, ItemId, Timestamp,
    frame::BUCKET,
    sale::{Line as OrderLine, quantity},
};

use crate::{
    StoreError,
    queue_store::{
        End, Ending, GateHold, HOLDS_AT_ONCE, HoldsFrom, Observation, SomeHolds, StockCount, Take, Taken,
        life::{Entry, Held, Life, Shelf, Stage, bucket_of},
    },
};

impl Life {
    pub(super) fn take(&mut self, asks: &[Take], now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        self.check_items(asks)?;
        Ok(asks.iter().map(|ask| self.take_one(ask, now)).collect())
    }

    fn take_one(&mut self, ask: &Take, now: Timestamp) -> Taken {
        if self.holds.contains_key(&ask.hold) {
            return Taken::Taken;
        }
        let place = ask.place;
        let entry = self.desk.get(&place.buyer).filter(|entry| entry.number == place.number);
        let expires_at = match entry.map(|entry| entry.stage) {
            Some(Stage::Admitted { expires_at }) => expires_at,
            Some(Stage::Consumed { hold, .. }) if hold == ask.hold => return Taken::Ended,
            Some(Stage::Consumed { hold, .. }) => return Taken::PassUsed { hold: Some(hold) },
            _ => return Taken::PassUsed { hold: None },
        };
        if !self.active_passes.contains(&(expires_at, place.number)) {
            return Taken::PassEnded;
        }
        let taken = self.take_units(ask, now);
        if taken == Taken::Taken {
            let stage = Stage::Consumed { expires_at, hold: ask.hold };
            self.desk.insert(place.buyer, Entry { number: place.number, stage });
            self.active_passes.remove(&(expires_at, place.number));
            self.active_holds.insert(ask.hold);
        }
        taken
    }

    pub(super) fn retake(&mut self, ask: &Take, now: Timestamp) -> Result<Taken, StoreError> {
        self.check_items(std::slice::from_ref(ask))?;
        if self.holds.contains_key(&ask.hold) {
            return Ok(Taken::Taken);
        }
        Ok(self.take_units(ask, now))
    }

    fn check_items(&self, asks: &[Take]) -> Result<(), StoreError> {
        let mut lines = asks.iter().flat_map(|ask| &ask.lines);
        match lines.find(|line| self.shelf(&line.item).is_none()) {
            Some(line) => Err(super::unknown_item(&line.item)),
            None => Ok(()),
        }
    }

    /// Takes the units of all lines and keeps the hold, or changes nothing.
    fn take_units(&mut self, ask: &Take, now: Timestamp) -> Taken {
        let mut wanted: BTreeMap<&ItemId, i64> = BTreeMap::new();
        for line in &ask.lines {
            *wanted.entry(&line.item).or_default() += i64::from(line.quantity);
        }
        if wanted.iter().any(|(item, units)| self.shelf(item).is_none_or(|shelf| shelf.free < *units)) {
            return Taken::SoldOut;
        }
        let has = self.buyers.get(&ask.place.buyer).copied().unwrap_or(0);
        let will_have = has.saturating_add(quantity(&ask.lines));
        if will_have > ask.limit {
            return Taken::LimitReached;
        }
        for (item, units) in wanted {
            self.move_units(item, |shelf| {
                shelf.free -= units;
                shelf.held += units;
            });
        }
        self.buyers.insert(ask.place.buyer, will_have);
        self.holds.insert(ask.hold, Held { buyer: ask.place.buyer, taken_at: now, lines: ask.lines.clone() });
        Taken::Taken
    }

    fn shelf(&self, item: &ItemId) -> Option<&Shelf> {
        self.stock.iter().find(|shelf| shelf.item == *item)
    }

    fn move_units(&mut self, item: &ItemId, change: impl FnOnce(&mut Shelf)) {
        if let Some(shelf) = self.stock.iter_mut().find(|shelf| shelf.item == *item) {
            change(shelf);
        }
    }

    pub(super) fn end(&mut self, ends: &[End]) {
        for end in ends {
            self.end_one(end);
        }
    }

    fn end_one(&mut self, end: &End) {
        self.active_holds.remove(&end.hold);
        if end.ending == Ending::Inactive {
            return;
        }
        let Some(held) = self.holds.remove(&end.hold) else { return };
        for line in &held.lines {
            self.end_line(line, end.ending);
        }
        if end.ending == Ending::Committed {
            return;
        }
        self.give_back_allowance(held.buyer, quantity(&held.lines));
        if end.ending == Ending::NeverPlaced {
            self.renew_pass(held.buyer, end);
        }
    }

    fn end_line(&mut self, line: &OrderLine, ending: Ending) {
        let units = i64::from(line.quantity);
        self.move_units(&line.item, |shelf| {
            shelf.held -= units;
            if ending == Ending::Committed { shelf.sold += units } else { shelf.free += units }
        });
    }

    fn give_back_allowance(&mut self, buyer: BuyerId, units: u32) {
        if let Some(has) = self.buyers.get_mut(&buyer) {
            *has = has.saturating_sub(units);
        }
    }

    /// The pass that a hold used is good again, for as long as it was.
    fn renew_pass(&mut self, buyer: BuyerId, end: &End) {
        if let Some(entry) = self.desk.get_mut(&buyer)
            && let Stage::Consumed { expires_at, hold } = entry.stage
            && hold == end.hold
        {
            entry.stage = Stage::Admitted { expires_at };
            self.active_passes.insert((expires_at, entry.number));
        }
    }

    pub(super) fn restock(&mut self, item: &ItemId, total: u32, version: i64) {
        let total = i64::from(total);
        match self.stock.iter_mut().find(|shelf| shelf.item == *item) {
            Some(shelf) if version < shelf.version => {}
            Some(shelf) => {
                shelf.free = total - shelf.held - shelf.sold;
                shelf.version = version;
            }
            None => self.stock.push(Shelf { item: item.clone(), free: total, held: 0, sold: 0, version }),
        }
    }

    /// In the order of their ids; `from` is the last one that was read.
    pub(super) fn some_holds(&self, from: &HoldsFrom) -> SomeHolds {
        let after = HoldId::parse(&from.0).map_or(Bound::Unbounded, Bound::Excluded);
        let holds: Vec<_> = self
            .holds
            .range((after, Bound::Unbounded))
            .take(HOLDS_AT_ONCE)
            .map(|(hold, held)| GateHold { hold: *hold, taken_at: held.taken_at, lines: held.lines.clone() })
            .collect();
        let last = holds.last().filter(|_| holds.len() == HOLDS_AT_ONCE);
        SomeHolds { next: last.map(|held| HoldsFrom(held.hold.to_string())), holds }
    }

    pub(super) fn observe(&self, nth: u64) -> Observation {
        let without_hold = self.active_passes.len() as u64;
        Observation {
            last_number: self.counter,
            serving: self.serving,
            waiting: self.seats.len() as u64,
            called: self.called.len() as u64,
            active: without_hold + self.active_holds.len() as u64,
            without_hold,
            called_total: self.called_total,
            admitted_total: self.admitted_total,
            nth_number: self.nth_number(nth),
            stock: self.counts(),
            histogram: self.histogram(),
        }
    }

    fn nth_number(&self, nth: u64) -> u64 {
        let Some(before) = nth.checked_sub(1) else { return 0 };
        let seat = if nth >= self.seats.len() as u64 {
            self.seats.last()
        } else {
            self.seats.iter().nth(usize::try_from(before).unwrap_or(usize::MAX))
        };
        seat.map_or(0, |(number, _)| *number)
    }

    fn counts(&self) -> Vec<StockCount> {
        self.stock
            .iter()
            .map(|Shelf { item, free, held, sold, .. }| StockCount {
                item: item.clone(),
                free: *free,
                held: *held,
                sold: *sold,
            })
            .collect()
    }

    fn histogram(&self) -> Vec<u64> {
        if self.counter == 0 {
            return Vec::new();
        }
        (0..=bucket_of(self.counter))
            .map(|bucket| {
                let uncalled = ((bucket + 1) * BUCKET).saturating_sub(self.serving);
                self.buckets.get(&bucket).copied().unwrap_or(0).min(uncalled)
            })
            .collect()
    }
}
