//! The line of one life: seats, the desk, calls. The rules are the same as those of the Lua scripts, word for word.

use bytes::Bytes;
use sale::{BuyerId, Term, Timestamp, sale::Place};

use crate::queue_store::life::{Entry, LastBatch, Life, Stage, bucket_of};
use crate::queue_store::{
    Batch, Called, Carried, Enter, Entered, Join, Joined, MOMENT_MS, Published, SWEEP_MOST, Seat,
};

impl Life {
    pub(super) fn join(&mut self, asks: &[Join], ceiling: u64, now: Timestamp) -> Vec<Joined> {
        asks.iter().map(|ask| self.join_one(ask, ceiling, now)).collect()
    }

    fn join_one(&mut self, ask: &Join, ceiling: u64, now: Timestamp) -> Joined {
        let buyer = ask.buyer;
        self.end_window(buyer, now);
        let entry = self.desk.get(&buyer).copied();
        if let Some(number) = self.live_number(buyer, now) {
            return self.seated(buyer, number);
        }
        if let Some(carried) = ask.ticket
            && self.is_older(carried)
            && entry.is_none_or(|entry| carried.number > entry.number)
        {
            self.seat_again(buyer, carried.number);
            return self.seated(buyer, carried.number);
        }
        if self.counter >= ceiling {
            return Joined::CeilingReached;
        }
        self.counter += 1;
        let number = self.counter;
        self.desk.remove(&buyer);
        self.sit(buyer, number);
        *self.buckets.entry(bucket_of(number)).or_default() += 1;
        let joined_at = match self.moments.last_key_value() {
            Some((_, last)) if now < last.plus_millis(MOMENT_MS) => *last,
            _ => {
                self.moments.insert(number, now);
                now
            }
        };
        Joined::New { number, joined_at }
    }

    fn seated(&mut self, buyer: BuyerId, number: u64) -> Joined {
        let joined_at = self.moments.range(..=number).next_back().map(|(_, moment)| *moment);
        Joined::Seated { number, joined_at, seat: self.visit(buyer, number) }
    }

    /// The number of the buyer's place unless that is over.
    fn live_number(&self, buyer: BuyerId, now: Timestamp) -> Option<u64> {
        match self.desk.get(&buyer) {
            Some(entry) if entry.is_over(now) => None,
            Some(entry) => Some(entry.number),
            None => self.numbers.get(&buyer).copied(),
        }
    }

    pub(super) fn standing(&mut self, asks: &[(BuyerId, Carried)], now: Timestamp) -> Vec<Seat> {
        asks.iter().map(|(buyer, carried)| self.stand(*buyer, *carried, now)).collect()
    }

    fn stand(&mut self, buyer: BuyerId, carried: Carried, now: Timestamp) -> Seat {
        self.end_window(buyer, now);
        let number = carried.number;
        let older = self.is_older(carried);
        match self.desk.get(&buyer).copied() {
            Some(entry) if entry.number == number => {}
            Some(entry) if older && entry.is_over(now) && number > entry.number => self.seat_again(buyer, number),
            Some(_) => return Seat::Left,
            None => match self.numbers.get(&buyer) {
                Some(seated) if *seated == number => {}
                None if older => self.seat_again(buyer, number),
                _ => return Seat::Left,
            },
        }
        self.visit(buyer, number)
    }

    /// What the buyer's own place says; who was late comes back with this.
    fn visit(&mut self, buyer: BuyerId, number: u64) -> Seat {
        match self.desk.get(&buyer).map(|entry| entry.stage) {
            None | Some(Stage::Stray) => Seat::Waiting,
            Some(Stage::Called { until, .. }) => Seat::Called { until },
            Some(Stage::Late) => {
                self.desk.insert(buyer, Entry { number, stage: Stage::Returned });
                self.sit(buyer, number);
                Seat::Late
            }
            Some(Stage::Returned) => Seat::Late,
            Some(Stage::Admitted { .. }) => Seat::Admitted,
            Some(Stage::Consumed { hold, .. }) => Seat::Consumed { hold },
            Some(Stage::Left) => Seat::Left,
            Some(Stage::Expired) => Seat::Expired,
        }
    }

