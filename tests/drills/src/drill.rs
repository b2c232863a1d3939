//! What a drill is, and how it is run: whatever stops it on its way is a violation.

use std::{any::Any, panic::AssertUnwindSafe, process::ExitCode};

use futures::{FutureExt as _, future::LocalBoxFuture};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, Tools},
    report::Report,
};

/// One fault, and what is promised about it.
pub(crate) struct Drill {
    pub(crate) name: &'static str,
    pub(crate) does: &'static str,
    pub(crate) promises: &'static str,
    /// How long its load or its fault lasts, and in the short form.
    pub(crate) seconds: u64,
    pub(crate) short_seconds: u64,
    pub(crate) run: for<'a> fn(&'a Fixture) -> LocalBoxFuture<'a, ()>,
}

/// How long a drill is to be.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    Usual,
    Short,
    Seconds(u64),
}

/// Runs drills one after another. The last line is about the one, or about all.
pub(crate) async fn run_all(chosen: &[&Drill], length: Length, tools: &Tools) -> ExitCode {
    let mut sums = Vec::new();
    for drill in chosen {
        let sum = run(drill, length, tools).await;
        println!("{sum}");
        sums.push(sum);
    }
    let violations: u64 = sums.iter().filter_map(|sum| sum["violations"].as_u64()).sum();
    if matches!(length, Length::Short) {
        let broken: Vec<&Value> = sums.iter().filter(|sum| sum["violations"] != 0).map(|sum| &sum["drill"]).collect();
        println!("{}", json!({"drills": sums.len(), "violations": violations, "broken": broken}));
    }
    if violations == 0 && !sums.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(drill: &Drill, length: Length, tools: &Tools) -> Value {
    let seconds = match length {
        Length::Usual => drill.seconds,
        Length::Short => drill.short_seconds,
        Length::Seconds(seconds) => seconds.max(1),
    };
    println!("== {}: {}\n   promised: {}", drill.name, drill.does, drill.promises);
    let fixture = Fixture {
        seconds,
        usual_seconds: drill.seconds,
        is_short: matches!(length, Length::Short),
        tools: tools.clone(),
        report: Report::new(),
    };
    // The one before may have left one of them dead.
    fixture.engines(&["up", "postgres", "kafka"]);
    if let Err(reason) = AssertUnwindSafe((drill.run)(&fixture)).catch_unwind().await {
        fixture.report.check("the drill comes to its end", false, said(reason.as_ref()));
    }
    fixture.report.sum(drill.name)
}

/// The sentence of a panic.
fn said(reason: &(dyn Any + Send)) -> String {
    let text = reason.downcast_ref::<String>().map(String::as_str).or_else(|| reason.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked without a sentence").to_owned()
}
