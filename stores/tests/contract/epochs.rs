//! Epochs of the queue store: what is lost, what a new epoch starts with, and how earlier tickets return.

use std::sync::Arc;

use rstest_reuse::apply;
use sale::{EpochNonce, sale::Place};
use stores::{
    StoreError,
    queue_store::{
        CallOutcome, EnterOutcome, HoldEnd, HoldEnding, JoinOutcome, JoinRequest, QueueKey, ReservationOutcome,
        SaleQueueStore, Snapshot, SnapshotHold, SnapshotPass, TicketClaims, TicketStatus,
    },
};

use crate::fixture::{
    ALLOCATED_UP_TO, Fixture, at, buyer, count, every_queue, hold, new, nonce, random_sale, reservation, units, waiting,
};

const OLD: i64 = 1;

fn old(number: u64) -> TicketClaims {
    TicketClaims { number, epoch: OLD }
}

/// Three hundred numbers may have been given, a hundred called.
fn after_a_loss() -> Snapshot {
    Snapshot { allocated_up_to: 300, called_up_to: 100, stock: vec![count("pair", 10, 0, 0)], ..Snapshot::default() }
}

#[apply(every_queue)]
#[tokio::test]
async fn a_sale_without_an_epoch_is_lost(#[case] queue: Arc<dyn SaleQueueStore>) {
    let key = QueueKey { sale: random_sale(), epoch: 1, nonce: nonce(1) };
    assert!(matches!(queue.current_key(&key.sale).await, Err(StoreError::Lost)));
    assert!(matches!(queue.join(&key, &[], 5, at(0)).await, Err(StoreError::Lost)));
    assert!(matches!(queue.frame(&key).await, Err(StoreError::Lost)));
    assert!(matches!(queue.observe(&key, 1).await, Err(StoreError::Lost)));
    queue.rebuild(&key, &Snapshot::default(), at(0)).await.unwrap();
    assert_eq!(queue.current_key(&key.sale).await.unwrap(), key);
    assert_eq!(queue.frame(&key).await.unwrap(), None);
    queue.forget(&key.sale).await.unwrap();
    assert!(matches!(queue.current_key(&key.sale).await, Err(StoreError::Lost)));
    assert!(matches!(queue.holds(&key).await, Err(StoreError::Lost)));
}

#[apply(every_queue)]
#[tokio::test]
async fn only_the_current_epoch_is_served(#[case] queue: Arc<dyn SaleQueueStore>) {
    let mut fixture = Fixture::open(queue).await;
    fixture.join_first(2).await;
    let first = fixture.key.clone();
    fixture.begin_next_epoch(&after_a_loss(), at(0)).await;
    assert_eq!(fixture.queue.current_key(&first.sale).await.unwrap(), fixture.key);
    assert!(matches!(fixture.queue.join(&first, &[], 5, at(0)).await, Err(StoreError::Lost)));
    assert!(matches!(fixture.queue.rebuild(&first, &Snapshot::default(), at(0)).await, Err(StoreError::Lost)));
    assert_eq!(fixture.join(9, at(0)).await, new(301, at(0)));
    fixture.queue.rebuild(&fixture.key, &after_a_loss(), at(0)).await.unwrap();
    assert_eq!(fixture.observe(1).await.last_number, 301, "an epoch that has begun is left as it is");
}

