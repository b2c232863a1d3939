//! A story: an installation, one sale, an invariant checker that watches all the time, and the check at the end of what
//! must hold.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use sale::clock::monotonic;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    behaviour::BehaviourMix,
    buyer::Buyer,
    client::Client,
    http::Request,
    installation::Installation,
    invariant::{Invariant, Violation},
    invariant_checker::InvariantChecker,
    load_generator::LoadGenerator,
    observations::Tally,
    process::Process,
    seller::{ListedOrder, Live, Seller, Terms},
};

/// A small crowd comes within this time.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);
/// How often the invariant checker looks.
const WATCH_EVERY: Duration = Duration::from_millis(200);
/// After a fault everything is normal again within this time, without hands: the promise, which the drills measure.
pub const NORMAL_WITHIN: Duration = Duration::from_secs(30);
/// How many times a promise may last where only its end is looked for, on a machine of any speed.
pub const GENEROUS: u32 = 3;
/// What is under way when everything is sold ends within: holds, payments, mails, the last events.
const SETTLES_WITHIN: Duration = Duration::from_mins(2);
/// Final states of an order.
const FINAL: [&str; 5] = ["paid", "payment_failed", "expired", "cancelled", "refunded"];

/// One sale from its opening to its end.
pub struct Story {
    pub installation: Installation,
    pub seller: Seller,
    pub checker: Arc<InvariantChecker>,
    pub terms: Terms,
    watching: JoinSet<()>,
    stop: CancellationToken,
    started: Instant,
    /// Whether somebody else checks the violations.
    is_checked_elsewhere: bool,
}

impl Story {
    /// Opens the sale and starts to watch.
    pub async fn open(installation: Installation, terms: Terms) -> Self {
        let seller = Seller::open(&installation, &terms).await;
        let checker = Arc::new(InvariantChecker::new(terms));
        let mut story = Self {
            seller,
            checker,
            terms,
            watching: JoinSet::new(),
            stop: CancellationToken::new(),
            started: monotonic(),
            is_checked_elsewhere: false,
            installation,
        };
        story.watch();
        story
    }

    /// Lets a crowd come, of all behaviours.
    pub fn start_load(&self, buyers: usize) -> LoadGenerator {
        self.start_load_of(buyers, BehaviourMix::Mixed)
    }

    /// Lets a crowd of this mix come, within two seconds or at a thousand people a second.
    pub fn start_load_of(&self, buyers: usize, mix: BehaviourMix) -> LoadGenerator {
        let within = Duration::from_millis(buyers as u64).max(ARRIVES_WITHIN);
        self.start_load_within(buyers, mix, within)
    }

    /// Lets a crowd come that arrives within this time.
    pub fn start_load_within(&self, buyers: usize, mix: BehaviourMix, within: Duration) -> LoadGenerator {
        LoadGenerator::start(buyers, (mix, within), &self.seller.sale, &self.installation, &self.checker)
    }

    /// One buyer, to be led step by step.
    pub fn buyer(&self, nth: usize) -> Buyer {
        Buyer::new(nth, &self.seller.sale, &self.installation, &self.checker)
    }

    /// Tells what happens; shown when the story fails, or with `--nocapture`.
    pub fn tell(&self, what: &str) {
        let (at, tally, live) = (self.started.elapsed().as_secs_f64(), self.checker.tally(), self.checker.last_live());
        let Tally { numbers, passes, paid, failed, .. } = tally;
        let units = live.map(|live| live.units);
        println!("{at:6.1} s {what}: {numbers} numbers, {passes} passes, {paid} paid, {failed} failed, {units:?}");
    }

    /// Waits until so many units are sold.
    pub async fn sold(&self, units: i64, within: Duration) {
        let asked = monotonic();
        let told = std::cell::Cell::new(0);
        let sold = || {
            if asked.elapsed().as_secs() / 10 > told.get() {
                told.set(asked.elapsed().as_secs() / 10);
                self.tell("selling");
            }
            self.checker.last_live().is_some_and(|live| live.units.sold >= units)
        };
        if !until(within, || async { sold() }).await {
            self.tell("time is over");
            let frame = self.checker.last_frame();
            let (live, violations) = (self.checker.last_live(), self.checker.violations());
            self.show_logs();
            panic!("{units} units were not sold within {within:?}; {live:?}; {frame:?}; wrong so far: {violations:#?}");
        }
    }

    /// Waits until the sale goes on after a fault at `since`: every process ready, the store in the life `epoch` or a later
    /// one, no trouble told, and then people let in and orders paid. Panics when that takes longer than `within`.
    pub async fn normal_again(&mut self, since: Instant, epoch: i64, within: Duration) -> Duration {
        self.installation.ready().await;
        let untroubled = || {
            let frame = self.checker.last_frame();
            self.checker.epoch() >= epoch && frame.is_some_and(|frame| frame.trouble.is_none())
        };
        let mut in_time = until(within.saturating_sub(since.elapsed()), || async { untroubled() }).await;
        let before = self.checker.tally();
        let goes_on = || {
            let now = self.checker.tally();
            let sold_out = self.checker.last_live().is_some_and(|live| live.units.sold == live.units.total);
            sold_out || (now.passes > before.passes && now.paid > before.paid)
        };
        in_time &= until(within.saturating_sub(since.elapsed()), || async { goes_on() }).await;
        let took = since.elapsed();
        self.tell(&format!("normal after {:.1} s", took.as_secs_f64()));
        if !in_time {
            self.show_logs();
            panic!("not normal {within:?} after the fault: {:?}", self.checker.last_frame());
        }
        took
    }

