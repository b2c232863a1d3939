//! The queue: join, wait, be called, enter, leave.

use std::sync::Arc;

use rstest_reuse::apply;
use stores::queue_store::{
    CallBatch, CallOutcome, EnterOutcome, JoinOutcome, JoinRequest, PublishOutcome, ReservationOutcome, SaleQueueStore,
    TicketStatus,
};

use crate::fixture::{
    ALLOCATED_UP_TO, Fixture, PASS_EXPIRES, admitted, at, buyer, every_queue, new, reservation, units, waiting,
};

#[apply(every_queue)]
#[tokio::test]
async fn a_buyer_keeps_number_and_time_of_joining(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    assert_eq!(fixture.join(1, at(0)).await, new(1, at(0)));
    assert_eq!(fixture.join(2, at(99)).await, new(2, at(0)), "within a tenth of a second the moment is shared");
    assert_eq!(fixture.join(3, at(100)).await, new(3, at(100)));
    for (n, moment) in [(1, at(0)), (2, at(0)), (3, at(100))] {
        let again = JoinOutcome::Existing { number: n.into(), joined_at: Some(moment), status: waiting() };
        assert_eq!(fixture.join(n, at(5_000)).await, again);
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn requests_of_one_batch_are_answered_in_order(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    let requests = [4, 2, 4, 3].map(|n| JoinRequest { buyer: buyer(n), ticket: None });
    let joined = fixture.queue.join(&fixture.key, &requests, ALLOCATED_UP_TO, at(0)).await.unwrap();
    let existing = JoinOutcome::Existing { number: 1, joined_at: Some(at(0)), status: waiting() };
    assert_eq!(joined, [new(1, at(0)), new(2, at(0)), existing, new(3, at(0))]);
}

#[apply(every_queue)]
#[tokio::test]
async fn no_number_above_the_allocated_ones_is_given(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    let requests = [1, 2, 3, 1].map(|n| JoinRequest { buyer: buyer(n), ticket: None });
    let joined = fixture.queue.join(&fixture.key, &requests, 2, at(0)).await.unwrap();
    let first_again = JoinOutcome::Existing { number: 1, joined_at: Some(at(0)), status: waiting() };
    assert_eq!(joined, [new(1, at(0)), new(2, at(0)), JoinOutcome::AllocationReached, first_again]);
    assert_eq!(fixture.observe(1).await.last_number, 2);
    assert_eq!(fixture.join(3, at(1)).await, new(3, at(0)));
}

#[apply(every_queue)]
#[tokio::test]
async fn a_large_batch_is_joined_and_called_in_order(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    let buyer = |n: u64| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        sale::BuyerId::from_bytes(bytes)
    };
    let requests: Vec<_> = (1..=3_000).map(|n| JoinRequest { buyer: buyer(n), ticket: None }).collect();
    let joined = fixture.queue.join(&fixture.key, &requests, 10_000, at(0)).await.unwrap();
    assert_eq!(joined.last(), Some(&new(3_000, at(0))));
    assert_eq!(fixture.observe(2_222).await.nth_number, 2_222);
    assert_eq!(fixture.call(1, 2_500, at(10)).await, CallOutcome::Called { called: 2_500, serving: 2_500 });
    let seen = fixture.observe(1).await;
    assert_eq!((seen.waiting, seen.nth_number, seen.called), (500, 2_501, 2_500));
    assert_eq!(seen.histogram, [0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 256, 184]);
    let swept = [
        fixture.queue.sweep(&fixture.key, at(10)).await.unwrap(),
        fixture.queue.sweep(&fixture.key, at(10)).await.unwrap(),
    ];
    assert_eq!(swept, [1_000, 1_000]);
}

#[apply(every_queue)]
#[tokio::test]
async fn the_lowest_numbers_are_called_and_none_above_the_limit(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(5).await;
    assert_eq!(fixture.leave(2, 2, at(0)).await, waiting());
    let batch = CallBatch { term: 1, seq: 1, calls: 2, up_to: 5, until: at(60_000) };
    assert_eq!(
        fixture.queue.call(&fixture.key, batch, at(0)).await.unwrap(),
        CallOutcome::Called { called: 2, serving: 3 }
    );
    for (n, status) in [
        (1, TicketStatus::Called { until: at(60_000) }),
        (2, TicketStatus::Left),
        (3, TicketStatus::Called { until: at(60_000) }),
        (4, waiting()),
    ] {
        assert_eq!(fixture.standing(n, n.into(), at(1)).await, status, "buyer {n}");
    }
    let to_four = CallBatch { term: 1, seq: 2, calls: 9, up_to: 4, until: at(60_000) };
    assert_eq!(
        fixture.queue.call(&fixture.key, to_four, at(0)).await.unwrap(),
        CallOutcome::Called { called: 1, serving: 4 }
    );
    let seen = fixture.observe(1).await;
    assert_eq!((seen.called, seen.called_total, seen.waiting, seen.nth_number), (3, 3, 1, 5));
}

#[apply(every_queue)]
#[tokio::test]
async fn a_repeated_batch_calls_nobody_more(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(9).await;
    let batch = |term, seq| CallBatch { term, seq, calls: 2, up_to: 9, until: at(60_000) };
    let call = async |term, seq| fixture.queue.call(&fixture.key, batch(term, seq), at(0)).await.unwrap();
    assert_eq!(call(3, 1).await, CallOutcome::Called { called: 2, serving: 2 });
    assert_eq!(call(3, 1).await, CallOutcome::Called { called: 2, serving: 2 });
    assert_eq!(call(3, 2).await, CallOutcome::Called { called: 2, serving: 4 });
    assert_eq!(call(3, 1).await, CallOutcome::Called { called: 0, serving: 4 }, "an earlier batch of the same term");
    assert_eq!(call(2, 9).await, CallOutcome::StaleTerm { term: 3 });
    assert_eq!(call(4, 1).await, CallOutcome::Called { called: 2, serving: 6 });
    assert_eq!(call(3, 3).await, CallOutcome::StaleTerm { term: 4 });
    assert_eq!(fixture.observe(1).await.called_total, 6);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_missed_call_allows_one_return_to_the_front(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(4).await;
    fixture.call(1, 2, at(100)).await;
    assert_eq!(fixture.queue.sweep(&fixture.key, at(99)).await.unwrap(), 0);
    assert_eq!(fixture.queue.sweep(&fixture.key, at(100)).await.unwrap(), 2);
    assert_eq!(fixture.queue.sweep(&fixture.key, at(100)).await.unwrap(), 0);
    assert_eq!(fixture.observe(1).await.waiting, 2, "a late ticket does not wait before it returns");
    assert_eq!(fixture.standing(2, 2, at(200)).await, TicketStatus::Late);
    assert_eq!(fixture.standing(1, 1, at(200)).await, TicketStatus::Late);
    assert_eq!(fixture.enter(1, 1, at(200)).await, EnterOutcome::NotCalled(TicketStatus::Late));
    assert_eq!(fixture.call(2, 3, at(300)).await, CallOutcome::Called { called: 3, serving: 3 });
    fixture.queue.sweep(&fixture.key, at(300)).await.unwrap();
    assert_eq!(fixture.standing(1, 1, at(300)).await, TicketStatus::Expired);
    assert_eq!(fixture.standing(3, 3, at(300)).await, TicketStatus::Late, "it was this one's first miss");
    assert_eq!(fixture.enter(2, 2, at(300)).await, EnterOutcome::Gone(TicketStatus::Expired));
    assert_eq!(fixture.join(1, at(301)).await, new(5, at(301)));
}

#[apply(every_queue)]
#[tokio::test]
async fn a_window_ends_without_a_sweep_and_counts_until_its_status_is_read(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(2).await;
    fixture.call(1, 2, at(100)).await;
    assert_eq!(fixture.enter(1, 1, at(100)).await, EnterOutcome::NotCalled(TicketStatus::Late));
    assert_eq!(fixture.observe(1).await.called, 1);
    assert_eq!(
        fixture.join(2, at(100)).await,
        JoinOutcome::Existing { number: 2, joined_at: Some(at(0)), status: TicketStatus::Late }
    );
    assert_eq!(fixture.observe(1).await.called, 0);
    fixture.call(2, 2, at(200)).await;
    assert_eq!(fixture.standing(1, 1, at(200)).await, TicketStatus::Expired);
    assert_eq!(fixture.leave(2, 2, at(200)).await, TicketStatus::Expired);
}

#[apply(every_queue)]
#[tokio::test]
async fn an_admitted_buyer_is_active_until_the_pass_expires(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(3).await;
    assert_eq!(fixture.enter(1, 1, at(0)).await, EnterOutcome::NotCalled(waiting()));
    fixture.call(1, 2, at(100)).await;
    assert_eq!(fixture.enter(1, 1, at(99)).await, admitted());
    assert_eq!(
        fixture.enter_until(1, 1, at(5_000), at(700_000)).await,
        admitted(),
        "a repeated request gets the same pass"
    );
    assert_eq!(fixture.standing(1, 1, at(5_000)).await, TicketStatus::Admitted);
    let seen = fixture.observe(1).await;
    assert_eq!((seen.called, seen.active, seen.without_hold, seen.admitted_total), (1, 1, 1, 1));
    for (swept, active) in [(at(599_999), 1), (at(600_000), 0)] {
        fixture.queue.sweep(&fixture.key, swept).await.unwrap();
        assert_eq!(fixture.observe(1).await.active, active);
    }
    assert_eq!(
        fixture.join(1, at(599_999)).await,
        JoinOutcome::Existing { number: 1, joined_at: Some(at(0)), status: TicketStatus::Admitted }
    );
    assert_eq!(fixture.join(1, at(600_000)).await, new(4, at(600_000)), "the pass expired unused");
}

/// A request by a slow clock or a slow connection is admitted only while the leader still counts its buyer: somebody else may
/// have been called instead.
#[apply(every_queue)]
#[tokio::test]
async fn a_buyer_who_was_swept_is_not_admitted(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(3).await;
    fixture.call(1, 2, at(100)).await;
    assert_eq!(fixture.enter(1, 1, at(99)).await, admitted());
    fixture.queue.sweep(&fixture.key, at(100)).await.unwrap();
    assert_eq!(fixture.enter(2, 2, at(99)).await, EnterOutcome::NotCalled(TicketStatus::Late));
    let inside = async || {
        let seen = fixture.observe(1).await;
        (seen.called, seen.active)
    };
    assert_eq!(inside().await, (0, 1));
    fixture.queue.sweep(&fixture.key, at(PASS_EXPIRES)).await.unwrap();
    let taken = fixture.queue.reserve(&fixture.key, &[reservation(1, &[units("pair", 1)])], at(7)).await.unwrap();
    assert_eq!((taken, inside().await), (vec![ReservationOutcome::PassExpired], (0, 0)));
}

#[apply(every_queue)]
#[tokio::test]
async fn leaving_returns_the_status_before_and_ends_the_ticket(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(5).await;
    fixture.call(1, 3, at(100)).await;
    fixture.enter(1, 1, at(1)).await;
    assert_eq!(fixture.leave(2, 2, at(1)).await, TicketStatus::Called { until: at(100) });
    assert_eq!(fixture.leave(1, 1, at(1)).await, TicketStatus::Admitted);
    assert_eq!(fixture.leave(3, 3, at(100)).await, TicketStatus::Late);
    assert_eq!(fixture.leave(4, 4, at(100)).await, waiting());
    for n in 1..=4 {
        assert_eq!(fixture.leave(n, n.into(), at(100)).await, TicketStatus::Left);
        assert_eq!(fixture.standing(n, n.into(), at(100)).await, TicketStatus::Left);
        assert_eq!(fixture.enter(n, n.into(), at(100)).await, EnterOutcome::Gone(TicketStatus::Left));
    }
    let seen = fixture.observe(1).await;
    assert_eq!((seen.waiting, seen.called, seen.active, seen.nth_number), (1, 0, 0, 5));
    assert_eq!(seen.histogram, [1]);
    assert_eq!(fixture.join(4, at(100)).await, new(6, at(100)));
    assert_eq!(fixture.standing(4, 4, at(100)).await, TicketStatus::Left, "the earlier ticket stays given up");
    assert_eq!(fixture.leave(4, 4, at(100)).await, TicketStatus::Left);
    assert_eq!(fixture.standing(4, 6, at(100)).await, waiting());
}

#[apply(every_queue)]
#[tokio::test]
async fn an_empty_queue_is_observed_as_empty(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    let seen = fixture.observe(1).await;
    assert_eq!((seen.last_number, seen.waiting, seen.nth_number), (0, 0, 0));
    assert!(seen.histogram.is_empty());
    fixture.join_first(3).await;
    for (nth, number) in [(0, 0), (1, 1), (3, 3), (99, 3)] {
        assert_eq!(fixture.observe(nth).await.nth_number, number);
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn only_the_leader_of_the_current_term_publishes(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    assert_eq!(fixture.queue.frame(&fixture.key).await.unwrap(), None);
    let publish =
        async |term, frame: &'static str| fixture.queue.publish(&fixture.key, term, frame.into()).await.unwrap();
    let frame = async || fixture.queue.frame(&fixture.key).await.unwrap().unwrap();
    assert_eq!(publish(1, "first").await, PublishOutcome::Stored);
    assert_eq!(publish(1, "second").await, PublishOutcome::Stored);
    assert_eq!(frame().await, "second");
    let fence = CallBatch { term: 2, seq: 0, calls: 0, up_to: 0, until: at(0) };
    fixture.queue.call(&fixture.key, fence, at(0)).await.unwrap();
    assert_eq!(publish(1, "of a leader that was stopped").await, PublishOutcome::StaleTerm);
    assert_eq!(frame().await, "second", "the new leader continues from it");
    assert_eq!(publish(2, "third").await, PublishOutcome::Stored);
    assert_eq!(frame().await, "third");
}

#[apply(every_queue)]
#[tokio::test]
async fn every_process_reads_the_numbers_that_left_before_their_call(#[case] queue: Arc<dyn SaleQueueStore>) {
    let fixture = Fixture::open(queue).await;
    fixture.join_first(5).await;
    assert!(fixture.queue.departed(&fixture.key, 0).await.unwrap().is_empty());
    fixture.leave(4, 4, at(0)).await;
    fixture.leave(2, 2, at(0)).await;
    fixture.leave(2, 2, at(0)).await;
    assert_eq!(fixture.queue.departed(&fixture.key, 0).await.unwrap(), [4, 2]);
    fixture.call(1, 1, at(60_000)).await;
    fixture.leave(1, 1, at(0)).await;
    assert_eq!(
        fixture.queue.departed(&fixture.key, 2).await.unwrap(),
        [0_u64; 0],
        "the status of called numbers is read anyway"
    );
}
