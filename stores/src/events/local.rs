//! The embedded log: the outbox table is the log, and a consumer group is a cursor in it.
//!
//! Only on SQLite, where the ids of rows are in the order of their commits. A group's cursor is the last row before the
//! first one that is not done, so after a crash unfinished events are delivered again, as Kafka does.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    ConsumerGroup, EventLog, Handler, OutboxRecord, RetryPolicy, message::Message, partition_queues::PartitionQueues,
    reader::Reader,
};
use crate::{
    StoreError,
    database::{Database, log_cursors, outbox, outbox_notifier::OutboxListener},
    outage::OutageLog,
};

/// As many as Kafka's topic has by default: an order that has to wait delays a sixth of the others.
const PARTITIONS: i32 = 6;

/// Rows read at once, and events after which the cursor is stored under load.
const READ: i64 = 256;

/// A partition with this many queued messages stops the reading, so that memory is bounded.
const MAX_QUEUED: usize = 10_000;

/// How late a row is read when its writer did not notify this process.
const IDLE: Duration = Duration::from_millis(50);

/// How long to wait after an error of the database.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The outbox as the log.
pub struct LocalLog {
    database: Database,
    retry: RetryPolicy,
    /// One per group: only one subscription of a group reads at a time, the next one when it stops.
    readers: [Mutex<()>; 3],
}

impl LocalLog {
    pub fn new(database: Database, retry: RetryPolicy) -> Self {
        Self { database, retry, readers: <[Mutex<()>; 3]>::default() }
    }

    const fn reader_of(&self, group: ConsumerGroup) -> &Mutex<()> {
        let [payments, stock, mail] = &self.readers;
        match group {
            ConsumerGroup::Payments => payments,
            ConsumerGroup::Stock => stock,
            ConsumerGroup::Mail => mail,
        }
    }
}

#[async_trait]
impl EventLog for LocalLog {
    /// Does nothing: the rows are on the log already.
    async fn append(&self, _: &[OutboxRecord]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn subscribe(
        &self,
        group: ConsumerGroup,
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        let _turn = tokio::select! {
            turn = self.reader_of(group).lock() => turn,
            () = stop.cancelled() => return Ok(()),
        };
        let outage = OutageLog::new("the embedded event log");
        let reader = Reader {
            group,
            handler,
            database: self.database.clone(),
            retry: self.retry,
            outage: OutageLog::new(format!("the handler of {}", group.as_str())),
        };
        let mut subscription = LocalSubscription {
            queues: PartitionQueues::new(reader),
            listener: self.database.outbox_notifier().listen(),
            database: self.database.clone(),
            group,
            read_to: 0,
            stored: None,
        };
        // No `Periodic`: it is woken by new rows and by lanes that move on.
        while !stop.is_cancelled() {
            match subscription.step(&stop).await {
                Ok(()) => outage.record_recovery(),
                Err(trouble) => {
                    outage.record_failure(&trouble);
                    tokio::select! { () = sleep(RETRY_AFTER) => {} () = stop.cancelled() => {} }
                }
            }
        }
        subscription.queues.finish(|_| {}).await;
        if let Err(trouble) = subscription.store_cursor().await {
            outage.record_failure(&trouble);
        }
        Ok(())
    }

    fn needs_relay(&self) -> bool {
        false
    }
}

/// A running subscription.
struct LocalSubscription {
    queues: PartitionQueues,
    listener: OutboxListener,
    database: Database,
    group: ConsumerGroup,
    /// Every row up to this one is in the queues or done.
    read_to: i64,
    /// The cursor in the database; `None` before it was read.
    stored: Option<i64>,
}

impl LocalSubscription {
    async fn step(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        if self.stored.is_none() {
            self.read_to = log_cursors::open(&self.database, self.group).await?;
            self.stored = Some(self.read_to);
        }
        let more = self.read().await?;
        self.queues.start();
        let idle = if more { Duration::ZERO } else { IDLE };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.queues.progress() => {}
            () = self.listener.wait(idle) => {}
        }
        // A cursor that is not stored only repeats events, so under load one commit serves many batches.
        let done = self.done();
        let far = self.stored.is_none_or(|stored| done - stored >= READ);
        if far || self.queues.are_idle() { self.store_cursor().await } else { Ok(()) }
    }

    /// Reads the next rows; returns whether there are more.
    async fn read(&mut self) -> Result<bool, StoreError> {
        if self.queues.longest() >= MAX_QUEUED {
            return Ok(false);
        }
        let rows = outbox::after(&self.database, self.read_to, READ).await?;
        let more = i64::try_from(rows.len()).is_ok_and(|rows| rows == READ);
        for (id, record) in rows {
            let message =
                Message::parse(id, format!("outbox/{id}"), Some(record.order.as_bytes()), record.body.as_bytes());
            self.queues.push(partition_of(&record.order), message);
            self.read_to = id;
        }
        Ok(more)
    }

    /// The last row before the first one that is not done.
    fn done(&self) -> i64 {
        self.queues.first_open().map_or(self.read_to, |open| open - 1)
    }

    /// Stores the group's cursor.
    async fn store_cursor(&mut self) -> Result<(), StoreError> {
        let done = self.done();
        if self.stored.is_some_and(|stored| stored < done) {
            log_cursors::advance(&self.database, self.group, done).await?;
            self.stored = Some(done);
        }
        Ok(())
    }
}

/// The end of an order's id is a hash, so its last digit spreads the orders well enough.
fn partition_of(order: &str) -> i32 {
    order.bytes().last().map_or(0, |byte| i32::from(byte) % PARTITIONS)
}
