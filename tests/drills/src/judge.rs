//! The end of a drill: nothing is under way any more, and everything is held against what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use harness::{
    invariant::{Invariant, Wrong},
    process::Process,
    story::Story,
};
use serde_json::Value;

use crate::{
    notes::Notes,
    stage::{Running, Stage, within},
};

/// More memory than any process may ever have had, in KiB. A process of a small sale has some 30,000.
const MOST_MEMORY: u64 = 400_000;
/// What `openrun verify` looks at that shows these promises; the rest of what it compares shows the others too.
const BY_VERIFY: [(Invariant, &str); 3] =
    [(Invariant::I4, "holds"), (Invariant::I5, "charges"), (Invariant::I2, "items")];

/// Everything is sold, everybody goes home, and everything agrees.
pub(crate) async fn sold_out(stage: &Stage, running: Running) {
    let Running { mut story, crowd, redis } = running;
    story.sold(i64::from(story.terms.units), within(&story.terms)).await;
    stage.notes.does("everything is sold; whoever has an order looks after it, then all go home");
    crowd.disperse().await;
    agrees(stage, &mut story).await;
    drop(story);
    drop(redis);
}

/// Holds what a sold-out sale has become against every promise.
pub(crate) async fn agrees(stage: &Stage, story: &mut Story) {
    let notes = &stage.notes;
    let live = story.settled().await;
    let units = i64::from(story.terms.units);
    let stock = live.units;
    let told = format!("{} sold, {} held, {} free of {units}", stock.sold, stock.held, stock.free);
    notes.check(
        "everything is sold once, nothing is left behind",
        (stock.sold, stock.held, stock.free) == (units, 0, 0),
        told,
    );

    holds_together(stage, story).await;
}

/// Holds what a sale without open orders has become against every promise, whatever was sold.
pub(crate) async fn holds_together(stage: &Stage, story: &mut Story) {
    let notes = &stage.notes;
    let stock = story.settled().await.units;
    let orders = story.seller.orders().await;
    story.check_orders(&orders);
    let paid: BTreeSet<String> =
        orders.iter().filter(|order| order.state == "paid").map(|order| order.id.clone()).collect();
    let known = story.witness.paid();
    let told = format!("{} paid, {} units sold, {} known to their buyers", paid.len(), stock.sold, known.len());
    notes.check(
        "I3: each paid order has its unit, and its buyer knows",
        paid == known && i64::try_from(paid.len()) == Ok(stock.sold),
        told,
    );
    notes.saw("orders", orders.len());
    notes.saw("paid", paid.len());

    verified(notes, story);
    witnessed(notes, story);
    bounded(notes, story);
    if notes.is_broken() {
        story.installation.keep_folder();
    }
}

/// `openrun verify`, in a process of its own, through a server.
fn verified(notes: &Notes, story: &Story) {
    let arguments = ["verify", "--json", "--server", &story.installation.shops[0]];
    let (good, out, words) = story.installation.try_run(&arguments);
    let report: Value = serde_json::from_str(&out).unwrap_or_default();
    let agrees = good && report["differences"] == 0;
    let checked = &report["sales"][&story.seller.sale]["checked"];
    for (invariant, counted) in BY_VERIFY {
        let told = format!("openrun verify, {} {counted}", checked[counted]);
        notes.check(format_args!("{invariant}: {}", invariant.words()), agrees, told);
    }
    let told = if agrees { checked.to_string() } else { format!("{words} {out}") };
    notes.check("openrun verify finds no difference", agrees, told);
}

/// What the witness saw from outside, all the time.
fn witnessed(notes: &Notes, story: &Story) {
    let mut wrongs: BTreeMap<Invariant, Vec<Wrong>> = BTreeMap::new();
    for wrong in story.wrongs() {
        wrongs.entry(wrong.invariant).or_default().push(wrong);
    }
    for (invariant, looks) in story.witness.looks() {
        let wrong = wrongs.remove(&invariant).unwrap_or_default();
        let told = match wrong.first() {
            Some(first) => format!("{} wrong of {looks}, first: {}", wrong.len(), first.what),
            None => format!("seen {looks} times"),
        };
        notes.check(format_args!("{invariant}: {}", invariant.words()), wrong.is_empty(), told);
    }
    for (invariant, wrong) in wrongs {
        notes.check(format_args!("{invariant}: {}", invariant.words()), false, &wrong[0].what);
    }
}

/// No process has ever had more memory than a bound.
fn bounded(notes: &Notes, story: &Story) {
    let of_each = story.installation.processes.iter().filter_map(Process::most_memory);
    let most = of_each.max().unwrap_or_default();
    notes.saw("most_memory_kib", most);
    notes.check("I12: memory is bounded", most < MOST_MEMORY, format_args!("at most {} MiB in a process", most / 1024));
}
