//! Records every event on the log from its beginning, each once however often it is sent.

use std::{collections::HashSet, time::Duration};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
    message::{BorrowedMessage, Headers as _},
};
use stores::events::OutboxRecord;
use tokio::{pin, select, time::sleep};

use crate::event_log::{KAFKA_ANSWERS, config, partitions, topic};

/// A piece of recording until the log's end.
const A_WHILE: Duration = Duration::from_millis(100);

pub(crate) struct EventRecorder {
    consumer: StreamConsumer,
    topic: String,
    /// The bodies, which carry the events' ids.
    recorded: HashSet<String>,
}

impl EventRecorder {
    pub(crate) fn at(cluster: &stores::events::Cluster) -> Self {
        let consumer: StreamConsumer = config(cluster, "drill").create().expect("a consumer");
        let topic = topic(cluster);
        let mut all = TopicPartitionList::new();
        for partition in partitions(&consumer, cluster) {
            all.add_partition_offset(&topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&all).expect("read every partition");
        Self { consumer, topic, recorded: HashSet::new() }
    }

    /// The events that are seen for the first time within this time.
    pub(crate) async fn record_for(&mut self, within: Duration) -> Vec<OutboxRecord> {
        let mut news = Vec::new();
        let over = sleep(within);
        pin!(over);
        loop {
            select! {
                message = self.consumer.recv() => {
                    let record = record(&message.expect("read the log"));
                    if self.recorded.insert(record.body.clone()) {
                        news.push(record);
                    }
                }
                () = &mut over => return news,
            }
        }
    }

    /// How many different events lie on the log.
    pub(crate) async fn count(&mut self) -> usize {
        while self.behind() > 0 {
            self.record_for(A_WHILE).await;
        }
        self.recorded.len()
    }

    fn behind(&self) -> i64 {
        let positions = self.consumer.position().expect("the positions");
        let of_each = positions.elements_for_topic(&self.topic).into_iter().map(|element| {
            let ends = self.consumer.fetch_watermarks(&self.topic, element.partition(), KAFKA_ANSWERS);
            ends.expect("the log's end").1 - element.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(0)
        });
        of_each.sum()
    }
}

fn record(message: &BorrowedMessage<'_>) -> OutboxRecord {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let trace = headers.filter(|header| header.key == "traceparent").find_map(|header| header.value);
    OutboxRecord { order: text(message.key()), body: text(message.payload()), trace: text(trace) }
}
