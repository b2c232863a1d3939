//! The end of a drill: nothing is under way any more, and everything is held against what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use harness::{
    invariant::{Invariant, Violation},
    process::Process,
    story::Story,
};
use serde_json::Value;

use crate::{
    fixture::{Fixture, Running, within},
    report::Report,
};

/// More memory than any process may ever have had, in KiB. A process of a small sale has some 30,000.
const MOST_MEMORY: u64 = 400_000;
/// What `openrun verify` looks at that shows these promises; the rest of what it compares shows the others too.
const BY_VERIFY: [(Invariant, &str); 3] =
    [(Invariant::I4, "holds"), (Invariant::I5, "charges"), (Invariant::I2, "items")];

/// Everything is sold, everybody goes home, and everything agrees.
pub(crate) async fn sold_out(fixture: &Fixture, running: Running) {
    let Running { mut story, load, redis } = running;
    story.sold(i64::from(story.terms.units), within(&story.terms)).await;
    fixture.report.step("everything is sold; whoever has an order looks after it, then all go home");
    load.stop().await;
    agrees(fixture, &mut story).await;
    drop(story);
    drop(redis);
}

/// Holds what a sold-out sale has become against every promise.
pub(crate) async fn agrees(fixture: &Fixture, story: &mut Story) {
    let report = &fixture.report;
    let live = story.settled().await;
    let units = i64::from(story.terms.units);
    let stock = live.units;
    let told = format!("{} sold, {} held, {} free of {units}", stock.sold, stock.held, stock.free);
    report.check(
        "everything is sold once, nothing is left behind",
        (stock.sold, stock.held, stock.free) == (units, 0, 0),
        told,
    );

    holds_together(fixture, story).await;
}

/// Holds what a sale without open orders has become against every promise, whatever was sold.
pub(crate) async fn holds_together(fixture: &Fixture, story: &mut Story) {
    let report = &fixture.report;
    let stock = story.settled().await.units;
    let orders = story.seller.orders().await;
    story.check_orders(&orders);
    let paid: BTreeSet<String> =
        orders.iter().filter(|order| order.state == "paid").map(|order| order.id.clone()).collect();
    let known = story.checker.paid();
    let told = format!("{} paid, {} units sold, {} known to their buyers", paid.len(), stock.sold, known.len());
    report.check(
        "I3: each paid order has its unit, and its buyer knows",
        paid == known && i64::try_from(paid.len()) == Ok(stock.sold),
        told,
    );
    report.record("orders", orders.len());
    report.record("paid", paid.len());

    verified(report, story);
    observed(report, story);
    bounded(report, story);
    if report.is_broken() {
        story.installation.keep_folder();
    }
}

/// `openrun verify`, in a process of its own, through a server.
fn verified(report: &Report, story: &Story) {
    let arguments = ["verify", "--json", "--server", &story.installation.shops[0]];
    let (good, out, words) = story.installation.try_run(&arguments);
    let document: Value = serde_json::from_str(&out).unwrap_or_default();
    let agrees = good && document["differences"] == 0;
    let checked = &document["sales"][&story.seller.sale]["checked"];
    for (invariant, counted) in BY_VERIFY {
        let told = format!("openrun verify, {} {counted}", checked[counted]);
        report.check(format_args!("{invariant}: {}", invariant.words()), agrees, told);
    }
    let told = if agrees { checked.to_string() } else { format!("{words} {out}") };
    report.check("openrun verify finds no difference", agrees, told);
}

/// What the invariant checker saw from outside, all the time.
fn observed(report: &Report, story: &Story) {
    let mut violations: BTreeMap<Invariant, Vec<Violation>> = BTreeMap::new();
    for wrong in story.violations() {
        violations.entry(wrong.invariant).or_default().push(wrong);
    }
    for (invariant, looks) in story.checker.looks() {
        let wrong = violations.remove(&invariant).unwrap_or_default();
        let told = match wrong.first() {
            Some(first) => format!("{} wrong of {looks}, first: {}", wrong.len(), first.what),
            None => format!("seen {looks} times"),
        };
        report.check(format_args!("{invariant}: {}", invariant.words()), wrong.is_empty(), told);
    }
    for (invariant, wrong) in violations {
        report.check(format_args!("{invariant}: {}", invariant.words()), false, &wrong[0].what);
    }
}

/// No process has ever had more memory than a bound.
fn bounded(report: &Report, story: &Story) {
    let of_each = story.installation.processes.iter().filter_map(Process::most_memory);
    let most = of_each.max().unwrap_or_default();
    report.record("most_memory_kib", most);
    report.check(
        "I12: memory is bounded",
        most < MOST_MEMORY,
        format_args!("at most {} MiB in a process", most / 1024),
    );
}
