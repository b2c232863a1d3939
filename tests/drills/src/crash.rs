//! Processes die all the time, at moments that nobody chose.

use std::time::Duration;

use futures::FutureExt as _;
use sale::{clock::monotonic, ids::FIRST_EPOCH};

use crate::{assertions, drill::Drill, fixture::Fixture};

/// A process dies so often, and the one before it is started again.
const EVERY: Duration = Duration::from_secs(2);

pub(crate) const DRILL: Drill = Drill {
    name: "crash",
    does: "kill -9 of a random process every two seconds; each is started again two seconds later",
    promises: "everything holds, at rest and all the time; normal within 30 s of the last kill",
    seconds: 60,
    short_seconds: 16,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    // What is left to sell when the last one has died shows that it goes on.
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds + 20)).await;
    running.sold_percent(5).await;
    let began = monotonic();
    let (mut kills, mut last) = (0_u64, began);
    while began.elapsed().as_secs() < fixture.seconds {
        let processes = &mut running.story.installation.processes;
        let victim = rand::random_range(0..processes.len());
        processes[victim].kill();
        let name = processes[victim].name.clone();
        last = monotonic();
        kills += 1;
        running.story.tell(&format!("killed {name}"));
        tokio::time::sleep(EVERY).await;
        running.story.installation.processes[victim].start_again();
    }
    fixture.report.record("kills", kills);
    fixture.report.step(format_args!("{kills} processes were killed"));
    running.back_to_normal(fixture, last, FIRST_EPOCH).await;
    assertions::sold_out(fixture, running).await;
}