    /// Whether an older life gave this number, so that it may be put back.
    fn is_older(&self, carried: Carried) -> bool {
        carried.epoch < self.epoch && (1..=self.born).contains(&carried.number)
    }

    fn seat_again(&mut self, buyer: BuyerId, number: u64) {
        if self.settled && number > self.serving {
            self.desk.insert(buyer, Entry { number, stage: Stage::Stray });
        } else {
            self.desk.remove(&buyer);
        }
        self.sit(buyer, number);
    }

    fn sit(&mut self, buyer: BuyerId, number: u64) {
        self.seats.insert((number, buyer));
        self.numbers.insert(buyer, number);
    }

    fn rise(&mut self, buyer: BuyerId, number: u64) {
        self.seats.remove(&(number, buyer));
        self.numbers.remove(&buyer);
    }

    fn uncount(&mut self, number: u64) {
        if let Some(live) = self.buckets.get_mut(&bucket_of(number)) {
            *live = live.saturating_sub(1);
        }
    }

    /// Ends the window of a called buyer if it has run out.
    fn end_window(&mut self, buyer: BuyerId, now: Timestamp) {
        if let Some(entry) = self.desk.get_mut(&buyer)
            && let Stage::Called { until, second } = entry.stage
            && until <= now
        {
            entry.stage = if second { Stage::Expired } else { Stage::Late };
            self.called.remove(&(until, buyer));
        }
    }

    pub(super) fn publish(&mut self, term: Term, frame: Bytes) -> Published {
        if term < self.last_batch.term {
            return Published::OldTerm;
        }
        self.frame = Some(frame);
        Published::Stored
    }

    pub(super) fn call(&mut self, batch: Batch) -> Called {
        let last = self.last_batch;
        if batch.term < last.term {
            return Called::OldTerm { term: last.term };
        }
        if batch.term == last.term && batch.seq == last.seq {
            return Called::Batch { called: last.called, serving: last.serving };
        }
        if batch.term == last.term && batch.seq < last.seq {
            return Called::Batch { called: 0, serving: self.serving };
        }
        let calls = usize::try_from(batch.calls).unwrap_or(usize::MAX);
        let lowest: Vec<_> =
            self.seats.iter().take_while(|(number, _)| *number <= batch.up_to).take(calls).copied().collect();
        let before = self.serving;
        for (number, buyer) in &lowest {
            self.call_one(*buyer, *number, before, batch.until);
        }
        let called = lowest.len() as u64;
        self.called_total += called;
        self.last_batch = LastBatch { term: batch.term, seq: batch.seq, called, serving: self.serving };
        Called::Batch { called, serving: self.serving }
    }

    fn call_one(&mut self, buyer: BuyerId, number: u64, before: u64, until: Timestamp) {
        let stage = self.desk.get(&buyer).map(|entry| entry.stage);
        if number > before && stage.is_none() {
            self.uncount(number);
        }
        self.rise(buyer, number);
        let second = stage == Some(Stage::Returned);
        self.desk.insert(buyer, Entry { number, stage: Stage::Called { until, second } });
        self.called.insert((until, buyer));
        self.serving = self.serving.max(number);
    }

    pub(super) fn sweep(&mut self, now: Timestamp) -> u64 {
        let ended: Vec<_> = self
            .called
            .iter()
            .take_while(|(until, _)| *until <= now)
            .take(SWEEP_MOST)
            .map(|(_, buyer)| *buyer)
            .collect();
        for buyer in &ended {
            self.end_window(*buyer, now);
        }
        self.active_passes.retain(|(expires_at, _)| *expires_at > now);
        ended.len() as u64
    }

