//! The line: joining, waiting, being called, entering, leaving.

use std::sync::Arc;

use rstest_reuse::apply;
use stores::queue_store::{
    CallBatch, CallOutcome, EnterOutcome, JoinOutcome, JoinRequest, PublishOutcome, ReservationOutcome, SaleQueueStore,
    TicketStatus,
};

use crate::bench::{ALLOCATED_UP_TO, Bench, PASS_ENDS, admitted, at, buyer, every_queue, new, take, units, waiting};

#[apply(every_queue)]
#[tokio::test]
async fn the_same_buyer_has_the_same_number_and_the_same_moment(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    assert_eq!(bench.join(1, at(0)).await, new(1, at(0)));
    assert_eq!(bench.join(2, at(99)).await, new(2, at(0)), "within a tenth of a second the moment is shared");
    assert_eq!(bench.join(3, at(100)).await, new(3, at(100)));
    for (n, moment) in [(1, at(0)), (2, at(0)), (3, at(100))] {
        let again = JoinOutcome::Existing { number: n.into(), joined_at: Some(moment), status: waiting() };
        assert_eq!(bench.join(n, at(5_000)).await, again);
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn asks_of_one_batch_are_answered_in_order(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    let asks = [4, 2, 4, 3].map(|n| JoinRequest { buyer: buyer(n), ticket: None });
    let joined = bench.queue.join(&bench.key, &asks, ALLOCATED_UP_TO, at(0)).await.unwrap();
    let seated = JoinOutcome::Existing { number: 1, joined_at: Some(at(0)), status: waiting() };
    assert_eq!(joined, [new(1, at(0)), new(2, at(0)), seated, new(3, at(0))]);
}

#[apply(every_queue)]
#[tokio::test]
async fn no_number_above_the_allocated_ones_is_given(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    let asks = [1, 2, 3, 1].map(|n| JoinRequest { buyer: buyer(n), ticket: None });
    let joined = bench.queue.join(&bench.key, &asks, 2, at(0)).await.unwrap();
    let first_again = JoinOutcome::Existing { number: 1, joined_at: Some(at(0)), status: waiting() };
    assert_eq!(joined, [new(1, at(0)), new(2, at(0)), JoinOutcome::AllocationReached, first_again]);
    assert_eq!(bench.observe(1).await.last_number, 2);
    assert_eq!(bench.join(3, at(1)).await, new(3, at(0)));
}

#[apply(every_queue)]
#[tokio::test]
async fn a_large_batch_is_joined_and_called_in_order(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    let buyer = |n: u64| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        sale::BuyerId::from_bytes(bytes)
    };
    let asks: Vec<_> = (1..=3_000).map(|n| JoinRequest { buyer: buyer(n), ticket: None }).collect();
    let joined = bench.queue.join(&bench.key, &asks, 10_000, at(0)).await.unwrap();
    assert_eq!(joined.last(), Some(&new(3_000, at(0))));
    assert_eq!(bench.observe(2_222).await.nth_number, 2_222);
    assert_eq!(bench.call(1, 2_500, at(10)).await, CallOutcome::Called { called: 2_500, serving: 2_500 });
    let seen = bench.observe(1).await;
    assert_eq!((seen.waiting, seen.nth_number, seen.called), (500, 2_501, 2_500));
    assert_eq!(seen.histogram, [0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 256, 184]);
    let swept =
        [bench.queue.sweep(&bench.key, at(10)).await.unwrap(), bench.queue.sweep(&bench.key, at(10)).await.unwrap()];
    assert_eq!(swept, [1_000, 1_000]);
}

#[apply(every_queue)]
#[tokio::test]
async fn the_lowest_seated_are_called_and_nobody_above_the_cursor(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(5).await;
    assert_eq!(bench.leave(2, 2, at(0)).await, waiting());
    let batch = CallBatch { term: 1, seq: 1, calls: 2, up_to: 5, until: at(60_000) };
    assert_eq!(
        bench.queue.call(&bench.key, batch, at(0)).await.unwrap(),
        CallOutcome::Called { called: 2, serving: 3 }
    );
    for (n, status) in [
        (1, TicketStatus::Called { until: at(60_000) }),
        (2, TicketStatus::Left),
        (3, TicketStatus::Called { until: at(60_000) }),
        (4, waiting()),
    ] {
        assert_eq!(bench.standing(n, n.into(), at(1)).await, status, "buyer {n}");
    }
    let to_four = CallBatch { term: 1, seq: 2, calls: 9, up_to: 4, until: at(60_000) };
    assert_eq!(
        bench.queue.call(&bench.key, to_four, at(0)).await.unwrap(),
        CallOutcome::Called { called: 1, serving: 4 }
    );
    let seen = bench.observe(1).await;
    assert_eq!((seen.called, seen.called_total, seen.waiting, seen.nth_number), (3, 3, 1, 5));
}

#[apply(every_queue)]
#[tokio::test]
async fn a_batch_that_is_sent_again_calls_nobody_more(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(9).await;
    let batch = |term, seq| CallBatch { term, seq, calls: 2, up_to: 9, until: at(60_000) };
    let call = async |term, seq| bench.queue.call(&bench.key, batch(term, seq), at(0)).await.unwrap();
    assert_eq!(call(3, 1).await, CallOutcome::Called { called: 2, serving: 2 });
    assert_eq!(call(3, 1).await, CallOutcome::Called { called: 2, serving: 2 });
    assert_eq!(call(3, 2).await, CallOutcome::Called { called: 2, serving: 4 });
    assert_eq!(call(3, 1).await, CallOutcome::Called { called: 0, serving: 4 }, "a straggler of the same reign");
    assert_eq!(call(2, 9).await, CallOutcome::StaleTerm { term: 3 });
    assert_eq!(call(4, 1).await, CallOutcome::Called { called: 2, serving: 6 });
    assert_eq!(call(3, 3).await, CallOutcome::StaleTerm { term: 4 });
    assert_eq!(bench.observe(1).await.called_total, 6);
}

#[apply(every_queue)]
#[tokio::test]
async fn a_missed_call_gives_one_return_to_the_front(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(4).await;
    bench.call(1, 2, at(100)).await;
    assert_eq!(bench.queue.sweep(&bench.key, at(99)).await.unwrap(), 0);
    assert_eq!(bench.queue.sweep(&bench.key, at(100)).await.unwrap(), 2);
    assert_eq!(bench.queue.sweep(&bench.key, at(100)).await.unwrap(), 0);
    assert_eq!(bench.observe(1).await.waiting, 2, "who is late and has not come back does not wait");
    assert_eq!(bench.standing(2, 2, at(200)).await, TicketStatus::Late);
    assert_eq!(bench.standing(1, 1, at(200)).await, TicketStatus::Late);
    assert_eq!(bench.enter(1, 1, at(200)).await, EnterOutcome::NotCalled(TicketStatus::Late));
    assert_eq!(bench.call(2, 3, at(300)).await, CallOutcome::Called { called: 3, serving: 3 });
    bench.queue.sweep(&bench.key, at(300)).await.unwrap();
    assert_eq!(bench.standing(1, 1, at(300)).await, TicketStatus::Expired);
    assert_eq!(bench.standing(3, 3, at(300)).await, TicketStatus::Late, "it was this one's first miss");
    assert_eq!(bench.enter(2, 2, at(300)).await, EnterOutcome::Gone(TicketStatus::Expired));
    assert_eq!(bench.join(1, at(301)).await, new(5, at(301)));
}

#[apply(every_queue)]
#[tokio::test]
async fn a_window_ends_without_a_sweep_and_counts_until_somebody_asks(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(2).await;
    bench.call(1, 2, at(100)).await;
    assert_eq!(bench.enter(1, 1, at(100)).await, EnterOutcome::NotCalled(TicketStatus::Late));
    assert_eq!(bench.observe(1).await.called, 1);
    assert_eq!(
        bench.join(2, at(100)).await,
        JoinOutcome::Existing { number: 2, joined_at: Some(at(0)), status: TicketStatus::Late }
    );
    assert_eq!(bench.observe(1).await.called, 0);
    bench.call(2, 2, at(200)).await;
    assert_eq!(bench.standing(1, 1, at(200)).await, TicketStatus::Expired);
    assert_eq!(bench.leave(2, 2, at(200)).await, TicketStatus::Expired);
}

#[apply(every_queue)]
#[tokio::test]
async fn who_enters_is_inside_until_the_pass_ends(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(3).await;
    assert_eq!(bench.enter(1, 1, at(0)).await, EnterOutcome::NotCalled(waiting()));
    bench.call(1, 2, at(100)).await;
    assert_eq!(bench.enter(1, 1, at(99)).await, admitted());
    assert_eq!(bench.enter_until(1, 1, at(5_000), at(700_000)).await, admitted(), "asking again gives the same pass");
    assert_eq!(bench.standing(1, 1, at(5_000)).await, TicketStatus::Admitted);
    let seen = bench.observe(1).await;
    assert_eq!((seen.called, seen.active, seen.without_hold, seen.admitted_total), (1, 1, 1, 1));
    for (swept, active) in [(at(599_999), 1), (at(600_000), 0)] {
        bench.queue.sweep(&bench.key, swept).await.unwrap();
        assert_eq!(bench.observe(1).await.active, active);
    }
    assert_eq!(
        bench.join(1, at(599_999)).await,
        JoinOutcome::Existing { number: 1, joined_at: Some(at(0)), status: TicketStatus::Admitted }
    );
    assert_eq!(bench.join(1, at(600_000)).await, new(4, at(600_000)), "the pass ran out unused");
}

/// Whoever asks by a clock that is behind, or whose request took its time, comes in only while the leader still counts
/// them: it may have called somebody else in their place.
#[apply(every_queue)]
#[tokio::test]
async fn who_was_counted_out_does_not_come_in(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(3).await;
    bench.call(1, 2, at(100)).await;
    assert_eq!(bench.enter(1, 1, at(99)).await, admitted());
    bench.queue.sweep(&bench.key, at(100)).await.unwrap();
    assert_eq!(bench.enter(2, 2, at(99)).await, EnterOutcome::NotCalled(TicketStatus::Late));
    let inside = async || {
        let seen = bench.observe(1).await;
        (seen.called, seen.active)
    };
    assert_eq!(inside().await, (0, 1));
    bench.queue.sweep(&bench.key, at(PASS_ENDS)).await.unwrap();
    let taken = bench.queue.reserve(&bench.key, &[take(1, &[units("pair", 1)])], at(7)).await.unwrap();
    assert_eq!((taken, inside().await), (vec![ReservationOutcome::PassExpired], (0, 0)));
}

#[apply(every_queue)]
#[tokio::test]
async fn who_leaves_tells_what_it_had_been_and_starts_anew(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(5).await;
    bench.call(1, 3, at(100)).await;
    bench.enter(1, 1, at(1)).await;
    assert_eq!(bench.leave(2, 2, at(1)).await, TicketStatus::Called { until: at(100) });
    assert_eq!(bench.leave(1, 1, at(1)).await, TicketStatus::Admitted);
    assert_eq!(bench.leave(3, 3, at(100)).await, TicketStatus::Late);
    assert_eq!(bench.leave(4, 4, at(100)).await, waiting());
    for n in 1..=4 {
        assert_eq!(bench.leave(n, n.into(), at(100)).await, TicketStatus::Left);
        assert_eq!(bench.standing(n, n.into(), at(100)).await, TicketStatus::Left);
        assert_eq!(bench.enter(n, n.into(), at(100)).await, EnterOutcome::Gone(TicketStatus::Left));
    }
    let seen = bench.observe(1).await;
    assert_eq!((seen.waiting, seen.called, seen.active, seen.nth_number), (1, 0, 0, 5));
    assert_eq!(seen.histogram, [1]);
    assert_eq!(bench.join(4, at(100)).await, new(6, at(100)));
    assert_eq!(bench.standing(4, 4, at(100)).await, TicketStatus::Left, "the old ticket is not the place any more");
    assert_eq!(bench.leave(4, 4, at(100)).await, TicketStatus::Left);
    assert_eq!(bench.standing(4, 6, at(100)).await, waiting());
}

#[apply(every_queue)]
#[tokio::test]
async fn nothing_is_seen_of_an_empty_line(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    let seen = bench.observe(1).await;
    assert_eq!((seen.last_number, seen.waiting, seen.nth_number), (0, 0, 0));
    assert!(seen.histogram.is_empty());
    bench.crowd(3).await;
    for (nth, number) in [(0, 0), (1, 1), (3, 3), (99, 3)] {
        assert_eq!(bench.observe(nth).await.nth_number, number);
    }
}

#[apply(every_queue)]
#[tokio::test]
async fn only_the_leader_that_reigns_is_heard(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    assert_eq!(bench.queue.frame(&bench.key).await.unwrap(), None);
    let publish = async |term, frame: &'static str| bench.queue.publish(&bench.key, term, frame.into()).await.unwrap();
    let frame = async || bench.queue.frame(&bench.key).await.unwrap().unwrap();
    assert_eq!(publish(1, "first").await, PublishOutcome::Stored);
    assert_eq!(publish(1, "second").await, PublishOutcome::Stored);
    assert_eq!(frame().await, "second");
    let fence = CallBatch { term: 2, seq: 0, calls: 0, up_to: 0, until: at(0) };
    bench.queue.call(&bench.key, fence, at(0)).await.unwrap();
    assert_eq!(publish(1, "of one who was asleep").await, PublishOutcome::StaleTerm);
    assert_eq!(frame().await, "second", "what the new leader goes on from");
    assert_eq!(publish(2, "third").await, PublishOutcome::Stored);
    assert_eq!(frame().await, "third");
}

#[apply(every_queue)]
#[tokio::test]
async fn every_process_hears_who_left_before_being_called(#[case] queue: Arc<dyn SaleQueueStore>) {
    let bench = Bench::open(queue).await;
    bench.crowd(5).await;
    assert!(bench.queue.departed(&bench.key, 0).await.unwrap().is_empty());
    bench.leave(4, 4, at(0)).await;
    bench.leave(2, 2, at(0)).await;
    bench.leave(2, 2, at(0)).await;
    assert_eq!(bench.queue.departed(&bench.key, 0).await.unwrap(), [4, 2]);
    bench.call(1, 1, at(60_000)).await;
    bench.leave(1, 1, at(0)).await;
    assert_eq!(bench.queue.departed(&bench.key, 2).await.unwrap(), [0_u64; 0], "called numbers ask the store anyway");
}
