//! Telemetry: metrics, and the log, for people when stderr is a terminal, else one JSON object a line.
//!
//! Nobody puts personal data, secrets or tokens into events; URLs go through `config::redact` first.

pub mod metrics;

use std::{
    io::{self, IsTerminal as _},
    panic,
};

use tracing_subscriber::{Layer, Registry, filter::Targets, fmt, prelude::*};

/// Installs the metrics recorder, and a log on stderr, filtered by `directives`, which the configuration has parsed
/// before. Call it first: counters are looked up when the structs that hold them are created. A second call in one process, as tests
/// make it, changes nothing.
pub fn start(directives: &str) {
    drop(metrics::recorder());
    let filter = directives.parse::<Targets>().unwrap_or_default();
    let log = fmt::layer().with_writer(io::stderr);
    let log: Box<dyn Layer<Registry> + Send + Sync> = if io::stderr().is_terminal() {
        log.with_target(false).boxed()
    } else {
        log.json().flatten_event(true).with_ansi(false).with_current_span(false).with_span_list(false).boxed()
    };
    let started = tracing_subscriber::registry().with(log.with_filter(filter)).try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(|panic| {
            ::metrics::counter!("openrun_panics_total").increment(1);
            tracing::error!(error = %panic, "task panicked");
        }));
    }
}
