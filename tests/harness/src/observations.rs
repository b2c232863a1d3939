//! What was observed of a sale so far, and what follows from several observations together.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use bytes::Bytes;
use sale::{Frame, ids::FIRST_EPOCH};

use crate::{
    invariant::{Invariant, Violation},
    seller::Live,
};

/// How old what a waiting page says may be: the frame is fetched every 200 ms, on a busy machine later.
pub(crate) const PAGE_LAGS: Duration = Duration::from_secs(2);
/// Kept of what was wrong; more of the same tells nothing new.
const MOST_WRONGS: usize = 20;

#[derive(Default)]
pub(crate) struct Observations {
    pub(crate) violations: Vec<Violation>,
    /// How often each invariant was looked at.
    pub(crate) looks: BTreeMap<Invariant, u64>,
    pub(crate) per_minute: u32,
    /// number → who has it.
    pub(crate) numbers: HashMap<u64, usize>,
    /// ticket → its one pass.
    pub(crate) passes: HashMap<String, String>,
    /// pass → its one order.
    pub(crate) orders: HashMap<String, String>,
    /// Its tag → the bytes of the frame.
    pub(crate) frames: HashMap<String, Bytes>,
    pub(crate) frame: Option<Frame>,
    /// The epoch that each process showed last.
    pub(crate) epochs: HashMap<String, i64>,
    /// When `serving` was first seen this high, in the first life.
    pub(crate) serving: Vec<(Instant, u64)>,
    /// Tickets that seem to be passed over. After the store was lost people come back to places before those that were
    /// called, so only a later frame of the same life proves it.
    pub(crate) passed_over: Vec<(Instant, String)>,
    /// The highest number seen called, and when.
    pub(crate) called: BTreeMap<u64, Instant>,
    pub(crate) counted: Vec<Reading>,
    pub(crate) live: Option<Live>,
    pub(crate) paid: BTreeSet<String>,
    pub(crate) paid_by: HashMap<usize, u32>,
    pub(crate) failed: u64,
    pub(crate) refused: u64,
    pub(crate) turned_away: BTreeSet<usize>,
    pub(crate) came_back: BTreeSet<usize>,
}

/// A reading of `called_total`, made somewhere between asking and the answer.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    pub(crate) called_total: u64,
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

impl Observations {
    pub(crate) fn look(&mut self, invariant: Invariant) {
        *self.looks.entry(invariant).or_default() += 1;
    }

    pub(crate) fn record_violation(&mut self, invariant: Invariant, what: String) {
        if self.violations.len() < MOST_WRONGS {
            self.violations.push(Violation { invariant, what });
        }
    }

    pub(crate) fn check_passed_over(&mut self, frame: &Frame, asked: Instant) {
        if frame.epoch > FIRST_EPOCH {
            self.passed_over.clear();
        } else if frame.trouble.is_none() {
            let (proven, open) = std::mem::take(&mut self.passed_over)
                .into_iter()
                .partition::<Vec<_>, _>(|(seen, _)| *seen + PAGE_LAGS < asked);
            self.passed_over = open;
            for (_, what) in proven {
                self.record_violation(Invariant::I7, what);
            }
        }
    }

    /// Never above rate × window + burst, in every window between two readings.
    pub(crate) fn rate(&mut self, now: Reading) {
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
            self.record_violation(Invariant::I8, above);
        }
        self.counted.push(now);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a test, far below 2^52")]
fn count(calls: u64) -> f64 {
    calls as f64
}
