//! Redelivery: what is postponed, failed or interrupted is delivered again, and what is given up becomes a dead letter.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use rstest_reuse::apply;
use sale::{Event, OrderId};
use stores::{
    StoreError,
    events::{ConsumerGroup, Handler, OutboxRecord, Progress},
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::fixture::{
    Fixture, Recorder, TIMEOUT, event, events_of, every_log, every_log_and_database, order, record, sorted,
};

#[apply(every_log)]
#[tokio::test]
async fn a_postponed_event_is_redelivered_and_other_orders_go_on_meanwhile(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let postponed = order(0);
    let reader =
        Recorder::answering(move |batch, done| match batch.iter().position(|event| event.order == postponed) {
            Some(first) if done.len() < 20 => Ok(Progress::Again { done: first, after_ms: 20 }),
            _ => Ok(Progress::Done),
        });
    fixture.publish(&[event(postponed, 0), event(postponed, 1)]).await;
    fixture.publish(&events_of(1..41)).await;
    let stop = fixture.subscribe(ConsumerGroup::Payments, &reader);
    let done = reader.done(42).await;
    let of_postponed: Vec<_> = done.iter().filter(|event| event.order == postponed).cloned().collect();
    assert_eq!(of_postponed, [event(postponed, 0), event(postponed, 1)]);
    assert!(done.iter().position(|event| event.order == postponed).unwrap() >= 20);
    assert_eq!(sorted(done).len(), 42, "what was done did not come again");
    stop.cancel();
    fixture.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn a_failed_batch_is_redelivered_as_a_whole_until_it_succeeds(
    #[future(awt)]
    #[case]
    mut fixture: Fixture,
) {
    fixture.limit_attempts();
    let one = order(7);
    let failures = Mutex::new(0);
    let reader = Recorder::answering(move |_, _| {
        let mut failures = failures.lock();
        *failures += 1;
        if *failures <= 8 { Err(StoreError::Lost) } else { Ok(Progress::Done) }
    });
    let events: Vec<_> = (0..5).map(|nth| event(one, nth)).collect();
    fixture.publish(&events).await;
    let stop = fixture.subscribe(ConsumerGroup::Stock, &reader);
    assert_eq!(reader.done(5).await, events);
    let first = &events[0];
    assert!(reader.given().iter().filter(|event| *event == first).count() >= 9);
    assert_eq!(fixture.dead_letters().await, []);
    stop.cancel();
    fixture.ended().await;
}

#[apply(every_log_and_database)]
#[tokio::test]
async fn a_restarted_reader_continues_where_it_stopped(
    #[future(awt)]
    #[case]
    mut fixture: Fixture,
) {
    fixture.publish(&events_of(0..20)).await;
    let before = Recorder::accepting();
    let stop = fixture.subscribe(ConsumerGroup::Mail, &before);
    before.done(20).await;
    stop.cancel();
    fixture.ended().await;

    fixture.restarted().await;
    fixture.publish(&events_of(20..30)).await;
    let after = Recorder::accepting();
    let stop = fixture.subscribe(ConsumerGroup::Mail, &after);
    assert_eq!(sorted(after.done(10).await), sorted(events_of(20..30)));
    stop.cancel();
    fixture.ended().await;
}

/// A handler that never returns, like that of a process that was killed.
struct Killed(watch::Sender<usize>);

#[async_trait]
impl Handler for Killed {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        self.0.send_modify(|given| *given += batch.len());
        std::future::pending().await
    }
}

#[apply(every_log)]
#[tokio::test]
async fn what_a_killed_reader_was_handling_is_redelivered(
    #[future(awt)]
    #[case]
    mut fixture: Fixture,
) {
    let events = events_of(0..10);
    fixture.publish(&events).await;
    let killed = Arc::new(Killed(watch::Sender::new(0)));
    let mut given = killed.0.subscribe();
    let reading =
        fixture.log.subscribe(ConsumerGroup::Stock, Arc::clone(&killed) as Arc<dyn Handler>, CancellationToken::new());
    tokio::select! {
        _ = reading => panic!("a subscription ends only when it is stopped"),
        given = timeout(TIMEOUT, given.wait_for(|given| *given > 0)) => assert!(*given.unwrap().unwrap() > 0),
    }

    fixture.restarted().await;
    let reader = Recorder::accepting();
    let stop = fixture.subscribe(ConsumerGroup::Stock, &reader);
    assert_eq!(sorted(reader.done(10).await), sorted(events));
    stop.cancel();
    fixture.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn an_event_that_was_appended_twice_is_delivered_twice(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let events = events_of(0..3);
    fixture.publish(&events).await;
    fixture.publish(&events).await;
    let reader = Recorder::accepting();
    let stop = fixture.subscribe(ConsumerGroup::Stock, &reader);
    let mut counts: HashMap<OrderId, usize> = HashMap::new();
    for event in reader.done(6).await {
        *counts.entry(event.order).or_default() += 1;
    }
    assert!(counts.len() == 3 && counts.values().all(|count| *count == 2), "{counts:?}");
    stop.cancel();
    fixture.ended().await;
}

#[apply(every_log_and_database)]
#[tokio::test]
async fn a_malformed_event_becomes_a_dead_letter_and_the_rest_goes_on(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let one = order(1);
    let good = record(&event(one, 0));
    let with_body = |body: String| OutboxRecord { body, ..good.clone() };
    let malformed = [
        with_body("{not json".to_owned()),
        with_body("{}".to_owned()),
        with_body(good.body.replace("order.placed.v1", "order.placed.v9")),
        with_body(good.body.replace("{\"spec", &format!("{{\"x\":\"{}\",\"spec", "x".repeat(100_000)))),
        OutboxRecord { order: order(2).to_string(), ..good.clone() },
    ];
    fixture.publish_records(std::slice::from_ref(&good)).await;
    fixture.publish_records(&malformed).await;
    fixture.publish(&[event(one, 1)]).await;
    let reader = Recorder::accepting();
    let stop = fixture.subscribe(ConsumerGroup::Payments, &reader);
    assert_eq!(reader.done(2).await, [event(one, 0), event(one, 1)]);
    stop.cancel();
    fixture.ended().await;

    let letters = fixture.dead_letters().await;
    assert_eq!(letters.len(), 5, "{letters:?}");
    for record in &malformed {
        let letter =
            letters.iter().find(|letter| letter.body == record.body.as_bytes()).expect("it is kept as it came");
        assert_eq!(letter.group, "payments");
        assert!(!letter.reason.is_empty() && letter.place.contains('/'), "{letter:?}");
    }
}

#[apply(every_log)]
#[tokio::test]
async fn an_event_that_is_postponed_too_often_becomes_a_dead_letter(
    #[future(awt)]
    #[case]
    mut fixture: Fixture,
) {
    fixture.limit_attempts();
    let one = order(1);
    let never = event(one, 1);
    let reader = Recorder::answering(move |batch, _| {
        let never = batch.iter().position(|event| event.at == never.at);
        Ok(never.map_or(Progress::Done, |done| Progress::Again { done, after_ms: 1 }))
    });
    fixture.publish(&[event(one, 0), event(one, 1), event(one, 2)]).await;
    let stop = fixture.subscribe(ConsumerGroup::Mail, &reader);
    assert_eq!(reader.done(2).await, [event(one, 0), event(one, 2)]);
    let letters = fixture.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].body, event(one, 1).to_json().into_bytes());
    stop.cancel();
    fixture.ended().await;
}

#[apply(every_log)]
#[tokio::test]
async fn an_event_that_is_given_up_becomes_a_dead_letter_at_once(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let one = order(1);
    let sealed = event(one, 1);
    let reader = Recorder::answering(move |batch, _| {
        let sealed = batch.iter().position(|event| event.at == sealed.at);
        Ok(sealed.map_or(Progress::Done, |done| Progress::GiveUp { done, reason: "sealed" }))
    });
    fixture.publish(&[event(one, 0), event(one, 1), event(one, 2)]).await;
    let stop = fixture.subscribe(ConsumerGroup::Mail, &reader);
    assert_eq!(reader.done(2).await, [event(one, 0), event(one, 2)]);
    let given = reader.given().iter().filter(|given| **given == event(one, 1)).count();
    let letters = fixture.dead_letters().await;
    assert_eq!((given, letters.len(), letters[0].reason.as_str()), (1, 1, "sealed"));
    assert_eq!(letters[0].body, event(one, 1).to_json().into_bytes());
    stop.cancel();
    fixture.ended().await;
}