    /// The end: nothing is under way any more, and everything agrees.
    pub async fn ends_sold_out(&self) {
        let live = self.settled().await;
        self.tell("settled");
        let units = i64::from(self.terms.units);
        assert_eq!((live.units.sold, live.units.held, live.units.free), (units, 0, 0), "{live:?}");
        let orders = self.seller.orders().await;
        let paid: BTreeSet<String> =
            orders.iter().filter(|order| order.state == "paid").map(|order| order.id.clone()).collect();
        assert_eq!(paid, self.checker.paid(), "the orders that are paid are those that their buyers know");
        assert_eq!(paid.len(), usize::try_from(units).expect("few units"), "each paid order has its unit");
        self.check_orders(&orders);
        let lost = orders.len() - paid.len();
        println!("{} orders, {lost} lost and sold again", orders.len());
        self.verifies().await;
    }

    /// Holds each order against itself: one unit, no hold left, charged when it is paid and only then.
    pub fn check_orders(&self, orders: &[ListedOrder]) {
        for order in orders {
            self.checker.look(Invariant::I3);
            let quantity: u32 = order.lines.iter().map(|line| line.quantity).sum();
            let payment = order.payment.as_ref().map(|payment| payment.state.as_str());
            let charged = payment == Some("captured");
            if quantity != 1 || order.hold_until.is_some() || charged != (order.state == "paid") {
                self.checker.record_violation(Invariant::I3, format!("an order does not agree with itself: {order:?}"));
            }
        }
    }

    /// Until no order is open and no unit held; panics when that takes too long.
    pub async fn settled(&self) -> Live {
        let settled = |live: &Live| {
            let open = live.orders.iter().any(|(state, count)| *count > 0 && !FINAL.contains(&state.as_str()));
            live.units.held == 0 && !open
        };
        let is_settled = until(SETTLES_WITHIN, || async { settled(&self.seller.live().await) }).await;
        let live = self.seller.live().await;
        if !is_settled {
            self.show_logs();
            panic!("still under way after {SETTLES_WITHIN:?}: {live:?}");
        }
        live
    }

    /// Everything that was not as it must be so far, faults inside the processes included.
    pub fn violations(&self) -> Vec<Violation> {
        let panics = self.installation.processes.iter().flat_map(Process::panics);
        let panics = panics.map(|what| Violation { invariant: Invariant::I12, what });
        self.checker.violations().into_iter().chain(panics).collect()
    }

    /// The caller checks the violations; the end of the story does not panic for them any more.
    pub fn checked_elsewhere(&mut self) {
        self.is_checked_elsewhere = true;
    }

    /// `openrun verify` finds nothing, read through a server, and names no difference.
    pub async fn verifies(&self) {
        let arguments = ["verify", "--json", "--server", &self.seller_url()];
        let (good, out, words) = self.installation.try_run(&arguments);
        let document: Value = serde_json::from_str(&out).unwrap_or_default();
        if !good || document["differences"] != 0 {
            self.show_logs();
            panic!("openrun verify: {words}\n{out}");
        }
        let sale = self.seller.verify().await;
        assert_eq!(sale["differences"], 0, "{sale}");
    }

    fn seller_url(&self) -> String {
        self.installation.shops[0].clone()
    }

    fn watch(&mut self) {
        let (fronts, checker) = (self.installation.fronts.clone(), Arc::clone(&self.checker));
        let (sale, client, stop) = (self.seller.sale.clone(), self.installation.client.clone(), self.stop.clone());
        self.watching.spawn(async move {
            for nth in 0.. {
                look_at_frame(&client, &fronts[nth % fronts.len()], &sale, &checker).await;
                if tokio::time::timeout(WATCH_EVERY, stop.cancelled()).await.is_ok() {
                    return;
                }
            }
        });
        let (seller, checker, stop) = (self.seller.clone(), Arc::clone(&self.checker), self.stop.clone());
        self.watching.spawn(async move {
            for nth in 0.. {
                let asked = monotonic();
                if let Some(live) = seller.try_live(nth).await {
                    checker.live(live, asked, monotonic());
                }
                if tokio::time::timeout(WATCH_EVERY, stop.cancelled()).await.is_ok() {
                    return;
                }
            }
        });
    }

    /// The end of every process's log.
    pub fn show_logs(&self) {
        for process in &self.installation.processes {
            println!("---- {}\n{}", process.name, process.last_words());
        }
    }
}

/// What must always have held, at the end of every story, however it ended.
impl Drop for Story {
    fn drop(&mut self) {
        self.stop.cancel();
        let violations = self.violations();
        if violations.is_empty() || self.is_checked_elsewhere {
            return;
        }
        self.show_logs();
        self.installation.keep_folder();
        let violations: Vec<_> = violations.iter().map(Violation::to_string).collect();
        let told = format!("what must always hold did not: {violations:#?}");
        if std::thread::panicking() {
            println!("{told}");
        } else {
            panic!("{told}");
        }
    }
}

async fn look_at_frame(client: &Client, front: &str, sale: &str, checker: &InvariantChecker) {
    let asked = monotonic();
    let Ok(answer) = client.ask(front, &Request::get(format!("/v1/sales/{sale}/frame"))).await else { return };
    if answer.status.is_success() {
        checker.frame(front, answer.header("etag").unwrap_or_default(), &answer.body, (asked, monotonic()));
    }
}

/// Asks again and again; false when it did not come true in time.
pub async fn until<F: Future<Output = bool>>(within: Duration, mut holds: impl FnMut() -> F) -> bool {
    let asked = monotonic();
    loop {
        if holds().await {
            return true;
        }
        if asked.elapsed() > within {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
