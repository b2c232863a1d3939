//! The stock gate of one epoch (units, holds, buyers' limits), and the observation of the admission leader.

use std::{collections::BTreeMap, ops::Bound};

use sale::{
    BuyerId, HoldId, ItemId, Timestamp,
    frame::BUCKET,
    sale::{Line as OrderLine, quantity},
};

use crate::{
    StoreError,
    queue_store::{
        GateHold, HOLDS_PER_PAGE, HoldEnd, HoldEnding, HoldsCursor, HoldsPage, Observation, Reservation,
        ReservationOutcome, StockCount,
        epoch_state::{EpochState, Participant, Stage, StockRow, StoredHold, bucket_of},
    },
};

impl EpochState {
    pub(super) fn reserve(
        &mut self,
        requests: &[Reservation],
        now: Timestamp,
    ) -> Result<Vec<ReservationOutcome>, StoreError> {
        self.check_items(requests)?;
        Ok(requests.iter().map(|request| self.reserve_one(request, now)).collect())
    }

    fn reserve_one(&mut self, request: &Reservation, now: Timestamp) -> ReservationOutcome {
        if self.holds.contains_key(&request.hold) {
            return ReservationOutcome::Reserved;
        }
        let place = request.place;
        let participant = self.participants.get(&place.buyer).filter(|participant| participant.number == place.number);
        let expires_at = match participant.map(|participant| participant.stage) {
            Some(Stage::Admitted { expires_at }) => expires_at,
            Some(Stage::Consumed { hold, .. }) if hold == request.hold => return ReservationOutcome::HoldEnded,
            Some(Stage::Consumed { hold, .. }) => return ReservationOutcome::PassUsed { hold: Some(hold) },
            _ => return ReservationOutcome::PassUsed { hold: None },
        };
        if !self.active_passes.contains(&(expires_at, place.number)) {
            return ReservationOutcome::PassExpired;
        }
        let taken = self.reserve_units(request, now);
        if taken == ReservationOutcome::Reserved {
            let stage = Stage::Consumed { expires_at, hold: request.hold };
            self.participants.insert(place.buyer, Participant { number: place.number, stage });
            self.active_passes.remove(&(expires_at, place.number));
            self.active_holds.insert(request.hold);
        }
        taken
    }

    pub(super) fn reacquire(
        &mut self,
        request: &Reservation,
        now: Timestamp,
    ) -> Result<ReservationOutcome, StoreError> {
        self.check_items(std::slice::from_ref(request))?;
        if self.holds.contains_key(&request.hold) {
            return Ok(ReservationOutcome::Reserved);
        }
        Ok(self.reserve_units(request, now))
    }

    fn check_items(&self, requests: &[Reservation]) -> Result<(), StoreError> {
        let mut lines = requests.iter().flat_map(|request| &request.lines);
        match lines.find(|line| self.row(&line.item).is_none()) {
            Some(line) => Err(super::unknown_item(&line.item)),
            None => Ok(()),
        }
    }

    /// Reserves the units of all lines and stores the hold, or changes nothing.
    fn reserve_units(&mut self, request: &Reservation, now: Timestamp) -> ReservationOutcome {
        let mut wanted: BTreeMap<&ItemId, i64> = BTreeMap::new();
        for line in &request.lines {
            *wanted.entry(&line.item).or_default() += i64::from(line.quantity);
        }
        if wanted.iter().any(|(item, units)| self.row(item).is_none_or(|row| row.free < *units)) {
            return ReservationOutcome::SoldOut;
        }
        let has = self.buyers.get(&request.place.buyer).copied().unwrap_or(0);
        let will_have = has.saturating_add(quantity(&request.lines));
        if will_have > request.limit {
            return ReservationOutcome::LimitReached;
        }
        for (item, units) in wanted {
            self.update_row(item, |row| {
                row.free -= units;
                row.held += units;
            });
        }
        self.buyers.insert(request.place.buyer, will_have);
        self.holds.insert(
            request.hold,
            StoredHold { buyer: request.place.buyer, taken_at: now, lines: request.lines.clone() },
        );
        ReservationOutcome::Reserved
    }

