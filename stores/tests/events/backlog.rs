//! Backlogs: slow handlers, and handlers that wait for the database as the log does.

use std::sync::Arc;

use async_trait::async_trait;
use rstest::rstest;
use rstest_reuse::apply;
use sale::Event;
use stores::{
    StoreError,
    database::{Database, outbox},
    events::{ConsumerGroup, Handler, Progress},
};
use tokio::{sync::watch, time::timeout};

use crate::fixture::{
    Fixture, Recorder, Slow, TIMEOUT, event, events_of, every_log, live_kafka_postgres, local_sqlite, order,
};

#[apply(every_log)]
#[tokio::test]
async fn a_slow_reader_gets_a_long_backlog_in_order_and_once(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let events: Vec<_> = (0..6_000).map(|nth| event(order(1), nth)).collect();
    fixture.publish(&events).await;
    let reader = Recorder::accepting();
    let stop = fixture.subscribe(ConsumerGroup::Stock, &Arc::new(Slow(Arc::clone(&reader))));
    assert_eq!(reader.done(events.len()).await, events);
    stop.cancel();
    fixture.ended().await;
}

/// Reads and writes the database for every event of a batch concurrently, as the workers do.
struct Busy {
    database: Database,
    done: watch::Sender<usize>,
}

#[async_trait]
impl Handler for Busy {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        let work = batch.iter().map(|_| async {
            outbox::unpublished(&self.database, 1).await?;
            self.database.begin().await?.commit().await?;
            Ok::<(), StoreError>(())
        });
        futures::future::try_join_all(work).await?;
        self.done.send_modify(|done| *done += batch.len());
        Ok(Progress::Done)
    }
}

/// The log and its handlers share the connection pool of the database: while the log waits for a connection, the handlers
/// before it have to go on.
#[rstest]
#[case::local_sqlite(local_sqlite())]
#[case::live_kafka_postgres(live_kafka_postgres())]
#[tokio::test]
async fn handlers_go_on_while_the_log_waits_for_a_connection(
    #[future(awt)]
    #[case]
    fixture: Fixture,
) {
    let busy = Arc::new(Busy { database: fixture.fresh.database.clone(), done: watch::Sender::default() });
    let stop = fixture.subscribe(ConsumerGroup::Payments, &busy);
    for first in (0..1_000).step_by(100) {
        fixture.publish(&events_of(first..first + 100)).await;
    }
    let mut done = busy.done.subscribe();
    let all = timeout(TIMEOUT, done.wait_for(|done| *done >= 1_000)).await;
    assert!(all.is_ok(), "still waiting with {} events done", *busy.done.borrow());
    stop.cancel();
    fixture.ended().await;
}
