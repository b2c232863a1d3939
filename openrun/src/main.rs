//! `openrun`: the one binary. Parse, run, exit code.

use std::{io, process::ExitCode};

use clap::Parser as _;
use openrun::cli::{Cli, Terminal};

fn main() -> ExitCode {
    // Not locked: the log writes to stderr from other threads.
    Cli::parse().run(&mut Terminal { stdout: &mut io::stdout(), stderr: &mut io::stderr() })
}
