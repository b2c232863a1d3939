//! Drills: one fault each, on real engines, with two processes of every role and a running crowd.
//!
//! `./drill` builds and starts this. A drill says what it does, what is promised and what was seen; its last line is a
//! JSON object, and it ends well only with `"violations":0`.

#![expect(clippy::expect_used, reason = "a drill that cannot go on says so, which is a violation")]
#![expect(clippy::print_stdout, reason = "a drill tells what happens")]

mod crash;
mod crash_points;
mod database;
mod drill;
mod duplicates;
mod ear;
mod flushall;
mod judge;
mod kafka_down;
mod last_unit;
mod leader_paused;
mod notes;
mod overload;
mod postgres_restart;
mod redis_restart;
mod redis_rollback;
mod redis_slow;
mod seed_002;
mod seed_003;
mod stage;
mod stopped_reserve;
mod toxiproxy;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use harness::Program;

use crate::drill::{Drill, Length};

/// In the order of the list, and of the short run.
const DRILLS: &[Drill] = &[
    crash::DRILL,
    crash_points::DRILL,
    flushall::DRILL,
    redis_restart::DRILL,
    redis_rollback::DRILL,
    redis_slow::DRILL,
    kafka_down::DRILL,
    postgres_restart::DRILL,
    leader_paused::DRILL,
    stopped_reserve::DRILL,
    duplicates::DRILL,
    last_unit::DRILL,
    seed_002::DRILL,
    seed_003::DRILL,
    overload::DRILL,
];

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Names all drills.
    List,
    /// Ends well when there is a drill of this name.
    Known { name: String },
    /// Runs one drill, or the short form of all.
    Run {
        name: String,
        /// How long its load or its fault lasts.
        #[arg(long)]
        seconds: Option<u64>,
        /// The program under test.
        #[arg(long)]
        program: PathBuf,
        /// The script that starts and kills engines.
        #[arg(long)]
        engines: PathBuf,
    },
}

/// All drills in a row, each in its short form.
const SHORT: &str = "short";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::List => {
            for drill in DRILLS {
                println!("{:16} {}\n{:16} → {}", drill.name, drill.does, "", drill.promises);
            }
            ExitCode::SUCCESS
        }
        Command::Known { name } => {
            let known = name == SHORT || DRILLS.iter().any(|drill| drill.name == name);
            if known { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Command::Run { name, seconds, program, engines } => {
            let length = match (name.as_str(), seconds) {
                (SHORT, _) => Length::Short,
                (_, Some(seconds)) => Length::Seconds(seconds),
                (_, None) => Length::Usual,
            };
            let chosen = DRILLS.iter().filter(|drill| name == SHORT || drill.name == name);
            let tools = drill::Tools { program: Program::at(program), engines };
            drill::run_all(chosen, length, &tools).await
        }
    }
}
