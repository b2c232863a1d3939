//! The log in Kafka, as a drill reads it.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    consumer::{Consumer, ConsumerContext},
};
use stores::events::Cluster;

/// How long an answer of Kafka may take.
pub(crate) const KAFKA_ANSWERS: Duration = Duration::from_secs(10);

/// How a group reads.
pub(crate) fn config(cluster: &Cluster, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &cluster.brokers)
        .set("group.id", format!("{}openrun.{group}", cluster.prefix))
        .set("enable.auto.commit", "false");
    config
}

pub(crate) fn topic(cluster: &Cluster) -> String {
    format!("{}openrun.orders", cluster.prefix)
}

/// The partitions of the topic.
pub(crate) fn partitions<Context: ConsumerContext>(consumer: &impl Consumer<Context>, cluster: &Cluster) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(&topic(cluster)), KAFKA_ANSWERS).expect("ask Kafka for the topic");
    metadata
        .topics()
        .iter()
        .flat_map(rdkafka::metadata::MetadataTopic::partitions)
        .map(rdkafka::metadata::MetadataPartition::id)
        .collect()
}