/// A restored database counts an epoch a second time.
#[apply(every_queue)]
#[tokio::test]
async fn the_same_epoch_with_another_nonce_is_another_epoch(#[case] queue: Arc<dyn SaleQueueStore>) {
    let mut fixture = Fixture::open(queue).await;
    fixture.join_first(2).await;
    let first = fixture.key.clone();
    let again = QueueKey { nonce: nonce(2), ..first.clone() };
    for other in [&again, &QueueKey { nonce: EpochNonce::default(), ..first.clone() }] {
        let (requests, reservations) =
            ([JoinRequest { buyer: buyer(1), ticket: None }], [reservation(1, &[units("pair", 1)])]);
        assert!(matches!(fixture.queue.join(other, &requests, ALLOCATED_UP_TO, at(0)).await, Err(StoreError::Lost)));
        assert!(matches!(fixture.queue.standing(other, &[(buyer(1), old(1))], at(0)).await, Err(StoreError::Lost)));
        assert!(matches!(fixture.queue.observe(other, 1).await, Err(StoreError::Lost)));
        assert!(matches!(fixture.queue.frame(other).await, Err(StoreError::Lost)));
        assert!(matches!(fixture.queue.reserve(other, &reservations, at(0)).await, Err(StoreError::Lost)));
        assert!(matches!(fixture.queue.holds(other).await, Err(StoreError::Lost)));
        let rebuilt = fixture.queue.rebuild(other, &after_a_loss(), at(0)).await;
        assert!(matches!(rebuilt, Err(StoreError::Lost)), "only a higher epoch replaces the current one");
    }
    assert_eq!(fixture.observe(1).await.last_number, 2, "the current epoch is untouched");
    fixture.key = QueueKey { epoch: first.epoch + 1, ..again };
    fixture.queue.rebuild(&fixture.key, &after_a_loss(), at(0)).await.unwrap();
    assert_eq!(fixture.queue.current_key(&first.sale).await.unwrap(), fixture.key);
    assert!(matches!(fixture.queue.observe(&first, 1).await, Err(StoreError::Lost)));
}

#[apply(every_queue)]
#[tokio::test]
async fn earlier_tickets_return_at_their_own_numbers(#[case] queue: Arc<dyn SaleQueueStore>) {
    let mut fixture = Fixture::open(queue).await;
    fixture.begin_next_epoch(&after_a_loss(), at(0)).await;
    assert_eq!(fixture.join(9, at(0)).await, new(301, at(0)));
    assert_eq!(fixture.standing_of(7, old(207), at(0)).await, waiting());
    assert_eq!(fixture.standing_of(3, old(90), at(0)).await, waiting());
    assert_eq!(
        fixture.join_with(2, Some(old(80)), at(0)).await,
        JoinOutcome::Existing { number: 80, joined_at: None, status: waiting() }
    );
    assert_eq!(
        fixture.enter(4, 95, at(0)).await,
        EnterOutcome::Gone(TicketStatus::Left),
        "it claims this epoch, which has not given it"
    );
    assert_eq!(fixture.standing_of(4, old(301), at(0)).await, TicketStatus::Left, "no earlier epoch gave that number");
    assert_eq!(fixture.standing_of(4, old(0), at(0)).await, TicketStatus::Left);
    assert_eq!(fixture.leave(5, 150, at(0)).await, waiting());
    assert_eq!(
        fixture.standing_of(5, old(150), at(0)).await,
        TicketStatus::Left,
        "a ticket that has not returned can be given up"
    );
    assert_eq!(fixture.observe(2).await.nth_number, 90, "by number, not by the order of their return");
    assert_eq!(fixture.call(1, 3, at(50)).await, CallOutcome::Called { called: 3, serving: 207 });
    assert_eq!(fixture.standing_of(7, old(207), at(0)).await, TicketStatus::Called { until: at(50) });
}

