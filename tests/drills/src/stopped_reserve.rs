//! A checkout process stands still between the gate and the database, until everybody has given its order up; then it
//! goes on as if nothing had been.

use std::time::Duration;

use futures::FutureExt as _;
use harness::story::until;
use sale::{clock::monotonic, ids::FIRST_EPOCH};

use crate::{assertions, database::Looks, drill::Drill, fixture::Fixture};

const STOPS_WITHIN: Duration = Duration::from_secs(30);
/// The reconciler's grace of ten seconds, its next look within five, and a busy machine.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(25);
/// Long enough for the process to do what it was about to do.
const AFTERWARDS: Duration = Duration::from_secs(3);

/// Holds marked as never to be placed.
const MARKED: &str = "SELECT count(*) FROM holds WHERE buyer = ''";
/// Marked ones that were placed all the same.
const PLACED_LATE: &str = "SELECT count(*) FROM orders o JOIN holds h ON h.order_id = o.id AND h.buyer = ''";

pub(crate) const DRILL: Drill = Drill {
    name: "stopped-reserve",
    does: "SIGSTOP of a checkout process when the gate has taken units and the order is not committed, beyond the reconciler's grace",
    promises: "the units go back on sale meanwhile; when it wakes, its commit is refused: no unit is sold twice",
    seconds: 45,
    short_seconds: 45,
    run: |fixture| run(fixture).boxed_local(),
};

async fn run(fixture: &Fixture) {
    let mut running = fixture.begin(Fixture::lasting(fixture.seconds)).await;
    running.sold_percent(10).await;
    let victim = running.story.installation.processes.iter().position(|process| process.name == "checkout-a");
    let victim = victim.expect("a checkout process");
    let process = &mut running.story.installation.processes[victim];
    process.set("OPENRUN_FAIL_POINT", Some("units_taken:3:stop"));
    process.kill();
    process.start_again();
    let process = &running.story.installation.processes[victim];
    let stopped = until(fixture.limit(STOPS_WITHIN), || async { process.stands_still() }).await;
    fixture.report.check("checkout-a stops between script and commit", stopped, "it stands still");
    let since = monotonic();

    let mut looks = Looks::at(&running.story).await;
    let mut marked = 0;
    while marked == 0 && since.elapsed() < fixture.limit(GIVEN_UP_WITHIN) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        marked = looks.number(MARKED).await;
    }
    let told = format!("{marked} marked as never to be placed after {:.1} s", since.elapsed().as_secs_f64());
    fixture.report.check("I2: the units that it took go back", marked > 0, told);

    process.wake();
    fixture.report.step("checkout-a wakes and goes on");
    tokio::time::sleep(AFTERWARDS).await;
    let placed = looks.number(PLACED_LATE).await;
    fixture.report.check(
        "I1: its late commit is refused",
        placed == 0,
        format_args!("{placed} of the marked were placed"),
    );
    let process = &mut running.story.installation.processes[victim];
    process.set("OPENRUN_FAIL_POINT", None);
    let since = monotonic();
    running.back_to_normal(fixture, since, FIRST_EPOCH).await;
    assertions::sold_out(fixture, running).await;
}
