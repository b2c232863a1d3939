//! Checks every answer that buyers and the seller get against the invariants. Violations are kept and fail the story at
//! its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use sale::{Frame, clock::monotonic};
use serde_json::Value;

use crate::{
    invariant::{Invariant, Violation},
    observations::{Observations, PAGE_LAGS, Reading, Tally},
    seller::{Live, Terms},
};

/// `poll_after_ms` before the first frame was seen.
const FIRST_POLL_MS: u64 = 2_000;

/// Checks one sale.
pub struct InvariantChecker {
    terms: Terms,
    seen: Mutex<Observations>,
}

impl InvariantChecker {
    /// Nothing seen yet.
    pub fn new(terms: Terms) -> Self {
        Self { terms, seen: Mutex::new(Observations { per_minute: terms.per_minute, ..Observations::default() }) }
    }

    /// Records that an invariant did not hold.
    pub fn record_violation(&self, invariant: Invariant, what: impl Into<String>) {
        self.seen.lock().record_violation(invariant, what.into());
    }

    /// Everything that did not hold so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.seen.lock().violations.clone()
    }

    /// How often each invariant was looked at.
    pub fn looks(&self) -> BTreeMap<Invariant, u64> {
        self.seen.lock().looks.clone()
    }

    /// Something was looked at, and may be as it must be.
    pub fn look(&self, invariant: Invariant) {
        self.seen.lock().look(invariant);
    }

    /// How far the crowd has come.
    pub fn tally(&self) -> Tally {
        let seen = self.seen.lock();
        Tally {
            numbers: seen.numbers.len(),
            passes: seen.passes.len(),
            orders: seen.orders.len(),
            paid: seen.paid.len(),
            failed: seen.failed,
            refused: seen.refused,
            turned_away: seen.turned_away.len(),
            came_back: seen.came_back.len(),
        }
    }

    /// The seller's last figures.
    pub fn last_live(&self) -> Option<Live> {
        self.seen.lock().live.clone()
    }

    /// The last frame of any process.
    pub fn last_frame(&self) -> Option<Frame> {
        self.seen.lock().frame.clone()
    }

    /// What waiting clients are told to wait between two polls.
    pub fn poll_after(&self) -> Duration {
        let told = self.seen.lock().frame.as_ref().map(|frame| frame.poll_after_ms);
        Duration::from_millis(told.unwrap_or(FIRST_POLL_MS))
    }

    /// The life of the store that every process has heard of.
    pub fn epoch(&self) -> i64 {
        self.seen.lock().epochs.values().copied().min().unwrap_or(0)
    }

    /// Orders that their buyers know to be paid.
    pub fn paid(&self) -> BTreeSet<String> {
        self.seen.lock().paid.clone()
    }

    /// A join's answer: a number is one buyer's for ever.
    pub fn number(&self, buyer: usize, number: u64) {
        let mut seen = self.seen.lock();
        seen.look(Invariant::I6);
        let holder = *seen.numbers.entry(number).or_insert(buyer);
        if holder != buyer {
            seen.record_violation(
                Invariant::I6,
                format!("number {number} was given to buyer {holder} and to buyer {buyer}"),
            );
        }
        if seen.turned_away.contains(&buyer) {
            seen.came_back.insert(buyer);
        }
    }

    /// A pass: one per ticket ever.
    pub fn pass(&self, ticket: &str, pass: &str) {
        let mut seen = self.seen.lock();
        seen.look(Invariant::I10);
        let first = seen.passes.entry(ticket.to_owned()).or_insert_with(|| pass.to_owned()).clone();
        if first != pass {
            seen.record_violation(Invariant::I10, format!("ticket {ticket} has two passes, {first} and {pass}"));
        }
    }

    /// An order: one per pass.
    pub fn ordered(&self, pass: &str, order: &str) {
        let mut seen = self.seen.lock();
        seen.look(Invariant::I10);
        let first = seen.orders.entry(pass.to_owned()).or_insert_with(|| order.to_owned()).clone();
        if first != order {
            seen.record_violation(Invariant::I10, format!("pass {pass} has two orders, {first} and {order}"));
        }
    }

    /// A ticket that waits: nobody behind it may have been called a while ago.
    pub fn waiting(&self, number: u64, asked: Instant) {
        let mut seen = self.seen.lock();
        seen.look(Invariant::I7);
        let before = asked.checked_sub(PAGE_LAGS).unwrap_or(asked);
        let known = seen.serving.iter().rev().find(|(at, _)| *at <= before).map_or(0, |(_, serving)| *serving);
        if number <= known {
            seen.passed_over
                .push((monotonic(), format!("number {number} waits although {known} was called before it")));
        }
    }

    /// A ticket that is called: `serving` reaches its number.
    pub fn called(&self, number: u64) {
        let mut seen = self.seen.lock();
        seen.called.entry(number).or_insert_with(monotonic);
    }

    /// A buyer sees an order paid: within the limit.
    pub fn paid_order(&self, buyer: usize, order: &str) {
        let mut seen = self.seen.lock();
        if seen.paid.insert(order.to_owned()) {
            seen.look(Invariant::I11);
            let has = seen.paid_by.entry(buyer).or_default();
            *has += 1;
            let has = *has;
            if has > self.terms.per_buyer_limit {
                seen.record_violation(Invariant::I11, format!("buyer {buyer} has {has} paid orders"));
            }
        }
    }

    /// A buyer lost an order.
    pub fn failed_order(&self) {
        self.seen.lock().failed += 1;
    }

    /// A buyer who was let in finds nothing left just then.
    pub fn refused_order(&self) {
        self.seen.lock().refused += 1;
    }

    /// A buyer was told to come for a place later.
    pub fn turned_away(&self, nth: usize) {
        self.seen.lock().turned_away.insert(nth);
    }

    /// The frame of one process: the same bytes under the same tag everywhere, and calls only go forward.
    pub fn frame(&self, front: &str, etag: &str, bytes: &Bytes, (asked, answered): (Instant, Instant)) {
        let mut seen = self.seen.lock();
        let frame: Frame = match serde_json::from_slice(bytes) {
            Ok(frame) => frame,
            Err(fault) => return seen.record_violation(Invariant::I15, format!("a frame cannot be read: {fault}")),
        };
        seen.epochs.insert(front.to_owned(), frame.epoch);
        seen.look(Invariant::I15);
        let known = seen.frames.entry(etag.to_owned()).or_insert_with(|| bytes.clone()).clone();
        if known != bytes {
            seen.record_violation(Invariant::I15, format!("two frames are called {etag}: {known:?} and {bytes:?}"));
        }
        if frame.trouble.is_none() {
            let late: Vec<u64> = seen
                .called
                .iter()
                .filter(|(number, at)| **number > frame.serving && **at + PAGE_LAGS < asked)
                .map(|(number, _)| *number)
                .collect();
            for number in late {
                seen.record_violation(
                    Invariant::I7,
                    format!("number {number} was called above serving {}", frame.serving),
                );
            }
        }
        seen.check_passed_over(&frame, asked);
        if seen.serving.last().is_none_or(|(_, serving)| *serving < frame.serving) {
            seen.serving.push((answered, frame.serving));
        }
        if seen.frame.as_ref().is_none_or(|last| last.tick <= frame.tick) {
            seen.frame = Some(frame);
        }
    }

    /// The seller's figures.
    pub fn live(&self, live: Live, asked: Instant, answered: Instant) {
        let mut seen = self.seen.lock();
        let units = live.units;
        for invariant in [Invariant::I1, Invariant::I2, Invariant::I8, Invariant::I9] {
            seen.look(invariant);
        }
        if units.sold + units.held > units.total {
            seen.record_violation(Invariant::I1, format!("more than there is: {live:?}"));
        }
        if live.conservation != 0 || units.free < 0 || units.held < 0 {
            seen.record_violation(Invariant::I2, format!("units do not add up: {live:?}"));
        }
        if live.called + live.active > u64::from(self.terms.max_active) {
            seen.record_violation(
                Invariant::I9,
                format!("{} called and {} active, more than the cap", live.called, live.active),
            );
        }
        seen.rate(Reading { asked, answered, called_total: live.called_total });
        seen.live = Some(live);
    }

    /// Another rate is about to be in force: readings so far do not count any more.
    pub fn rate_is(&self, per_minute: u32) {
        let mut seen = self.seen.lock();
        seen.counted.clear();
        seen.per_minute = per_minute;
    }

    /// What the line said of one ticket.
    pub fn standing(&self, standing: &Value, number: u64, asked: Instant) {
        self.look(Invariant::I6);
        if standing["number"].as_u64() != Some(number) {
            self.record_violation(Invariant::I6, format!("number {number} became {}", standing["number"]));
        }
        match standing["state"].as_str() {
            Some("waiting") => self.waiting(number, asked),
            Some("called") => self.called(number),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that came late may show what was called after the ticket had asked.
    #[test]
    fn a_ticket_is_passed_over_only_when_the_call_was_known_before_it_asked() {
        let checker = InvariantChecker::new(Terms::USUAL);
        let began = monotonic();
        let after = |seconds| began + Duration::from_secs(seconds);
        let frame = Frame { serving: 100, ..Frame::empty("sale".parse().unwrap()) };
        let bytes = Bytes::from(serde_json::to_vec(&frame).unwrap());
        checker.frame("front", "tag", &bytes, (began, after(10)));
        checker.waiting(50, after(9));
        checker.waiting(50, after(10) + PAGE_LAGS / 2);
        checker.waiting(101, after(60));
        assert!(checker.seen.lock().passed_over.is_empty());
        checker.waiting(50, after(10) + PAGE_LAGS);
        assert_eq!(checker.seen.lock().passed_over.len(), 1);
    }
}
