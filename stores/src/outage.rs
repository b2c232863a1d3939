//! Trouble that lasts: told once when it begins and once when it is over, however often it is met between.

use std::{
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether `what` is in trouble at the moment.
#[derive(Debug)]
pub struct Outage {
    what: String,
    lasts: AtomicBool,
}

impl Outage {
    pub fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), lasts: AtomicBool::new(false) }
    }

    /// It did not work.
    pub fn goes_on(&self, error: &dyn Display) {
        if !self.lasts.swap(true, Ordering::Relaxed) {
            self.trouble(1.0);
            tracing::warn!(outage.of = self.what, "{} is in trouble; trying until it is over: {error}", self.what);
        }
    }

    fn trouble(&self, value: f64) {
        metrics::gauge!("openrun_trouble", "of" => self.what.clone()).set(value);
    }

    /// It works.
    pub fn is_over(&self) {
        if self.lasts.swap(false, Ordering::Relaxed) {
            self.trouble(0.0);
            tracing::info!(outage.of = self.what, "{} works again", self.what);
        }
    }
}
