//! What is measured, on which engines, and how much of everything.

use std::{fmt, path::PathBuf};

use clap::{Parser, ValueEnum};

/// Measures figures and prints one JSON line for each.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct Settings {
    /// Each figure in seconds: to see that every bench works, never to judge a time
    #[arg(long)]
    quick: bool,
    /// Which benches; all of them without a name
    pub(crate) names: Vec<Name>,
    /// The program that is measured
    #[arg(long, env = "OPENRUN_BENCH_PROGRAM", default_value = "target/release/openrun")]
    pub(crate) program: PathBuf,
    /// PostgreSQL; every bench makes a database of its own there
    #[arg(long, env = "OPENRUN_TEST_DATABASE_URL")]
    pub(crate) database_url: String,
    /// Redis; nothing else should use it meanwhile
    #[arg(long, env = "OPENRUN_TEST_QUEUE_URL")]
    pub(crate) queue_url: String,
    /// Kafka; every bench has topics of its own there
    #[arg(long, env = "OPENRUN_TEST_EVENTS_URL")]
    pub(crate) events_url: String,
}

/// A bench; some give several figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Name {
    Ceiling,
    Join,
    Poll,
    Page,
    SoldOut,
    Stream,
    Memory,
    JoinGrowth,
    Start,
    Reserve,
    Settle,
    Precision,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("?", |value| value.get_name()))
    }
}

impl Settings {
    /// Rounds of A B; the figure is their median.
    pub(crate) const fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// How long each side of a round is measured.
    pub(crate) const fn seconds(&self) -> u64 {
        if self.quick { 1 } else { 5 }
    }

    /// Pages that look at a line at the same time.
    pub(crate) const fn streams(&self) -> usize {
        if self.quick { 500 } else { 20_000 }
    }

    /// Orders that wait for their payment.
    pub(crate) const fn orders(&self) -> u64 {
        if self.quick { 500 } else { 20_000 }
    }

    /// How long a leader's calls are counted.
    pub(crate) const fn calling_seconds(&self) -> u64 {
        if self.quick { 2 } else { 10 }
    }

    /// People in a long line.
    pub(crate) const fn waiting(&self) -> u64 {
        if self.quick { 20_000 } else { 1_000_000 }
    }
}
