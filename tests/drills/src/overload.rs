//! A sale whose narrowest place is its payment provider gets ten times the people and four times the admissions that fit;
//! its budget of joins turns most of those people away for now.

use std::time::Duration;

use futures::FutureExt as _;
use harness::{behaviour::BehaviourMix, client::Answers, observations::Tally, seller::Terms, story::Story};
use serde_json::json;

use crate::{assertions, drill::Drill, fixture::Fixture};

/// One charge at a time and process, two processes, half a second each: little enough that the provider is the narrowest
/// place on a small machine too. The others are the budget of joins: people come from four networks behind a proxy, and
/// each of the two waiting rooms lets one join a second of each network pass. That is what comes in `FITS`, all the time.
const SETTINGS: [(&str, &str); 4] = [
    ("OPENRUN_SANDBOX_LATENCY_MS", "500"),
    ("OPENRUN_SANDBOX_AT_ONCE", "1"),
    ("OPENRUN_TRUSTED_PROXIES", "127.0.0.0/8"),
    ("OPENRUN_JOINS_PER_NETWORK_PER_MINUTE", "60"),
];
const PAID_PER_SECOND: u32 = 4;
/// People who fit inside: what three seconds of the provider take.
const FIT: u32 = PAID_PER_SECOND * 3;
/// Until a sale runs at its pace.
const WARMS_UP: Duration = Duration::from_secs(6);
const LEAST_SHARE: f64 = 0.9;
/// In a short run sixty payments are counted, and those that are still in the provider's queue at its end weigh as much
/// as what is looked for: it only shows that the sale goes on.
const LEAST_SHARE_OF_A_SHORT_RUN: f64 = 0.6;

pub(crate) const DRILL: Drill = Drill {
    name: "overload",
    does: "a sale bound by its provider (four payments a second) gets 10 × the joins and 4 × the admissions that fit, from \
           four networks whose budgets of joins let pass what fits",
    promises: "at least 90 % of the best goodput; who is turned away hears when to ask again, and gets a place later; of \
               those who fit nobody is turned away; memory stays bounded",
    seconds: 40,
    short_seconds: 15,
    run: |fixture| run(fixture).boxed_local(),
};

/// A sale whose people and admissions are so many times what fits.
struct Load {
    what: &'static str,
    joins: u32,
    admissions: u32,
    /// Whether the budget of joins turns some of these people away.
    is_turned_away: bool,
}

/// Twice the joins, so that the line is never empty while the best is measured.
const FITS: Load = Load { what: "what fits", joins: 2, admissions: 1, is_turned_away: false };
const TOO_MUCH: Load =
    Load { what: "10 × the joins, 4 × the admissions", joins: 10, admissions: 4, is_turned_away: true };

async fn run(fixture: &Fixture) {
    let best = sell(fixture, &FITS).await;
    let goodput = sell(fixture, &TOO_MUCH).await;
    let share = goodput / best;
    fixture.report.record("best_per_second", json!((best * 10.0).round() / 10.0));
    fixture.report.record("goodput_per_second", json!((goodput * 10.0).round() / 10.0));
    let told = format!("{goodput:.1} of {best:.1} paid a second, {:.0} %", share * 100.0);
    let least = if fixture.seconds < DRILL.seconds { LEAST_SHARE_OF_A_SHORT_RUN } else { LEAST_SHARE };
    fixture.report.check(format!("I12: goodput is at least {:.0} % of the best", least * 100.0), share >= least, told);
}

/// Sells for a while, in an installation of its own, and gives what was paid for each second.
async fn sell(fixture: &Fixture, load: &Load) -> f64 {
    let terms = Terms {
        units: 100_000,
        per_minute: PAID_PER_SECOND * 60 * load.admissions,
        max_active: FIT * load.admissions,
        hold_seconds: 60,
        enter_seconds: 30,
        ..Terms::USUAL
    };
    let (installation, redis) = fixture.install(&SETTINGS).await;
    let mut story = fixture.open(installation, terms).await;
    let lasts = WARMS_UP + Duration::from_secs(fixture.seconds);
    let people = u64::from(PAID_PER_SECOND * load.joins) * lasts.as_secs();
    fixture
        .report
        .step(format_args!("{}: {people} people within {lasts:?}, {} calls a minute", load.what, terms.per_minute));
    let generator =
        story.start_load_within(usize::try_from(people).expect("a load that fits"), BehaviourMix::Steady, lasts);
    tokio::time::sleep(WARMS_UP).await;
    let before = paid(&story);
    tokio::time::sleep(Duration::from_secs(fixture.seconds)).await;
    let goodput = f64::from(paid(&story) - before) / Duration::from_secs(fixture.seconds).as_secs_f64();
    story.tell(load.what);
    fixture.report.step("everybody goes home; whoever has an order looks after it first");
    generator.stop().await;
    assertions::holds_together(fixture, &mut story).await;
    refusals(fixture, &story, load);
    drop(story);
    drop(redis);
    goodput
}

/// Orders that their buyers know to be paid.
fn paid(story: &Story) -> u32 {
    u32::try_from(story.checker.tally().paid).expect("few orders")
}

/// Whoever was not served was told when to ask again, and nothing broke. The budget of joins speaks only when more come
/// than fit, and is never a block.
fn refusals(fixture: &Fixture, story: &Story, load: &Load) {
    let answers = story.installation.client.answers();
    let of = |status: u16| answers.get(&status).copied().unwrap_or_default();
    let (too_many, away) = (of(429), of(503));
    let told = format!("{} answers 429, {} answers 503", too_many.all, away.all);
    let says_when = |answers: Answers| answers.all == answers.with_retry_after;
    fixture.report.check("I12: 429 and 503 say when to ask again", says_when(too_many) && says_when(away), told);
    let broken: u64 = answers.iter().filter(|(status, _)| **status >= 500 && **status != 503).map(|(_, n)| n.all).sum();
    fixture.report.check("I12: no other 5xx", broken == 0, format_args!("{broken}"));
    let Tally { numbers, turned_away, came_back, .. } = story.checker.tally();
    let told = format!("{turned_away} people got 429, {came_back} of them a place later; {numbers} places");
    if load.is_turned_away {
        fixture.report.record("answers_429", too_many.all);
        fixture.report.record("turned_away", turned_away);
        fixture.report.record("turned_away_and_placed", came_back);
        fixture.report.check("I12: who is turned away gets a place later", came_back > 0, told);
    } else {
        fixture.report.check("I12: of those who fit nobody is turned away", too_many.all == 0, told);
    }
}
