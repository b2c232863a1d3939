//! `./bench`: how fast Openrun is, measured against what this machine could do at most.
//!
//! One file per bench, named after its figure; each begins with what is measured and against what. What they share:
//! [`settings`] (how much of everything), [`world`] (engines of one's own and processes of the program), [`people`] (who
//! is put into a line before the measuring), [`wrk`] (the load), [`bare`] (the ceiling of HTTP), [`rounds`] and
//! [`figure`] (A B A B, medians, and the line that is printed).

#![expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^52")]

mod figure;
mod settings;

mod bare;
mod people;
mod redis_info;
mod rounds;
mod world;
mod wrk;

mod ceiling;
mod join;
mod join_growth;
mod memory;
mod page;
mod poll;
mod sold_out;
mod start;

mod precision;
mod reserve;
mod settle;
mod stream;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser as _, ValueEnum as _};

use crate::{
    figure::Figure,
    settings::{Name, Settings},
};

/// As many threads as Openrun has: the default of the same runtime.
#[tokio::main]
async fn main() -> ExitCode {
    let settings = Settings::parse();
    let names = if settings.names.is_empty() { Name::value_variants().to_vec() } else { settings.names.clone() };
    let mut works = true;
    for name in names {
        let told = match run(name, &settings).await {
            Ok(figures) => figures.iter().try_for_each(|figure| writeln!(io::stdout(), "{}", figure.to_line())),
            Err(why) => {
                works = false;
                writeln!(io::stderr(), "the bench {name} does not work: {why:#}")
            }
        };
        works &= told.is_ok();
    }
    if works { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(name: Name, settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    match name {
        Name::Ceiling => ceiling::measure(settings).await,
        Name::Join => join::measure(settings).await,
        Name::Poll => poll::measure(settings).await,
        Name::Page => page::measure(settings).await,
        Name::SoldOut => sold_out::measure(settings).await,
        Name::Stream => stream::measure(settings).await,
        Name::Memory => memory::measure(settings).await,
        Name::JoinGrowth => join_growth::measure(settings).await,
        Name::Start => start::measure(settings),
        Name::Reserve => reserve::measure(settings).await,
        Name::Settle => settle::measure(settings).await,
        Name::Precision => precision::measure(settings).await,
    }
}
