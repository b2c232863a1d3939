//! A story: an installation, one sale, a witness who watches all the time, and the check at the end of what must hold.

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
    buyer::Buyer,
    client::Client,
    crowd::{Crowd, Mood},
    http::Request,
    installation::Installation,
    invariant::{Invariant, Wrong},
    process::Process,
    seller::{ListedOrder, Live, Seller, Terms},
    witness::{Tally, Witness},
};

/// A small crowd comes within this time.
const ARRIVES_WITHIN: Duration = Duration::from_secs(2);
/// How often the witness looks.
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
    pub witness: Arc<Witness>,
    pub terms: Terms,
    watching: JoinSet<()>,
    stop: CancellationToken,
    started: Instant,
    /// Whether somebody else judges what was wrong.
    is_judged_elsewhere: bool,
}

impl Story {
    /// Opens the sale and starts to watch.
    pub async fn open(installation: Installation, terms: Terms) -> Self {
        let seller = Seller::open(&installation, &terms).await;
        let witness = Arc::new(Witness::new(terms));
        let mut story = Self {
            seller,
            witness,
            terms,
            watching: JoinSet::new(),
            stop: CancellationToken::new(),
            started: monotonic(),
            is_judged_elsewhere: false,
            installation,
        };
        story.watch();
        story
    }

    /// Lets a crowd come, of all tempers.
    pub fn crowd(&self, buyers: usize) -> Crowd {
        self.crowd_of(buyers, Mood::Mixed)
    }

    /// Lets a crowd of this mood come, within two seconds or at a thousand people a second.
    pub fn crowd_of(&self, buyers: usize, mood: Mood) -> Crowd {
        let within = Duration::from_millis(buyers as u64).max(ARRIVES_WITHIN);
        self.crowd_within(buyers, mood, within)
    }

    /// Lets a crowd come that arrives within this time.
    pub fn crowd_within(&self, buyers: usize, mood: Mood, within: Duration) -> Crowd {
        Crowd::gather(buyers, (mood, within), &self.seller.sale, &self.installation, &self.witness)
    }

    /// One buyer, to be led step by step.
    pub fn buyer(&self, nth: usize) -> Buyer {
        Buyer::new(nth, &self.seller.sale, &self.installation, &self.witness)
    }

    /// Tells what happens; shown when the story fails, or with `--nocapture`.
    pub fn tell(&self, what: &str) {
        let (at, tally, live) = (self.started.elapsed().as_secs_f64(), self.witness.tally(), self.witness.last_live());
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
            self.witness.last_live().is_some_and(|live| live.units.sold >= units)
        };
        if !until(within, || async { sold() }).await {
            self.tell("time is over");
            let frame = self.witness.last_frame();
            let (live, wrongs) = (self.witness.last_live(), self.witness.wrongs());
            self.show_logs();
            panic!("{units} units were not sold within {within:?}; {live:?}; {frame:?}; wrong so far: {wrongs:#?}");
        }
    }

    /// Waits until the sale goes on after a fault at `since`: every process ready, the store in the life `epoch` or a later
    /// one, no trouble told, and then people let in and orders paid. Panics when that takes longer than `within`.
    pub async fn normal_again(&mut self, since: Instant, epoch: i64, within: Duration) -> Duration {
        self.installation.ready().await;
        let untroubled = || {
            let frame = self.witness.last_frame();
            self.witness.epoch() >= epoch && frame.is_some_and(|frame| frame.trouble.is_none())
        };
        let mut in_time = until(within.saturating_sub(since.elapsed()), || async { untroubled() }).await;
        let before = self.witness.tally();
        let goes_on = || {
            let now = self.witness.tally();
            let sold_out = self.witness.last_live().is_some_and(|live| live.units.sold == live.units.total);
            sold_out || (now.passes > before.passes && now.paid > before.paid)
        };
        in_time &= until(within.saturating_sub(since.elapsed()), || async { goes_on() }).await;
        let took = since.elapsed();
        self.tell(&format!("normal after {:.1} s", took.as_secs_f64()));
        if !in_time {
            self.show_logs();
            panic!("not normal {within:?} after the fault: {:?}", self.witness.last_frame());
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
        assert_eq!(paid, self.witness.paid(), "the orders that are paid are those that their buyers know");
        assert_eq!(paid.len(), usize::try_from(units).expect("few units"), "each paid order has its unit");
        self.check_orders(&orders);
        let lost = orders.len() - paid.len();
        println!("{} orders, {lost} lost and sold again", orders.len());
        self.verifies().await;
    }

    /// Holds each order against itself: one unit, no hold left, charged when it is paid and only then.
    pub fn check_orders(&self, orders: &[ListedOrder]) {
        for order in orders {
            self.witness.look(Invariant::I3);
            let quantity: u32 = order.lines.iter().map(|line| line.quantity).sum();
            let payment = order.payment.as_ref().map(|payment| payment.state.as_str());
            let charged = payment == Some("captured");
            if quantity != 1 || order.hold_until.is_some() || charged != (order.state == "paid") {
                self.witness.wrong(Invariant::I3, format!("an order does not agree with itself: {order:?}"));
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
    pub fn wrongs(&self) -> Vec<Wrong> {
        let panics = self.installation.processes.iter().flat_map(Process::panics);
        let panics = panics.map(|what| Wrong { invariant: Invariant::I12, what });
        self.witness.wrongs().into_iter().chain(panics).collect()
    }

    /// Whoever asks for it judges what was wrong himself: the end of the story does not panic for it any more.
    pub fn judged_elsewhere(&mut self) {
        self.is_judged_elsewhere = true;
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
        let (fronts, witness) = (self.installation.fronts.clone(), Arc::clone(&self.witness));
        let (sale, client, stop) = (self.seller.sale.clone(), self.installation.client.clone(), self.stop.clone());
        self.watching.spawn(async move {
            for nth in 0.. {
                look_at_frame(&client, &fronts[nth % fronts.len()], &sale, &witness).await;
                if tokio::time::timeout(WATCH_EVERY, stop.cancelled()).await.is_ok() {
                    return;
                }
            }
        });
        let (seller, witness, stop) = (self.seller.clone(), Arc::clone(&self.witness), self.stop.clone());
        self.watching.spawn(async move {
            for nth in 0.. {
                let asked = monotonic();
                if let Some(live) = seller.try_live(nth).await {
                    witness.live(live, asked, monotonic());
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
        let wrongs = self.wrongs();
        if wrongs.is_empty() || self.is_judged_elsewhere {
            return;
        }
        self.show_logs();
        self.installation.keep_folder();
        let wrongs: Vec<_> = wrongs.iter().map(Wrong::to_string).collect();
        let told = format!("what must always hold did not: {wrongs:#?}");
        if std::thread::panicking() {
            println!("{told}");
        } else {
            panic!("{told}");
        }
    }
}

async fn look_at_frame(client: &Client, front: &str, sale: &str, witness: &Witness) {
    let asked = monotonic();
    let Ok(answer) = client.ask(front, &Request::get(format!("/v1/sales/{sale}/frame"))).await else { return };
    if answer.status.is_success() {
        witness.frame(front, answer.header("etag").unwrap_or_default(), &answer.body, asked);
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
