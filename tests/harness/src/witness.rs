//! The witness sees everything that a crowd and a seller are told, and holds every sighting against what must always be
//! true. What was not true is kept, and fails the story at its end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use sale::{Frame, clock::monotonic, ids::FIRST_EPOCH};
use serde_json::Value;

use crate::{
    invariant::{Invariant, Wrong},
    seller::{Live, Terms},
};

/// How old what a waiting page says may be: the frame is fetched every 200 ms, on a busy machine later.
const PAGE_LAGS: Duration = Duration::from_secs(2);
/// `poll_after_ms` before the first frame was seen.
const FIRST_POLL_MS: u64 = 2_000;
/// Kept of what was wrong; more of the same tells nothing new.
const MOST_WRONGS: usize = 20;

/// What was seen so far.
pub struct Witness {
    terms: Terms,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    wrongs: Vec<Wrong>,
    /// How often each invariant was looked at.
    looks: BTreeMap<Invariant, u64>,
    per_minute: u32,
    /// number → who has it.
    numbers: HashMap<u64, usize>,
    /// ticket → its one pass.
    passes: HashMap<String, String>,
    /// pass → its one order.
    orders: HashMap<String, String>,
    /// Its tag → the bytes of the frame.
    frames: HashMap<String, Bytes>,
    frame: Option<Frame>,
    /// The epoch that each process showed last.
    epochs: HashMap<String, i64>,
    /// When `serving` was first seen this high, in the first life.
    serving: Vec<(Instant, u64)>,
    /// Tickets that seem to be passed over. After the store was lost people come back to places before those that were
    /// called, so only a later frame of the same life proves it.
    passed_over: Vec<(Instant, String)>,
    /// The highest number seen called, and when.
    called: BTreeMap<u64, Instant>,
    counted: Vec<Reading>,
    live: Option<Live>,
    paid: BTreeSet<String>,
    paid_by: HashMap<usize, u32>,
    failed: u64,
    refused: u64,
    turned_away: BTreeSet<usize>,
    came_back: BTreeSet<usize>,
}

/// A reading of `called_total`, made somewhere between asking and the answer.
#[derive(Clone, Copy)]
struct Reading {
    asked: Instant,
    answered: Instant,
    called_total: u64,
}

/// A sum of what happened, for the report and for those who wait for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    pub numbers: usize,
    pub passes: usize,
    /// Orders that were placed.
    pub orders: usize,
    pub paid: usize,
    pub failed: u64,
    /// Reservations that found nothing left just then.
    pub refused: u64,
    /// People who were told to come for a place later.
    pub turned_away: usize,
    /// Those of them who have one now.
    pub came_back: usize,
}

impl Witness {
    /// Nothing seen yet.
    pub fn new(terms: Terms) -> Self {
        Self { terms, seen: Mutex::new(Seen { per_minute: terms.per_minute, ..Seen::default() }) }
    }

    /// Something was not as it must be.
    pub fn wrong(&self, invariant: Invariant, what: impl Into<String>) {
        self.seen.lock().wrong(invariant, what.into());
    }

    /// Everything that was not.
    pub fn wrongs(&self) -> Vec<Wrong> {
        self.seen.lock().wrongs.clone()
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
            seen.wrong(Invariant::I6, format!("number {number} was given to buyer {holder} and to buyer {buyer}"));
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
            seen.wrong(Invariant::I10, format!("ticket {ticket} has two passes, {first} and {pass}"));
        }
    }

    /// An order: one per pass.
    pub fn ordered(&self, pass: &str, order: &str) {
        let mut seen = self.seen.lock();
        seen.look(Invariant::I10);
        let first = seen.orders.entry(pass.to_owned()).or_insert_with(|| order.to_owned()).clone();
        if first != order {
            seen.wrong(Invariant::I10, format!("pass {pass} has two orders, {first} and {order}"));
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
                seen.wrong(Invariant::I11, format!("buyer {buyer} has {has} paid orders"));
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
    pub fn frame(&self, front: &str, etag: &str, bytes: &Bytes, asked: Instant) {
        let mut seen = self.seen.lock();
        let frame: Frame = match serde_json::from_slice(bytes) {
            Ok(frame) => frame,
            Err(fault) => return seen.wrong(Invariant::I15, format!("a frame cannot be read: {fault}")),
        };
        seen.epochs.insert(front.to_owned(), frame.epoch);
        seen.look(Invariant::I15);
        let known = seen.frames.entry(etag.to_owned()).or_insert_with(|| bytes.clone()).clone();
        if known != bytes {
            seen.wrong(Invariant::I15, format!("two frames are called {etag}: {known:?} and {bytes:?}"));
        }
        if frame.trouble.is_none() {
            let late: Vec<u64> = seen
                .called
                .iter()
                .filter(|(number, at)| **number > frame.serving && **at + PAGE_LAGS < asked)
                .map(|(number, _)| *number)
                .collect();
            for number in late {
                seen.wrong(Invariant::I7, format!("number {number} was called above serving {}", frame.serving));
            }
        }
        seen.judge_passed_over(&frame, asked);
        if seen.serving.last().is_none_or(|(_, serving)| *serving < frame.serving) {
            seen.serving.push((asked, frame.serving));
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
            seen.wrong(Invariant::I1, format!("more than there is: {live:?}"));
        }
        if live.conservation != 0 || units.free < 0 || units.held < 0 {
            seen.wrong(Invariant::I2, format!("units do not add up: {live:?}"));
        }
        if live.called + live.active > u64::from(self.terms.max_active) {
            seen.wrong(Invariant::I9, format!("{} called and {} active, more than the cap", live.called, live.active));
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
            self.wrong(Invariant::I6, format!("number {number} became {}", standing["number"]));
        }
        match standing["state"].as_str() {
            Some("waiting") => self.waiting(number, asked),
            Some("called") => self.called(number),
            _ => {}
        }
    }
}

impl Seen {
    fn look(&mut self, invariant: Invariant) {
        *self.looks.entry(invariant).or_default() += 1;
    }

    fn wrong(&mut self, invariant: Invariant, what: String) {
        if self.wrongs.len() < MOST_WRONGS {
            self.wrongs.push(Wrong { invariant, what });
        }
    }

    fn judge_passed_over(&mut self, frame: &Frame, asked: Instant) {
        if frame.epoch > FIRST_EPOCH {
            self.passed_over.clear();
        } else if frame.trouble.is_none() {
            let (proven, open) = std::mem::take(&mut self.passed_over)
                .into_iter()
                .partition::<Vec<_>, _>(|(seen, _)| *seen + PAGE_LAGS < asked);
            self.passed_over = open;
            for (_, what) in proven {
                self.wrong(Invariant::I7, what);
            }
        }
    }

    /// Never above rate × window + burst, in every window between two readings.
    fn rate(&mut self, now: Reading) {
        let per_minute = self.per_minute;
        if self.counted.last().is_some_and(|last| last.called_total > now.called_total) {
            // The store began a new life and counts anew.
            self.counted.clear();
        }
        let per_second = f64::from(per_minute) / 60.0;
        let burst = (per_second / 10.0).max(1.0);
        let above = self.counted.iter().find_map(|before| {
            let window = now.answered.duration_since(before.asked).as_secs_f64();
            let calls = count(now.called_total - before.called_total);
            (calls > per_second * window + burst).then(|| format!("{calls} calls in {window:.3} s at {per_minute}/min"))
        });
        if let Some(above) = above {
            self.wrong(Invariant::I8, above);
        }
        self.counted.push(now);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a test, far below 2^52")]
fn count(calls: u64) -> f64 {
    calls as f64
}