    pub(super) fn enter(&mut self, asks: &[Enter], now: Timestamp) -> Vec<Entered> {
        asks.iter().map(|ask| self.enter_one(ask, now)).collect()
    }

    fn enter_one(&mut self, ask: &Enter, now: Timestamp) -> Entered {
        let Place { buyer, number } = ask.place;
        match self.stand(buyer, Carried { number, epoch: ask.ticket_epoch }, now) {
            Seat::Called { until } => {
                self.called.remove(&(until, buyer));
                self.desk.insert(buyer, Entry { number, stage: Stage::Admitted { expires_at: ask.expires_at } });
                self.active_passes.insert((ask.expires_at, number));
                self.admitted_total += 1;
                Entered::Admitted { expires_at: ask.expires_at }
            }
            Seat::Admitted => Entered::Admitted { expires_at: self.pass_end(buyer).unwrap_or(ask.expires_at) },
            seat @ (Seat::Waiting | Seat::Late) => Entered::NotCalled(seat),
            seat @ (Seat::Consumed { .. } | Seat::Left | Seat::Expired) => Entered::Gone(seat),
        }
    }

    pub(super) fn leave(&mut self, places: &[Place], now: Timestamp) -> Vec<Seat> {
        places.iter().map(|place| self.leave_one(*place, now)).collect()
    }

    fn leave_one(&mut self, place: Place, now: Timestamp) -> Seat {
        let Place { buyer, number } = place;
        // A number of this life is above `born` and is not put back whatever epoch it names.
        let had_been = self.stand(buyer, Carried { number, epoch: self.epoch - 1 }, now);
        match had_been {
            Seat::Waiting => {
                if number > self.serving && !self.desk.contains_key(&buyer) {
                    self.uncount(number);
                }
                self.rise(buyer, number);
            }
            Seat::Late => self.rise(buyer, number),
            Seat::Called { until } => {
                self.called.remove(&(until, buyer));
            }
            Seat::Admitted => self.drop_pass(buyer),
            Seat::Consumed { .. } | Seat::Left | Seat::Expired => return had_been,
        }
        self.desk.insert(buyer, Entry { number, stage: Stage::Left });
        if number > self.serving {
            self.departed.push(number);
        }
        had_been
    }

    fn drop_pass(&mut self, buyer: BuyerId) {
        if let Some(Entry { number, stage: Stage::Admitted { expires_at } }) = self.desk.get(&buyer) {
            self.active_passes.remove(&(*expires_at, *number));
        }
    }

    /// When the unused pass of an admitted buyer ends.
    fn pass_end(&self, buyer: BuyerId) -> Option<Timestamp> {
        match self.desk.get(&buyer)?.stage {
            Stage::Admitted { expires_at } => Some(expires_at),
            _ => None,
        }
    }

    /// Counts only those old numbers from here on that are seated.
    pub(super) fn settle(&mut self) {
        if self.settled {
            return;
        }
        self.settled = true;
        if self.born <= self.serving {
            return;
        }
        for bucket in bucket_of(self.serving + 1)..=bucket_of(self.born) {
            let first = (bucket * sale::frame::BUCKET).max(self.serving) + 1;
            let past = (bucket + 1) * sale::frame::BUCKET + 1;
            let nobody = BuyerId::from_bytes([0; 16]);
            let seated = self.seats.range((first, nobody)..(past, nobody)).count();
            self.buckets.insert(bucket, seated as u64);
        }
    }
}

impl Entry {
    /// Nothing comes of this place any more, so that its buyer may have a new one.
    fn is_over(self, now: Timestamp) -> bool {
        match self.stage {
            Stage::Consumed { .. } | Stage::Left | Stage::Expired => true,
            Stage::Admitted { expires_at } => expires_at <= now,
            Stage::Stray | Stage::Called { .. } | Stage::Late | Stage::Returned => false,
        }
    }
}