#[apply(every_queue)]
#[tokio::test]
async fn shown_places_do_not_rise_while_earlier_tickets_return(#[case] queue: Arc<dyn SaleQueueStore>) {
    let mut fixture = Fixture::open(queue).await;
    fixture.begin_next_epoch(&after_a_loss(), at(0)).await;
    let live = async || fixture.observe(1).await.histogram;
    assert_eq!(live().await, [156, 44], "all may still return");
    for (n, number) in [(1, 101), (2, 102), (3, 260)] {
        fixture.standing_of(n, old(number), at(0)).await;
    }
    fixture.join(9, at(0)).await;
    assert_eq!(live().await, [156, 45]);
    fixture.leave(2, 102, at(0)).await;
    assert_eq!(live().await, [155, 45]);
    for _ in 0..2 {
        fixture.queue.end_grace_period(&fixture.key).await.unwrap();
        assert_eq!(live().await, [1, 2], "only those that returned");
    }
    assert_eq!(fixture.standing_of(4, old(120), at(0)).await, waiting());
    assert_eq!(fixture.standing_of(5, old(270), at(0)).await, waiting());
    assert_eq!(live().await, [1, 2], "a ticket that returns after the grace period is not counted");
    fixture.leave(5, 270, at(0)).await;
    assert_eq!(fixture.call(1, 2, at(9)).await, CallOutcome::Called { called: 2, serving: 120 });
    assert_eq!(live().await, [0, 2]);
    assert_eq!(fixture.standing_of(6, old(110), at(0)).await, waiting());
    assert_eq!(fixture.observe(1).await.waiting, 3);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_new_epoch_has_passes_holds_and_limits(#[case] queue: Arc<dyn SaleQueueStore>) {
    let mut fixture = Fixture::open(queue).await;
    let pass = |n: u8, hold, ended, end| SnapshotPass {
        place: Place { buyer: buyer(n), number: n.into() },
        expires_at: at(end),
        hold,
        ended,
    };
    let held = |n, active| SnapshotHold { hold: hold(n), buyer: buyer(n), lines: vec![units("pair", 2)], active };
    let snapshot = Snapshot {
        stock: vec![count("pair", 4, 4, 2)],
        holds: vec![held(2, true), held(3, false)],
        buyers: vec![(buyer(2), 2), (buyer(3), 2), (buyer(4), 2), (buyer(1), 3)],
        passes: vec![
            pass(1, None, false, 9_000),
            pass(2, Some(hold(2)), false, 9_000),
            pass(3, Some(hold(3)), false, 9_000),
            pass(4, Some(hold(4)), false, 9_000),
            pass(5, None, true, 9_000),
            pass(6, None, false, 5),
        ],
        ..after_a_loss()
    };
    fixture.begin_next_epoch(&snapshot, at(5)).await;
    let seen = fixture.observe(1).await;
    assert_eq!((seen.active, seen.without_hold, seen.called, seen.waiting), (2, 1, 0, 0));
    for (n, status) in [
        (1, TicketStatus::Admitted),
        (2, TicketStatus::Consumed { hold: hold(2) }),
        (4, TicketStatus::Consumed { hold: hold(4) }),
        (5, TicketStatus::Left),
        (6, TicketStatus::Admitted),
    ] {
        assert_eq!(fixture.standing_of(n, old(n.into()), at(5)).await, status, "buyer {n}");
    }
    assert_eq!(fixture.enter(1, 1, at(5)).await, EnterOutcome::Admitted { expires_at: at(9_000) });
    assert_eq!(
        fixture.standing_of(5, old(200), at(5)).await,
        waiting(),
        "a later ticket than the one that was given up"
    );
    assert_eq!(fixture.standing_of(1, old(200), at(5)).await, TicketStatus::Left, "the ticket with the pass counts");
    let requests = [(2, 1), (4, 1), (1, 2), (1, 1)].map(|(n, quantity)| reservation(n, &[units("pair", quantity)]));
    let taken = fixture.queue.reserve(&fixture.key, &requests, at(5)).await.unwrap();
    assert_eq!(
        taken,
        [
            ReservationOutcome::Reserved,
            ReservationOutcome::HoldEnded,
            ReservationOutcome::LimitReached,
            ReservationOutcome::Reserved
        ]
    );
    assert_eq!(fixture.stock().await, [count("pair", 3, 5, 2)]);
    fixture.queue.end_holds(&fixture.key, &[HoldEnd { hold: hold(3), ending: HoldEnding::Committed }]).await.unwrap();
    fixture.queue.end_holds(&fixture.key, &[HoldEnd { hold: hold(2), ending: HoldEnding::NeverPlaced }]).await.unwrap();
    assert_eq!(fixture.stock().await, [count("pair", 5, 1, 4)]);
    assert_eq!(fixture.standing_of(2, old(2), at(5)).await, TicketStatus::Admitted);
    let seen = fixture.observe(1).await;
    assert_eq!((seen.active, seen.without_hold), (2, 1));
}
