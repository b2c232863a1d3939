//! The embedded log: the outbox table is the log, and a group is a cursor in it.
//!
//! Only on SQLite, where the ids of rows are in the order of their commits. A group's cursor is the last row before
//! everything that is not done, so after a crash whatever was under way comes again, as it does from Kafka.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    EventLog, Group, Handler, Patience, Record,
    lanes::{Lanes, Message, Reader},
};
use crate::{
    StoreError,
    database::{
        Database, log_cursors,
        outbox::{self, Listener},
    },
    outage::Outage,
};

/// As many as partitions by default in Kafka: an order that has to wait holds up a sixth of the others.
const LANES: i32 = 6;

/// Rows read at once.
const READ: i64 = 256;

/// A lane that is so far behind stops the reading, so that memory stays bounded.
const LONGEST_LANE: usize = 10_000;

/// How late a row is seen whose writer did not ring.
const IDLE: Duration = Duration::from_millis(50);

/// How long to leave a database alone that does not answer.
const TROUBLE: Duration = Duration::from_secs(1);

/// The outbox as the log.
pub struct LocalLog {
    database: Database,
    patience: Patience,
    /// Who reads for each group: one subscription at a time, the next one when it stops.
    readers: [Mutex<()>; 3],
}

impl LocalLog {
    pub fn new(database: Database, patience: Patience) -> Self {
        Self { database, patience, readers: <[Mutex<()>; 3]>::default() }
    }

    const fn reader_of(&self, group: Group) -> &Mutex<()> {
        let [payments, stock, mail] = &self.readers;
        match group {
            Group::Payments => payments,
            Group::Stock => stock,
            Group::Mail => mail,
        }
    }
}

#[async_trait]
impl EventLog for LocalLog {
    /// Nothing to do: the rows are on the log already.
    async fn append(&self, _: &[Record]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn subscribe(
        &self,
        group: Group,
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        let _turn = tokio::select! {
            turn = self.reader_of(group).lock() => turn,
            () = stop.cancelled() => return Ok(()),
        };
        let outage = Outage::of("the embedded event log");
        let reader = Reader {
            group,
            handler,
            database: self.database.clone(),
            patience: self.patience,
            outage: Outage::of(format!("the handler of {}", group.as_str())),
        };
        let mut reading = Reading {
            lanes: Lanes::new(reader),
            listener: self.database.bell().listen(),
            database: self.database.clone(),
            group,
            read_to: 0,
            remembered: None,
        };
        // No `Periodic`: it is woken by new rows and by lanes that move on.
        while !stop.is_cancelled() {
            match reading.step(&stop).await {
                Ok(()) => outage.is_over(),
                Err(trouble) => {
                    outage.goes_on(&trouble);
                    tokio::select! { () = sleep(TROUBLE) => {} () = stop.cancelled() => {} }
                }
            }
        }
        reading.lanes.finish(|_| {}).await;
        if let Err(trouble) = reading.remember().await {
            outage.goes_on(&trouble);
        }
        Ok(())
    }

    fn needs_relay(&self) -> bool {
        false
    }
}

/// A subscription at work.
struct Reading {
    lanes: Lanes,
    listener: Listener,
    database: Database,
    group: Group,
    /// Everything up to this row is in the lanes, or done.
    read_to: i64,
    /// The cursor as the database knows it; `None` before it was asked.
    remembered: Option<i64>,
}

impl Reading {
    async fn step(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        if self.remembered.is_none() {
            self.read_to = log_cursors::open(&self.database, self.group).await?;
            self.remembered = Some(self.read_to);
        }
        let more = self.read().await?;
        self.lanes.start();
        let idle = if more { Duration::ZERO } else { IDLE };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = self.lanes.moved() => {}
            () = self.listener.wait(idle) => {}
        }
        // What is not remembered would only come again, so under load one commit serves many batches.
        let done = self.done();
        let far = self.remembered.is_none_or(|remembered| done - remembered >= READ);
        if far || self.lanes.are_quiet() { self.remember().await } else { Ok(()) }
    }

    /// Reads on; says whether there is more.
    async fn read(&mut self) -> Result<bool, StoreError> {
        if self.lanes.longest() >= LONGEST_LANE {
            return Ok(false);
        }
        let rows = outbox::after(&self.database, self.read_to, READ).await?;
        let more = i64::try_from(rows.len()).is_ok_and(|rows| rows == READ);
        for (id, record) in rows {
            let message =
                Message::read(id, format!("outbox/{id}"), Some(record.order.as_bytes()), record.body.as_bytes());
            self.lanes.push(lane_of(&record.order), message);
            self.read_to = id;
        }
        Ok(more)
    }

    /// The last row before everything that is not done.
    fn done(&self) -> i64 {
        self.lanes.first_open().map_or(self.read_to, |open| open - 1)
    }

    /// Writes down how far the group is.
    async fn remember(&mut self) -> Result<(), StoreError> {
        let done = self.done();
        if self.remembered.is_some_and(|remembered| remembered < done) {
            log_cursors::advance(&self.database, self.group, done).await?;
            self.remembered = Some(done);
        }
        Ok(())
    }
}

/// The end of an order's id is a hash, so its last digit spreads the orders well enough.
fn lane_of(order: &str) -> i32 {
    order.bytes().last().map_or(0, |byte| i32::from(byte) % LANES)
}
