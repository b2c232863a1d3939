//! Consumer groups: every group gets every event, its readers share them, and an order's events come in order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rstest_reuse::apply;
use sale::{Event, OrderId};
use stores::events::ConsumerGroup;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fixture::{
    Fixture, Recorder, Slow, TIMEOUT, event, events_of, every_log, every_log_and_database, live_kafka, order, sorted,
};

#[apply(every_log_and_database)]
#[tokio::test]
async fn every_event_reaches_every_group(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let events = events_of(0..20);
    fixture.publish(&events[..10]).await;
    let readers: Vec<_> = ConsumerGroup::ALL
        .iter()
        .map(|group| {
            let reader = Recorder::accepting();
            let stop = fixture.subscribe(*group, &reader);
            (reader, stop)
        })
        .collect();
    fixture.publish(&events[10..]).await;
    for (reader, stop) in readers {
        assert_eq!(sorted(reader.done(20).await), sorted(events.clone()));
        stop.cancel();
    }
    fixture.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn the_events_of_an_order_come_in_order(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let events: Vec<_> = (0..40).flat_map(|nth| (0..25).map(move |number| event(order(number), nth))).collect();
    let reader = Recorder::accepting();
    let stop = fixture.subscribe(ConsumerGroup::Stock, &reader);
    for part in events.chunks(150) {
        fixture.publish(part).await;
    }
    let mut by_order: BTreeMap<OrderId, Vec<Event>> = BTreeMap::new();
    for event in reader.done(events.len()).await {
        by_order.entry(event.order).or_default().push(event);
    }
    assert_eq!(by_order.len(), 25);
    for events in by_order.values() {
        assert_eq!(events.len(), 40);
        assert!(events.is_sorted_by_key(|event| event.at), "{events:?}");
    }
    stop.cancel();
    fixture.ended().await;
}

#[tokio::test]
async fn live_kafka_two_readers_share_the_partitions() {
    let fixture = live_kafka().await;
    let (one, other) = (Recorder::accepting(), Recorder::accepting());
    let stops = [fixture.subscribe(ConsumerGroup::Stock, &one), fixture.subscribe(ConsumerGroup::Stock, &other)];
    let mut published = 0;
    let both_are_at_work = async {
        while one.now_done().is_empty() || other.now_done().is_empty() {
            fixture.publish(&events_of(published..published + 10)).await;
            published += 10;
        }
    };
    timeout(TIMEOUT, both_are_at_work).await.expect("both get some");
    fixture.publish(&events_of(published..published + 60)).await;
    let new = events_of(published..published + 60);
    let (mut of_one, mut of_other) = (one.done.subscribe(), other.done.subscribe());
    let all_arrived = async {
        while !new.iter().all(|event| one.now_done().contains(event) || other.now_done().contains(event)) {
            tokio::select! { _ = of_one.changed() => {} _ = of_other.changed() => {} }
        }
    };
    timeout(TIMEOUT, all_arrived).await.expect("together they get everything");
    assert!(new.iter().any(|event| one.now_done().contains(event)));
    assert!(new.iter().any(|event| other.now_done().contains(event)));
    stops.iter().for_each(CancellationToken::cancel);
    fixture.ended().await;
}

#[tokio::test]
async fn live_kafka_nothing_is_lost_while_readers_come_and_go() {
    let fixture = live_kafka().await;
    let (steady, guest) = (Recorder::accepting(), Recorder::accepting());
    let stop_steady = fixture.subscribe(ConsumerGroup::Stock, &steady);
    let mut events = Vec::new();
    for round in 0..8 {
        let new = events_of(round * 40..(round + 1) * 40);
        let stop_guest = fixture.subscribe(ConsumerGroup::Stock, &Arc::new(Slow(Arc::clone(&guest))));
        for part in new.chunks(8) {
            fixture.publish(part).await;
        }
        // Until somebody has got some of this round, so that the guest leaves in the midst of the work.
        let mut of_steady = steady.done.subscribe();
        let some_arrived = of_steady.wait_for(|done| new.iter().any(|event| done.contains(event)));
        drop(timeout(Duration::from_secs(2), some_arrived).await);
        stop_guest.cancel();
        events.extend(new);
    }
    let (mut of_steady, mut of_guest) = (steady.done.subscribe(), guest.done.subscribe());
    let all_arrived = async {
        while !events.iter().all(|event| steady.now_done().contains(event) || guest.now_done().contains(event)) {
            tokio::select! { _ = of_steady.changed() => {} _ = of_guest.changed() => {} }
        }
    };
    timeout(TIMEOUT, all_arrived).await.expect("together they get everything");
    stop_steady.cancel();
    fixture.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn when_one_of_two_readers_stops_the_other_goes_on_for_both(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let (one, other) = (Recorder::accepting(), Recorder::accepting());
    let stop_one = fixture.subscribe(ConsumerGroup::Stock, &one);
    fixture.publish(&events_of(0..1)).await;
    one.done(1).await;
    let stop_other = fixture.subscribe(ConsumerGroup::Stock, &other);
    fixture.publish(&events_of(1..30)).await;
    stop_one.cancel();
    fixture.publish(&events_of(30..60)).await;
    other.until(|done| events_of(30..60).iter().all(|event| done.contains(event))).await;
    let all = [one.now_done(), other.now_done()].concat();
    assert!(events_of(0..60).iter().all(|event| all.contains(event)));
    stop_other.cancel();
    fixture.ended().await;
}
