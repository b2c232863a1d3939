//! `start` and `start_again`: from exec to ready with everything embedded; in an empty folder, where the database and the
//! keys are made, and beside what the first start has left.

use std::{collections::BTreeMap, time::Duration};

use harness::{Program, process::Process};
use sale::clock::monotonic;

use crate::{
    figure::{Figure, Round, Target},
    settings::Settings,
};

const SECONDS_AT_MOST: f64 = 0.15;
/// It is over quickly.
const STARTS_PER_ROUND: usize = 5;
const LOOK_EVERY: Duration = Duration::from_millis(1);

pub(crate) fn measure(settings: &Settings) -> anyhow::Result<Vec<Figure>> {
    let program = Program::at(&settings.program);
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds() * STARTS_PER_ROUND {
        let folder = tempfile::tempdir()?;
        let environment = BTreeMap::new();
        for rounds in [&mut first, &mut again] {
            let started = monotonic();
            let mut process = Process::start(&program, "embedded", &[], folder.path(), &environment);
            process.await_ready(LOOK_EVERY);
            let seconds = started.elapsed().as_secs_f64();
            rounds.push(Round { value: seconds, ceiling: SECONDS_AT_MOST, more: Vec::new() });
        }
    }
    Ok(vec![
        Figure::of("start", "s", &first).wanted(Target::AtMost(1.0)).about("embedded, an empty folder"),
        Figure::of("start_again", "s", &again).wanted(Target::AtMost(1.0)).about("embedded, a folder that was used"),
    ])
}
