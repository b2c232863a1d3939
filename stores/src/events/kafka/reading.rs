//! A subscription at work: one consumer, a lane per partition.
//!
//! Messages are taken from librdkafka as they come and wait in their lanes, so the consumer is polled all the time,
//! however long a handler takes, and a partition whose head has to wait holds up no other. A lane that grows too long is
//! paused. What a lane has done is stored, and librdkafka commits it.

use std::{collections::HashSet, sync::Arc, thread, time::Duration};

use futures::StreamExt as _;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    error::KafkaError,
    message::BorrowedMessage,
};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{Context, topic::Topic};
use crate::{
    StoreError,
    events::lanes::{Lanes, Message, Moved, Reader},
    outage::Outage,
};

/// A lane of this many messages is paused: several batches, so that its handler does not run dry.
const LONG: usize = 1_024;

/// And goes on when it is this short, well before the handler has to wait for it.
const SHORT: usize = 512;

/// How long leaving a group may take.
const LEAVE: Duration = Duration::from_secs(3);

pub(super) struct Subscription {
    topic: Topic,
    lanes: Lanes,
    paused: HashSet<i32>,
    outage: Arc<Outage>,
}

impl Subscription {
    pub(super) fn new(topic: Topic, reader: Reader, outage: Arc<Outage>) -> Self {
        Self { topic, lanes: Lanes::new(reader), paused: HashSet::new(), outage }
    }

    /// Reads until `stop`, or until the consumer is of no use any more.
    pub(super) async fn read(&mut self, config: &ClientConfig, stop: &CancellationToken) -> Result<(), StoreError> {
        let consumer: StreamConsumer<Context> = config.create_with_context(Context::default())?;
        consumer.subscribe(&[&self.topic.name])?;
        let ended = self.pump(&consumer, stop).await;
        let topic = &self.topic;
        self.lanes.finish(|moved| store(&consumer, topic, moved)).await;
        self.lanes.disown_all();
        self.paused.clear();
        leave(consumer).await;
        ended.map_err(StoreError::from)
    }

    async fn pump(&mut self, consumer: &StreamConsumer<Context>, stop: &CancellationToken) -> Result<(), KafkaError> {
        let mut messages = consumer.stream();
        loop {
            self.lanes.start();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = consumer.context().told.notified() => self.forget(consumer.context().take_revoked()),
                Some(message) = messages.next() => {
                    // Before the message, because it may be the first one after its partition came back.
                    self.forget(consumer.context().take_revoked());
                    match message {
                        Ok(message) => self.push(consumer, &message)?,
                        Err(fatal @ KafkaError::MessageConsumptionFatal(_)) => return Err(fatal),
                        Err(trouble) => self.outage.goes_on(&trouble),
                    }
                }
                moved = self.lanes.moved() => {
                    store(consumer, &self.topic, moved);
                    self.resume(consumer, moved.lane)?;
                }
            }
        }
    }

    fn forget(&mut self, revoked: Vec<i32>) {
        for partition in revoked {
            self.lanes.disown(partition);
            self.paused.remove(&partition);
        }
    }

    fn push(&mut self, consumer: &StreamConsumer<Context>, message: &BorrowedMessage<'_>) -> Result<(), KafkaError> {
        self.outage.is_over();
        let (partition, offset) = (message.partition(), message.offset());
        let place = format!("{}/{partition}/{offset}", self.topic.name);
        self.lanes.push(partition, Message::read(offset, place, message.key(), message.payload().unwrap_or_default()));
        if self.lanes.waiting(partition) >= LONG && self.paused.insert(partition) {
            consumer.pause(&self.partition(partition))?;
        }
        Ok(())
    }

    fn resume(&mut self, consumer: &StreamConsumer<Context>, partition: i32) -> Result<(), KafkaError> {
        if self.lanes.waiting(partition) <= SHORT && self.paused.remove(&partition) {
            consumer.resume(&self.partition(partition))?;
        }
        Ok(())
    }

    fn partition(&self, partition: i32) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic.name, partition);
        list
    }
}

/// Commits and leaves the group, which waits for the brokers. On a thread of its own, not one of the runtime's: the end of
/// the process does not wait for it. Without brokers what is not committed is done once more, and the session runs out.
async fn leave(consumer: StreamConsumer<Context>) {
    let (told, left) = oneshot::channel();
    thread::spawn(move || {
        drop(consumer);
        // Nobody listens any more when it took too long.
        told.send(()).ok()
    });
    if timeout(LEAVE, left).await.is_err() {
        tracing::debug!("the brokers do not answer; left the group without them");
    }
}

/// Remembers how far a lane is. It is refused when the partition belongs to another process by now, which then does
/// these events once more.
fn store(consumer: &StreamConsumer<Context>, topic: &Topic, moved: Moved) {
    let mut list = TopicPartitionList::new();
    let stored = list
        .add_partition_offset(&topic.name, moved.lane, Offset::Offset(moved.place + 1))
        .and_then(|()| consumer.store_offsets(&list));
    if let Err(trouble) = stored {
        tracing::debug!(target: "librdkafka", "offset {} of partition {}: {trouble}", moved.place, moved.lane);
    }
}