    fn row(&self, item: &ItemId) -> Option<&StockRow> {
        self.stock.iter().find(|row| row.item == *item)
    }

    fn update_row(&mut self, item: &ItemId, change: impl FnOnce(&mut StockRow)) {
        if let Some(row) = self.stock.iter_mut().find(|row| row.item == *item) {
            change(row);
        }
    }

    pub(super) fn end_holds(&mut self, ends: &[HoldEnd]) {
        for end in ends {
            self.end_one(end);
        }
    }

    fn end_one(&mut self, end: &HoldEnd) {
        self.active_holds.remove(&end.hold);
        if end.ending == HoldEnding::Inactive {
            return;
        }
        let Some(held) = self.holds.remove(&end.hold) else { return };
        for line in &held.lines {
            self.end_line(line, end.ending);
        }
        if end.ending == HoldEnding::Committed {
            return;
        }
        self.give_back_allowance(held.buyer, quantity(&held.lines));
        if end.ending == HoldEnding::NeverPlaced {
            self.renew_pass(held.buyer, end);
        }
    }

    fn end_line(&mut self, line: &OrderLine, ending: HoldEnding) {
        let units = i64::from(line.quantity);
        self.update_row(&line.item, |row| {
            row.held -= units;
            if ending == HoldEnding::Committed { row.sold += units } else { row.free += units }
        });
    }

    fn give_back_allowance(&mut self, buyer: BuyerId, units: u32) {
        if let Some(has) = self.buyers.get_mut(&buyer) {
            *has = has.saturating_sub(units);
        }
    }

    /// Makes the pass that a hold used valid again, until its original end.
    fn renew_pass(&mut self, buyer: BuyerId, end: &HoldEnd) {
        if let Some(participant) = self.participants.get_mut(&buyer)
            && let Stage::Consumed { expires_at, hold } = participant.stage
            && hold == end.hold
        {
            participant.stage = Stage::Admitted { expires_at };
            self.active_passes.insert((expires_at, participant.number));
        }
    }

    pub(super) fn restock(&mut self, item: &ItemId, total: u32, version: i64) {
        let total = i64::from(total);
        match self.stock.iter_mut().find(|row| row.item == *item) {
            Some(row) if version < row.version => {}
            Some(row) => {
                row.free = total - row.held - row.sold;
                row.version = version;
            }
            None => self.stock.push(StockRow { item: item.clone(), free: total, held: 0, sold: 0, version }),
        }
    }

    /// Holds in the order of their ids; `from` is the id of the last one that was read.
    pub(super) fn holds_page(&self, from: &HoldsCursor) -> HoldsPage {
        let after = HoldId::parse(&from.0).map_or(Bound::Unbounded, Bound::Excluded);
        let holds: Vec<_> = self
            .holds
            .range((after, Bound::Unbounded))
            .take(HOLDS_PER_PAGE)
            .map(|(hold, held)| GateHold { hold: *hold, taken_at: held.taken_at, lines: held.lines.clone() })
            .collect();
        let last = holds.last().filter(|_| holds.len() == HOLDS_PER_PAGE);
        HoldsPage { next: last.map(|held| HoldsCursor(held.hold.to_string())), holds }
    }

    pub(super) fn observe(&self, nth: u64) -> Observation {
        let without_hold = self.active_passes.len() as u64;
        Observation {
            last_number: self.counter,
            serving: self.serving,
            waiting: self.queue.len() as u64,
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
        let found = if nth >= self.queue.len() as u64 {
            self.queue.last()
        } else {
            self.queue.iter().nth(usize::try_from(before).unwrap_or(usize::MAX))
        };
        found.map_or(0, |(number, _)| *number)
    }

    fn counts(&self) -> Vec<StockCount> {
        self.stock
            .iter()
            .map(|StockRow { item, free, held, sold, .. }| StockCount {
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
