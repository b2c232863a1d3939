//! The stock gate: taking units, and how holds end.

use std::sync::Arc;

use rstest_reuse::apply;
use sale::sale::Place;
use stores::{
    StoreError,
    queue_store::{
        EnterOutcome, GateHold, HoldEnd, HoldEnding, Reservation, ReservationOutcome, SaleQueueStore, Snapshot,
        TicketStatus,
    },
};

use crate::bench::{Bench, PASS_ENDS, at, buyer, count, every_queue, hold, item, take, units};

impl Bench {
    async fn take(&self, ask: Reservation) -> ReservationOutcome {
        self.queue.reserve(&self.key, &[ask], at(7)).await.unwrap().remove(0)
    }

    async fn end(&self, n: u8, ending: HoldEnding) {
        self.queue.end_holds(&self.key, &[HoldEnd { hold: hold(n), ending }]).await.unwrap();
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn units_are_taken_once_for_each_hold(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.inside(2).await;
    for _ in 0..2 {
        assert_eq!(bench.take(take(1, &[units("pair", 2)])).await, ReservationOutcome::Reserved);
        assert_eq!(bench.stock().await, [count("pair", 8, 2, 0)]);
    }
    assert_eq!(bench.standing(1, 1, at(9)).await, TicketStatus::Consumed { hold: hold(1) });
    assert_eq!(bench.enter(1, 1, at(9)).await, EnterOutcome::Gone(TicketStatus::Consumed { hold: hold(1) }));
    assert_eq!(bench.leave(1, 1, at(9)).await, TicketStatus::Consumed { hold: hold(1) });
    bench.queue.sweep(&bench.key, at(PASS_ENDS)).await.unwrap();
    let seen = bench.observe(1).await;
    assert_eq!((seen.active, seen.without_hold), (1, 0), "a hold stays inside, an unused pass does not");
    let held = GateHold { hold: hold(1), taken_at: at(7), lines: vec![units("pair", 2)] };
    assert_eq!(bench.queue.holds(&bench.key).await.unwrap(), [held]);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_pass_works_once_and_only_for_its_own_place(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.inside(3).await;
    let one = [units("pair", 1)];
    bench.take(take(1, &one)).await;
    assert_eq!(
        bench.take(Reservation { hold: hold(9), ..take(1, &one) }).await,
        ReservationOutcome::PassUsed { hold: Some(hold(1)) }
    );
    bench.end(1, HoldEnding::Released).await;
    assert_eq!(bench.take(take(1, &one)).await, ReservationOutcome::HoldEnded);
    assert_eq!(
        bench.take(Reservation { hold: hold(9), ..take(1, &one) }).await,
        ReservationOutcome::PassUsed { hold: Some(hold(1)) }
    );
    let others = Reservation { place: Place { buyer: buyer(2), number: 3 }, ..take(2, &one) };
    assert_eq!(bench.take(others).await, ReservationOutcome::PassUsed { hold: None });
    bench.leave(3, 3, at(9)).await;
    assert_eq!(bench.take(take(3, &one)).await, ReservationOutcome::PassUsed { hold: None });
    assert_eq!(bench.take(take(4, &one)).await, ReservationOutcome::PassUsed { hold: None }, "never entered");
    assert_eq!(bench.stock().await, [count("pair", 10, 0, 0)]);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_refusal_consumes_nothing(#[case] queue: Arc<dyn SaleQueueStore>) {
    let snapshot = Snapshot { stock: vec![count("pair", 9, 0, 0), count("lace", 1, 0, 0)], ..Snapshot::default() };
    let bench = Bench::with(queue, 1, &snapshot).await;
    bench.inside(1).await;
    let both = |laces| [units("pair", 1), units("lace", laces)];
    assert_eq!(bench.take(take(1, &both(2))).await, ReservationOutcome::SoldOut);
    assert_eq!(bench.take(take(1, &[units("lace", 1), units("lace", 1)])).await, ReservationOutcome::SoldOut);
    assert_eq!(bench.take(take(1, &[units("pair", 5)])).await, ReservationOutcome::LimitReached);
    assert_eq!(bench.stock().await, [count("pair", 9, 0, 0), count("lace", 1, 0, 0)]);
    assert_eq!(bench.standing(1, 1, at(9)).await, TicketStatus::Admitted, "the pass stays good");
    let unknown = bench.queue.reserve(&bench.key, &[take(1, &both(1)), take(1, &[units("sock", 1)])], at(7)).await;
    assert!(matches!(unknown, Err(StoreError::Unexpected { .. })), "{unknown:?}");
    assert_eq!(bench.stock().await[0], count("pair", 9, 0, 0));
    assert_eq!(bench.take(take(1, &both(1))).await, ReservationOutcome::Reserved);
    assert_eq!(bench.stock().await, [count("pair", 8, 1, 0), count("lace", 0, 1, 0)]);
}

#[apply(every_queue)]
#[tokio::test]
async fn holds_end_once(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.inside(4).await;
    for n in 1..=4 {
        bench.take(take(n, &[units("pair", 2)])).await;
    }
    for _ in 0..2 {
        bench.end(1, HoldEnding::Committed).await;
        bench.end(2, HoldEnding::Released).await;
        bench.end(3, HoldEnding::NeverPlaced).await;
        bench.end(4, HoldEnding::Inactive).await;
        assert_eq!(bench.stock().await, [count("pair", 6, 2, 2)]);
        let seen = bench.observe(1).await;
        assert_eq!((seen.active, seen.without_hold), (1, 1), "only the renewed pass is inside");
    }
    bench.end(1, HoldEnding::Released).await;
    assert_eq!(bench.stock().await, [count("pair", 6, 2, 2)], "a paid hold is not released");
    assert_eq!(bench.standing(3, 3, at(9)).await, TicketStatus::Admitted);
    assert_eq!(bench.take(take(3, &[units("pair", 1)])).await, ReservationOutcome::Reserved, "the pass is good again");
    bench.end(4, HoldEnding::Committed).await;
    assert_eq!(bench.stock().await, [count("pair", 5, 1, 4)]);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_buyer_has_no_more_than_the_limit(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.inside(1).await;
    let late = |n, units_wanted| Reservation { hold: hold(n).next(), ..take(1, &[units("pair", units_wanted)]) };
    let retake = async |ask| bench.queue.reacquire(&bench.key, &ask, at(8)).await.unwrap();
    assert_eq!(bench.take(take(1, &[units("pair", 3)])).await, ReservationOutcome::Reserved);
    assert_eq!(retake(late(1, 2)).await, ReservationOutcome::LimitReached);
    for _ in 0..2 {
        assert_eq!(retake(late(1, 1)).await, ReservationOutcome::Reserved);
    }
    assert_eq!(bench.stock().await, [count("pair", 6, 4, 0)]);
    bench.end(1, HoldEnding::Released).await;
    assert_eq!(retake(late(2, 3)).await, ReservationOutcome::Reserved, "what was given back may be taken");
    assert_eq!(retake(late(3, 1)).await, ReservationOutcome::LimitReached);
    assert_eq!(retake(late(3, 7)).await, ReservationOutcome::SoldOut);
    for (hold, ending) in [(late(1, 1).hold, HoldEnding::Committed), (late(2, 3).hold, HoldEnding::Committed)] {
        bench.queue.end_holds(&bench.key, &[HoldEnd { hold, ending }]).await.unwrap();
    }
    assert_eq!(retake(late(3, 1)).await, ReservationOutcome::LimitReached, "what was bought counts for ever");
}

#[apply(every_queue)]
#[tokio::test]
async fn a_restock_is_told_in_any_order(#[case] queue: Arc<dyn SaleQueueStore>) {
    let snapshot = Snapshot { version: 5, stock: vec![count("pair", 2, 3, 4)], ..Snapshot::default() };
    let bench = Bench::with(queue, 1, &snapshot).await;
    let restock = async |name, total, version| {
        bench.queue.restock(&bench.key, &item(name), total, version).await.unwrap();
        bench.stock().await
    };
    assert_eq!(restock("pair", 99, 4).await, [count("pair", 2, 3, 4)], "older than the snapshot");
    for _ in 0..2 {
        assert_eq!(restock("pair", 20, 7).await, [count("pair", 13, 3, 4)]);
    }
    assert_eq!(restock("pair", 99, 6).await, [count("pair", 13, 3, 4)]);
    assert_eq!(restock("pair", 5, 8).await, [count("pair", -2, 3, 4)]);
    assert_eq!(restock("lace", 3, 8).await, [count("pair", -2, 3, 4), count("lace", 3, 0, 0)]);
}
