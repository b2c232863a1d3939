//! Logs an outage once when it begins and once when it ends, however many calls fail in between.

use std::{
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering},
};

/// The state of one store or task, shown by the gauge `openrun_trouble`.
#[derive(Debug)]
pub struct OutageLog {
    name: String,
    is_down: AtomicBool,
}

impl OutageLog {
    /// `name` identifies it in logs and metrics.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_down: AtomicBool::new(false) }
    }

    pub fn record_failure(&self, error: &dyn Display) {
        if !self.is_down.swap(true, Ordering::Relaxed) {
            self.set_gauge(1.0);
            tracing::warn!(outage.of = self.name, "{} fails; retrying: {error}", self.name);
        }
    }

    pub fn record_recovery(&self) {
        if self.is_down.swap(false, Ordering::Relaxed) {
            self.set_gauge(0.0);
            tracing::info!(outage.of = self.name, "{} works again", self.name);
        }
    }

    fn set_gauge(&self, value: f64) {
        metrics::gauge!("openrun_trouble", "of" => self.name.clone()).set(value);
    }
}
