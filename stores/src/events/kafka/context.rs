//! What librdkafka calls back about: its log, its errors and the partitions of a consumer.

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance},
    error::KafkaError,
    topic_partition_list::TopicPartitionListElem,
};
use tokio::sync::Notify;

/// Receives the callbacks of librdkafka.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Revoked partitions that the subscription has not dropped yet.
    revoked: Mutex<Vec<i32>>,
    pub(super) revocation: Notify,
}

impl Context {
    pub(super) fn take_revoked(&self) -> Vec<i32> {
        std::mem::take(&mut self.revoked.lock())
    }
}

impl ClientContext for Context {
    /// librdkafka logs every step of an outage, for debugging only. The outage itself is logged once, by its
    /// [`OutageLog`](crate::outage::OutageLog).
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", "{facility}: {message}");
            }
            RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
                tracing::debug!(target: "librdkafka", "{facility}: {message}");
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::trace!(target: "librdkafka", "{facility}: {message}");
            }
        }
    }

    /// Nobody asks for statistics; the default would parse them.
    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.revoked.lock().extend(partitions.elements().iter().map(TopicPartitionListElem::partition));
            self.revocation.notify_one();
        }
    }

    /// A partition that was paused when it was lost comes back running.
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance
            && let Err(trouble) = consumer.resume(&TopicPartitionList::clone(partitions))
        {
            tracing::debug!(target: "librdkafka", "resume: {trouble}");
        }
    }
}
