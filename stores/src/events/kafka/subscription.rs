//! A running subscription: one consumer, a queue per partition.
//!
//! Messages are read from librdkafka as they arrive and wait in the queue of their partition, so the consumer is polled
//! all the time, however long a handler takes, and a partition whose head has to wait delays no other. A partition whose
//! queue grows too long is paused. Finished offsets are stored, and librdkafka commits them.

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

use super::{context::Context, topic::Topic};
use crate::{
    StoreError,
    events::{
        message::Message,
        partition_queues::{PartitionProgress, PartitionQueues},
        reader::Reader,
    },
    outage::OutageLog,
};

/// A partition with this many queued messages is paused: several batches, so that its handler does not run dry.
const PAUSE_AT: usize = 1_024;

/// It is resumed at this many, well before the handler has to wait.
const RESUME_AT: usize = 512;

/// How long leaving a group may take.
const LEAVE: Duration = Duration::from_secs(3);

pub(super) struct Subscription {
    topic: Topic,
    queues: PartitionQueues,
    paused: HashSet<i32>,
    outage: Arc<OutageLog>,
}

impl Subscription {
    pub(super) fn new(topic: Topic, reader: Reader, outage: Arc<OutageLog>) -> Self {
        Self { topic, queues: PartitionQueues::new(reader), paused: HashSet::new(), outage }
    }

    /// Reads until `stop`, or until the consumer fails.
    pub(super) async fn read(&mut self, config: &ClientConfig, stop: &CancellationToken) -> Result<(), StoreError> {
        let consumer: StreamConsumer<Context> = config.create_with_context(Context::default())?;
        consumer.subscribe(&[&self.topic.name])?;
        let ended = self.pump(&consumer, stop).await;
        let topic = &self.topic;
        self.queues.finish(|progress| store(&consumer, topic, progress)).await;
        self.queues.revoke_all();
        self.paused.clear();
        leave(consumer).await;
        ended.map_err(StoreError::from)
    }

    async fn pump(&mut self, consumer: &StreamConsumer<Context>, stop: &CancellationToken) -> Result<(), KafkaError> {
        let mut messages = consumer.stream();
        loop {
            self.queues.start();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = consumer.context().revocation.notified() => self.drop_revoked(consumer.context().take_revoked()),
                Some(message) = messages.next() => {
                    // Before the message, because it may be the first one after its partition was assigned again.
                    self.drop_revoked(consumer.context().take_revoked());
                    match message {
                        Ok(message) => self.push(consumer, &message)?,
                        Err(fatal @ KafkaError::MessageConsumptionFatal(_)) => return Err(fatal),
                        Err(trouble) => self.outage.record_failure(&trouble),
                    }
                }
                progress = self.queues.progress() => {
                    store(consumer, &self.topic, progress);
                    self.resume(consumer, progress.partition)?;
                }
            }
        }
    }

    fn drop_revoked(&mut self, revoked: Vec<i32>) {
        for partition in revoked {
            self.queues.revoke(partition);
            self.paused.remove(&partition);
        }
    }

    fn push(&mut self, consumer: &StreamConsumer<Context>, message: &BorrowedMessage<'_>) -> Result<(), KafkaError> {
        self.outage.record_recovery();
        let (partition, offset) = (message.partition(), message.offset());
        let place = format!("{}/{partition}/{offset}", self.topic.name);
        self.queues
            .push(partition, Message::parse(offset, place, message.key(), message.payload().unwrap_or_default()));
        if self.queues.waiting(partition) >= PAUSE_AT && self.paused.insert(partition) {
            consumer.pause(&self.partition(partition))?;
        }
        Ok(())
    }

    fn resume(&mut self, consumer: &StreamConsumer<Context>, partition: i32) -> Result<(), KafkaError> {
        if self.queues.waiting(partition) <= RESUME_AT && self.paused.remove(&partition) {
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

/// Commits and leaves the group, which blocks on the brokers. Runs on a thread of its own, not one of the runtime's, so
/// that the process can end without it. Without brokers, uncommitted events are delivered again and the session times
/// out.
async fn leave(consumer: StreamConsumer<Context>) {
    let (done, left) = oneshot::channel();
    thread::spawn(move || {
        drop(consumer);
        // The receiver is gone when leaving took too long.
        done.send(()).ok()
    });
    if timeout(LEAVE, left).await.is_err() {
        tracing::debug!("the brokers are unavailable; left the group without them");
    }
}

/// Stores the offset of a partition. Refused when the partition was reassigned meanwhile; its new reader then handles
/// these events again.
fn store(consumer: &StreamConsumer<Context>, topic: &Topic, progress: PartitionProgress) {
    let mut list = TopicPartitionList::new();
    let stored = list
        .add_partition_offset(&topic.name, progress.partition, Offset::Offset(progress.position + 1))
        .and_then(|()| consumer.store_offsets(&list));
    if let Err(trouble) = stored {
        tracing::debug!(target: "librdkafka", "offset {} of partition {}: {trouble}", progress.position, progress.partition);
    }
}
