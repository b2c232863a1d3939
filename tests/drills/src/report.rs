//! The report of a drill: its steps, its checks and its figures.

use std::{collections::BTreeMap, fmt::Display, time::Instant};

use parking_lot::Mutex;
use sale::clock::monotonic;
use serde_json::{Value, json};

/// The report of one drill. It outlives the drill when that cannot go on.
pub(crate) struct Report {
    started: Instant,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    checks: u64,
    violations: Vec<String>,
    seen: BTreeMap<&'static str, Value>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { started: monotonic(), kept: Mutex::default() }
    }

    /// A step of the drill.
    pub(crate) fn step(&self, what: impl Display) {
        println!("{:6.1} s · {what}", self.started.elapsed().as_secs_f64());
    }

    /// Keeps a figure for the last line.
    pub(crate) fn record(&self, name: &'static str, value: impl Into<Value>) {
        self.kept.lock().seen.insert(name, value.into());
    }

    /// One promise held against what was seen.
    pub(crate) fn check(&self, promise: impl Display, holds: bool, seen: impl Display) {
        let mut kept = self.kept.lock();
        kept.checks += 1;
        let verdict = if holds { "  holds " } else { "  BROKEN" };
        println!("         {verdict} {promise} ({seen})");
        if !holds {
            kept.violations.push(format!("{promise}: {seen}"));
        }
    }

    /// Whether a promise was broken so far.
    pub(crate) fn is_broken(&self) -> bool {
        !self.kept.lock().violations.is_empty()
    }

    /// The last line.
    pub(crate) fn sum(&self, name: &str) -> Value {
        let kept = self.kept.lock();
        let seconds = (self.started.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        let mut sum = json!({
            "drill": name, "seconds": seconds, "checks": kept.checks, "violations": kept.violations.len(),
            "seen": kept.seen,
        });
        if !kept.violations.is_empty() {
            sum["broken"] = json!(kept.violations);
        }
        sum
    }
}
