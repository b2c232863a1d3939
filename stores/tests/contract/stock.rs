//! The stock gate: reserving units, and how holds end.

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

use crate::fixture::{Fixture, PASS_EXPIRES, at, buyer, count, every_queue, hold, item, reservation, units};

impl Fixture {
    async fn reserve(&self, request: Reservation) -> ReservationOutcome {
        self.queue.reserve(&self.key, &[request], at(7)).await.unwrap().remove(0)
    }

    async fn end(&self, n: u8, ending: HoldEnding) {
        self.queue.end_holds(&self.key, &[HoldEnd { hold: hold(n), ending }]).await.unwrap();
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn units_are_reserved_once_per_hold(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.admit_first(2).await;
    for _ in 0..2 {
        assert_eq!(fixture.reserve(reservation(1, &[units("pair", 2)])).await, ReservationOutcome::Reserved);
        assert_eq!(fixture.stock().await, [count("pair", 8, 2, 0)]);
    }
    assert_eq!(fixture.standing(1, 1, at(9)).await, TicketStatus::Consumed { hold: hold(1) });
    assert_eq!(fixture.enter(1, 1, at(9)).await, EnterOutcome::Gone(TicketStatus::Consumed { hold: hold(1) }));
    assert_eq!(fixture.leave(1, 1, at(9)).await, TicketStatus::Consumed { hold: hold(1) });
    fixture.queue.sweep(&fixture.key, at(PASS_EXPIRES)).await.unwrap();
    let seen = fixture.observe(1).await;
    assert_eq!((seen.active, seen.without_hold), (1, 0), "a hold stays inside, an unused pass does not");
    let held = GateHold { hold: hold(1), taken_at: at(7), lines: vec![units("pair", 2)] };
    assert_eq!(fixture.queue.holds(&fixture.key).await.unwrap(), [held]);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_pass_works_once_and_only_for_its_own_place(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.admit_first(3).await;
    let one = [units("pair", 1)];
    fixture.reserve(reservation(1, &one)).await;
    assert_eq!(
        fixture.reserve(Reservation { hold: hold(9), ..reservation(1, &one) }).await,
        ReservationOutcome::PassUsed { hold: Some(hold(1)) }
    );
    fixture.end(1, HoldEnding::Released).await;
    assert_eq!(fixture.reserve(reservation(1, &one)).await, ReservationOutcome::HoldEnded);
    assert_eq!(
        fixture.reserve(Reservation { hold: hold(9), ..reservation(1, &one) }).await,
        ReservationOutcome::PassUsed { hold: Some(hold(1)) }
    );
    let others = Reservation { place: Place { buyer: buyer(2), number: 3 }, ..reservation(2, &one) };
    assert_eq!(fixture.reserve(others).await, ReservationOutcome::PassUsed { hold: None });
    fixture.leave(3, 3, at(9)).await;
    assert_eq!(fixture.reserve(reservation(3, &one)).await, ReservationOutcome::PassUsed { hold: None });
    assert_eq!(
        fixture.reserve(reservation(4, &one)).await,
        ReservationOutcome::PassUsed { hold: None },
        "never entered"
    );
    assert_eq!(fixture.stock().await, [count("pair", 10, 0, 0)]);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_refusal_consumes_nothing(#[case] queue: Arc<dyn SaleQueueStore>) {
    let snapshot = Snapshot { stock: vec![count("pair", 9, 0, 0), count("lace", 1, 0, 0)], ..Snapshot::default() };
    let fixture = Fixture::with(queue, 1, &snapshot).await;
    fixture.admit_first(1).await;
    let both = |laces| [units("pair", 1), units("lace", laces)];
    assert_eq!(fixture.reserve(reservation(1, &both(2))).await, ReservationOutcome::SoldOut);
    assert_eq!(
        fixture.reserve(reservation(1, &[units("lace", 1), units("lace", 1)])).await,
        ReservationOutcome::SoldOut
    );
    assert_eq!(fixture.reserve(reservation(1, &[units("pair", 5)])).await, ReservationOutcome::LimitReached);
    assert_eq!(fixture.stock().await, [count("pair", 9, 0, 0), count("lace", 1, 0, 0)]);
    assert_eq!(fixture.standing(1, 1, at(9)).await, TicketStatus::Admitted, "the pass stays good");
    let unknown = fixture
        .queue
        .reserve(&fixture.key, &[reservation(1, &both(1)), reservation(1, &[units("sock", 1)])], at(7))
        .await;
    assert!(matches!(unknown, Err(StoreError::Unexpected { .. })), "{unknown:?}");
    assert_eq!(fixture.stock().await[0], count("pair", 9, 0, 0));
    assert_eq!(fixture.reserve(reservation(1, &both(1))).await, ReservationOutcome::Reserved);
    assert_eq!(fixture.stock().await, [count("pair", 8, 1, 0), count("lace", 0, 1, 0)]);
}

#[apply(every_queue)]
#[tokio::test]
async fn holds_end_once(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.admit_first(4).await;
    for n in 1..=4 {
        fixture.reserve(reservation(n, &[units("pair", 2)])).await;
    }
    for _ in 0..2 {
        fixture.end(1, HoldEnding::Committed).await;
        fixture.end(2, HoldEnding::Released).await;
        fixture.end(3, HoldEnding::NeverPlaced).await;
        fixture.end(4, HoldEnding::Inactive).await;
        assert_eq!(fixture.stock().await, [count("pair", 6, 2, 2)]);
        let seen = fixture.observe(1).await;
        assert_eq!((seen.active, seen.without_hold), (1, 1), "only the renewed pass is inside");
    }
    fixture.end(1, HoldEnding::Released).await;
    assert_eq!(fixture.stock().await, [count("pair", 6, 2, 2)], "a paid hold is not released");
    assert_eq!(fixture.standing(3, 3, at(9)).await, TicketStatus::Admitted);
    assert_eq!(
        fixture.reserve(reservation(3, &[units("pair", 1)])).await,
        ReservationOutcome::Reserved,
        "the pass is good again"
    );
    fixture.end(4, HoldEnding::Committed).await;
    assert_eq!(fixture.stock().await, [count("pair", 5, 1, 4)]);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_buyer_has_no_more_than_the_limit(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.admit_first(1).await;
    let late = |n, units_wanted| Reservation { hold: hold(n).next(), ..reservation(1, &[units("pair", units_wanted)]) };
    let reacquire = async |request| fixture.queue.reacquire(&fixture.key, &request, at(8)).await.unwrap();
    assert_eq!(fixture.reserve(reservation(1, &[units("pair", 3)])).await, ReservationOutcome::Reserved);
    assert_eq!(reacquire(late(1, 2)).await, ReservationOutcome::LimitReached);
    for _ in 0..2 {
        assert_eq!(reacquire(late(1, 1)).await, ReservationOutcome::Reserved);
    }
    assert_eq!(fixture.stock().await, [count("pair", 6, 4, 0)]);
    fixture.end(1, HoldEnding::Released).await;
    assert_eq!(reacquire(late(2, 3)).await, ReservationOutcome::Reserved, "what was given back may be taken");
    assert_eq!(reacquire(late(3, 1)).await, ReservationOutcome::LimitReached);
    assert_eq!(reacquire(late(3, 7)).await, ReservationOutcome::SoldOut);
    for (hold, ending) in [(late(1, 1).hold, HoldEnding::Committed), (late(2, 3).hold, HoldEnding::Committed)] {
        fixture.queue.end_holds(&fixture.key, &[HoldEnd { hold, ending }]).await.unwrap();
    }
    assert_eq!(reacquire(late(3, 1)).await, ReservationOutcome::LimitReached, "what was bought counts for ever");
}

#[apply(every_queue)]
#[tokio::test]
async fn a_restock_is_told_in_any_order(#[case] queue: Arc<dyn SaleQueueStore>) {
    let snapshot = Snapshot { version: 5, stock: vec![count("pair", 2, 3, 4)], ..Snapshot::default() };
    let fixture = Fixture::with(queue, 1, &snapshot).await;
    let restock = async |name, total, version| {
        fixture.queue.restock(&fixture.key, &item(name), total, version).await.unwrap();
        fixture.stock().await
    };
    assert_eq!(restock("pair", 99, 4).await, [count("pair", 2, 3, 4)], "older than the snapshot");
    for _ in 0..2 {
        assert_eq!(restock("pair", 20, 7).await, [count("pair", 13, 3, 4)]);
    }
    assert_eq!(restock("pair", 99, 6).await, [count("pair", 13, 3, 4)]);
    assert_eq!(restock("pair", 5, 8).await, [count("pair", -2, 3, 4)]);
    assert_eq!(restock("lace", 3, 8).await, [count("pair", -2, 3, 4), count("lace", 3, 0, 0)]);
}
