//! Holds beyond what one step reads: they are read some at a time, while others come and go.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use rstest_reuse::apply;
use sale::{BuyerId, HoldId, OrderId, sale::Place};
use stores::{
    StoreError,
    queue_store::{
        HoldEnd, HoldEnding, HoldsCursor, Reservation, ReservationOutcome, SaleQueueStore, Snapshot, SnapshotHold,
    },
};

use crate::bench::{Bench, at, count, every_queue, units};

/// More than two steps read.
const MANY: u32 = 1_300;
/// Holds that a step may read at most: a store may read some more than it was asked for.
const AT_ONCE: usize = 1_000;

fn nth_hold(n: u32) -> HoldId {
    HoldId::first(OrderId::derive(at(0), &[b"nth", &n.to_be_bytes()]))
}

fn nth_buyer(n: u32) -> BuyerId {
    BuyerId::from_bytes(u128::from(n).to_be_bytes())
}

fn ids(ns: Range<u32>) -> BTreeSet<HoldId> {
    ns.map(nth_hold).collect()
}

impl Bench {
    /// A life with holds 0 to `MANY`, and as many units again that are free.
    async fn with_many_holds(queue: Arc<dyn SaleQueueStore>) -> Self {
        let held = |n| SnapshotHold {
            hold: nth_hold(n),
            buyer: nth_buyer(n),
            lines: vec![units("pair", 1)],
            active: n % 2 == 0,
        };
        let snapshot = Snapshot {
            stock: vec![count("pair", MANY.into(), MANY.into(), 0)],
            holds: (0..MANY).map(held).collect(),
            buyers: (0..MANY).map(|n| (nth_buyer(n), 1)).collect(),
            ..Snapshot::default()
        };
        Self::with(queue, 1, &snapshot).await
    }

    /// What one step reads, and where the next one begins.
    async fn holds_page(&self, from: &HoldsCursor) -> (Vec<HoldId>, Option<HoldsCursor>) {
        let some = self.queue.holds_page(&self.key, from).await.unwrap();
        assert!(some.holds.len() <= AT_ONCE, "{} at once", some.holds.len());
        assert!(some.holds.iter().all(|held| held.taken_at == at(0) || held.taken_at == at(8)));
        assert!(some.holds.iter().all(|held| held.lines == [units("pair", 1)]));
        (some.holds.iter().map(|held| held.hold).collect(), some.next)
    }

    /// Every hold that is seen from here to the end.
    async fn the_other_holds(&self, from: Option<HoldsCursor>) -> BTreeSet<HoldId> {
        let (mut seen, mut from) = (BTreeSet::new(), from);
        while let Some(here) = from {
            let (holds, next) = self.holds_page(&here).await;
            seen.extend(holds);
            from = next;
        }
        seen
    }

    async fn end_holds(&self, ns: Range<u32>) {
        let ends: Vec<_> = ns.map(|n| HoldEnd { hold: nth_hold(n), ending: HoldEnding::Released }).collect();
        self.queue.end_holds(&self.key, &ends).await.unwrap();
    }

    async fn take_holds(&self, ns: Range<u32>) {
        for n in ns {
            let place = Place { buyer: nth_buyer(n), number: n.into() };
            let ask = Reservation { hold: nth_hold(n), place, lines: vec![units("pair", 1)], limit: 1 };
            assert_eq!(self.queue.reacquire(&self.key, &ask, at(8)).await.unwrap(), ReservationOutcome::Reserved);
        }
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn many_holds_are_all_seen_some_at_a_time(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::with_many_holds(queue).await;
    let (first, next) = bench.holds_page(&HoldsCursor::default()).await;
    assert!(next.is_some(), "{} of {MANY} were all", first.len());
    let mut seen = bench.the_other_holds(next).await;
    seen.extend(first);
    assert_eq!(seen, ids(0..MANY));
    let in_order: Vec<_> = ids(0..MANY).into_iter().collect();
    let all: Vec<_> = bench.queue.holds(&bench.key).await.unwrap().iter().map(|held| held.hold).collect();
    assert_eq!(all, in_order, "each once and in order");
    bench.end_holds(0..MANY).await;
    assert_eq!(bench.queue.holds_page(&bench.key, &HoldsCursor::default()).await.unwrap().holds, []);
}

#[apply(every_queue)]
#[tokio::test]
async fn holds_come_and_end_while_they_are_read(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::with_many_holds(queue).await;
    let (first, next) = bench.holds_page(&HoldsCursor::default()).await;
    // So many come and so many end that a table of them grows and shrinks meanwhile.
    bench.take_holds(MANY..MANY + 900).await;
    bench.end_holds(0..200).await;
    let (second, next) = bench.holds_page(&next.unwrap()).await;
    bench.end_holds(200..1_200).await;
    let mut seen = bench.the_other_holds(next).await;
    seen.extend(first.into_iter().chain(second));
    assert!(seen.is_superset(&ids(1_200..MANY)), "who was there all the time is seen");
    assert!(seen.is_subset(&ids(0..MANY + 900)), "nothing else is seen");
    let now = bench.the_other_holds(Some(HoldsCursor::default())).await;
    assert_eq!(now, ids(1_200..MANY + 900));
    for _ in 0..2 {
        bench.end_holds(0..MANY + 900).await;
        assert_eq!(bench.stock().await, [count("pair", i64::from(MANY) * 2, 0, 0)], "seen twice, ended once");
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn holds_of_another_life_are_not_read_on(#[case] queue: Arc<dyn SaleQueueStore>) {
    let mut bench = Bench::with_many_holds(queue).await;
    let (_, next) = bench.holds_page(&HoldsCursor::default()).await;
    let old = bench.key.clone();
    bench.reborn(&Snapshot { stock: vec![count("pair", 10, 0, 0)], ..Snapshot::default() }, at(0)).await;
    for from in [HoldsCursor::default(), next.unwrap()] {
        assert!(matches!(bench.queue.holds_page(&old, &from).await, Err(StoreError::Lost)));
    }
    assert!(matches!(bench.queue.holds(&old).await, Err(StoreError::Lost)));
    assert_eq!(bench.queue.holds(&bench.key).await.unwrap(), []);
}
