//! More holds than one step reads: they are read in pages, while others begin and end.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use rstest_reuse::apply;
use sale::{BuyerId, HoldId, OrderId, sale::Place};
use stores::{
    StoreError,
    queue_store::{
        HoldEnd, HoldEnding, HoldsCursor, Reservation, ReservationOutcome, SaleQueueStore, Snapshot, SnapshotHold,
    },
};

use crate::fixture::{Fixture, at, count, every_queue, units};

/// More than two steps read.
const MANY: u32 = 1_300;
/// The most holds that a step may read: a store may read some more than requested.
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

impl Fixture {
    /// An epoch with holds 0 to `MANY`, and as many units again that are free.
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
        let page = self.queue.holds_page(&self.key, from).await.unwrap();
        assert!(page.holds.len() <= AT_ONCE, "{} at once", page.holds.len());
        assert!(page.holds.iter().all(|held| held.taken_at == at(0) || held.taken_at == at(8)));
        assert!(page.holds.iter().all(|held| held.lines == [units("pair", 1)]));
        (page.holds.iter().map(|held| held.hold).collect(), page.next)
    }

    /// Every hold from here to the end.
    async fn remaining_holds(&self, from: Option<HoldsCursor>) -> BTreeSet<HoldId> {
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

    async fn reserve_holds(&self, ns: Range<u32>) {
        for n in ns {
            let place = Place { buyer: nth_buyer(n), number: n.into() };
            let request = Reservation { hold: nth_hold(n), place, lines: vec![units("pair", 1)], limit: 1 };
            assert_eq!(self.queue.reacquire(&self.key, &request, at(8)).await.unwrap(), ReservationOutcome::Reserved);
        }
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn many_holds_are_all_read_in_pages(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::with_many_holds(queue).await;
    let (first, next) = fixture.holds_page(&HoldsCursor::default()).await;
    assert!(next.is_some(), "{} of {MANY} were all", first.len());
    let mut seen = fixture.remaining_holds(next).await;
    seen.extend(first);
    assert_eq!(seen, ids(0..MANY));
    let in_order: Vec<_> = ids(0..MANY).into_iter().collect();
    let all: Vec<_> = fixture.queue.holds(&fixture.key).await.unwrap().iter().map(|held| held.hold).collect();
    assert_eq!(all, in_order, "each once and in order");
    fixture.end_holds(0..MANY).await;
    assert_eq!(fixture.queue.holds_page(&fixture.key, &HoldsCursor::default()).await.unwrap().holds, []);
}

#[apply(every_queue)]
#[tokio::test]
async fn holds_begin_and_end_while_they_are_read(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::with_many_holds(queue).await;
    let (first, next) = fixture.holds_page(&HoldsCursor::default()).await;
    // Enough begin and end that a hash table of them grows and shrinks meanwhile.
    fixture.reserve_holds(MANY..MANY + 900).await;
    fixture.end_holds(0..200).await;
    let (second, next) = fixture.holds_page(&next.unwrap()).await;
    fixture.end_holds(200..1_200).await;
    let mut seen = fixture.remaining_holds(next).await;
    seen.extend(first.into_iter().chain(second));
    assert!(seen.is_superset(&ids(1_200..MANY)), "a hold that lives all the time is read");
    assert!(seen.is_subset(&ids(0..MANY + 900)), "nothing else is seen");
    let now = fixture.remaining_holds(Some(HoldsCursor::default())).await;
    assert_eq!(now, ids(1_200..MANY + 900));
    for _ in 0..2 {
        fixture.end_holds(0..MANY + 900).await;
        assert_eq!(fixture.stock().await, [count("pair", i64::from(MANY) * 2, 0, 0)], "seen twice, ended once");
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn holds_of_another_epoch_are_not_read(#[case] queue: Arc<dyn SaleQueueStore>) {
    let mut fixture = Fixture::with_many_holds(queue).await;
    let (_, next) = fixture.holds_page(&HoldsCursor::default()).await;
    let old = fixture.key.clone();
    fixture.begin_next_epoch(&Snapshot { stock: vec![count("pair", 10, 0, 0)], ..Snapshot::default() }, at(0)).await;
    for from in [HoldsCursor::default(), next.unwrap()] {
        assert!(matches!(fixture.queue.holds_page(&old, &from).await, Err(StoreError::Lost)));
    }
    assert!(matches!(fixture.queue.holds(&old).await, Err(StoreError::Lost)));
    assert_eq!(fixture.queue.holds(&fixture.key).await.unwrap(), []);
}
