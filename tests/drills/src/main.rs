//! Drills: one fault each, on real engines, with two processes of every role and a running crowd.
//!
//! `./drill` builds and starts this. A drill says what it does, what is promised and what was seen; its last line is a
//! JSON object, and it ends well only with `"violations":0`.

#![expect(clippy::expect_used, reason = "a drill that cannot go on says so, which is a violation")]
#![expect(clippy::print_stdout, reason = "a drill tells what happens")]

mod assertions;
mod crash;
mod crash_points;
mod database;
mod drill;
mod duplicates;
mod event_log;
mod event_recorder;
mod fixture;
mod flushall;
mod kafka_down;
mod last_unit;
mod leader_paused;
mod overload;
mod postgres_restart;
mod redis_restart;
mod redis_rollback;
mod redis_slow;
mod report;
mod seed_002;
mod seed_003;
mod stopped_reserve;
mod toxiproxy;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use harness::Program;

use crate::{
    drill::{Drill, Length},
    fixture::Tools,
};

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
    /// Ends well when this names drills.
    Check(Chosen),
    /// Runs drills.
    Run {
        #[command(flatten)]
        chosen: Chosen,
        /// The program under test.
        #[arg(long)]
        program: PathBuf,
        /// The script that starts and kills engines.
        #[arg(long)]
        engines: PathBuf,
    },
}

/// One drill, or `short` and those whose short form is run; `short` alone is all of them.
#[derive(Args)]
struct Chosen {
    #[arg(required = true)]
    names: Vec<String>,
    /// How long the load or the fault of the one drill lasts.
    #[arg(long)]
    seconds: Option<u64>,
}

const SHORT: &str = "short";

impl Chosen {
    /// The drills and how long each is to be; a sentence when there is no such drill.
    fn drills(&self) -> Result<(Vec<&'static Drill>, Length), String> {
        let (names, length) = match self.names.split_first() {
            Some((first, rest)) if first == SHORT => (rest, Length::Short),
            _ => (&self.names[..], self.seconds.map_or(Length::Usual, Length::Seconds)),
        };
        if names.is_empty() {
            return Ok((DRILLS.iter().collect(), length));
        }
        let known = |name: &String| {
            let drill = DRILLS.iter().find(|drill| drill.name == name);
            drill.ok_or_else(|| format!("there is no drill called {name}; ./drill list names them"))
        };
        Ok((names.iter().map(known).collect::<Result<_, _>>()?, length))
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::List => {
            for drill in DRILLS {
                println!("{:16} {}\n{:16} → {}", drill.name, drill.does, "", drill.promises);
            }
            ExitCode::SUCCESS
        }
        Command::Check(chosen) => chosen.drills().map_or_else(|sentence| refused(&sentence), |_| ExitCode::SUCCESS),
        Command::Run { chosen, program, engines } => match chosen.drills() {
            Ok((drills, length)) => {
                let tools = Tools { program: Program::at(program), engines };
                drill::run_all(&drills, length, &tools).await
            }
            Err(sentence) => refused(&sentence),
        },
    }
}

#[expect(clippy::print_stderr, reason = "stdout is what the drills say")]
fn refused(sentence: &str) -> ExitCode {
    eprintln!("drills: {sentence}");
    ExitCode::FAILURE
}
