//! Kafka, through librdkafka.
//!
//! One topic, `openrun.orders`, keyed by the order's id, so that the events of an order lie in one partition in their
//! order. One Kafka consumer group per [`ConsumerGroup`]. Unavailable brokers are retried and never end the process.

mod context;
mod subscription;
mod topic;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::{
    ClientConfig,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord, Producer as _},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Cluster, ConsumerGroup, EventLog, Handler, OutboxRecord, RetryPolicy,
    kafka::{context::Context, subscription::Subscription, topic::Topic},
    reader::Reader,
};
use crate::{StoreError, database::Database, outage::OutageLog};

/// How long a message may take before its delivery counts as unknown and the relay sends it again.
const DELIVERY_TIMEOUT_MS: &str = "10000";

/// Connections to brokers that come back are tried at least so often, so that an outage is over soon after its end.
const LONGEST_RECONNECT_MS: &str = "1000";

/// How long to wait after an error of the cluster.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A Kafka cluster as the log.
pub struct KafkaLog {
    cluster: Cluster,
    topic: Topic,
    database: Database,
    retry: RetryPolicy,
    producer: Mutex<FutureProducer<Context>>,
    topic_exists: AtomicBool,
}

impl KafkaLog {
    pub fn new(cluster: Cluster, database: Database, retry: RetryPolicy) -> Result<Self, StoreError> {
        let producer = Mutex::new(producer(&cluster)?);
        let topic = Topic::of(&cluster);
        Ok(Self { cluster, topic, database, retry, producer, topic_exists: AtomicBool::new(false) })
    }

    async fn need_topic(&self) -> Result<(), StoreError> {
        if !self.topic_exists.load(Ordering::Relaxed) {
            topic::ensure(self.cluster.client(), self.topic.clone()).await?;
            self.topic_exists.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Removes the cause of a failed append, if it is one that does not go away by itself.
    fn recover(&self, error: &KafkaError) -> Result<(), StoreError> {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition) {
            self.topic_exists.store(false, Ordering::Relaxed);
        }
        // An idempotent producer that lost count of its messages never works again.
        let mut current = self.producer.lock();
        if current.client().fatal_error().is_some() {
            *current = producer(&self.cluster)?;
        }
        Ok(())
    }
}

#[async_trait]
impl EventLog for KafkaLog {
    async fn append(&self, records: &[OutboxRecord]) -> Result<(), StoreError> {
        self.need_topic().await?;
        let sent = send(&self.producer.lock(), &self.topic, records);
        let mut outcome = Ok(());
        for delivery in sent.deliveries {
            match delivery.await {
                Ok(Ok(_)) => {}
                Ok(Err((trouble, _))) => outcome = Err(trouble),
                Err(_) => outcome = Err(KafkaError::Canceled),
            }
        }
        match outcome.and(sent.outcome) {
            Ok(()) => Ok(()),
            Err(trouble) => {
                self.recover(&trouble)?;
                Err(trouble.into())
            }
        }
    }

    async fn subscribe(
        &self,
        group: ConsumerGroup,
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        let outage = Arc::new(OutageLog::new(format!("Kafka for {}", group.as_str())));
        let reader = Reader {
            group,
            handler,
            database: self.database.clone(),
            retry: self.retry,
            outage: OutageLog::new(format!("the handler of {}", group.as_str())),
        };
        let mut subscription = Subscription::new(self.topic.clone(), reader, Arc::clone(&outage));
        // No `Periodic`: a subscription lasts until it fails, and is then begun again.
        while !stop.is_cancelled() {
            let ended = tokio::select! {
                ready = self.need_topic() => match ready {
                    Ok(()) => subscription.read(&self.cluster.consumer(group), &stop).await,
                    Err(trouble) => Err(trouble),
                },
                () = stop.cancelled() => Ok(()),
            };
            if let Err(trouble) = ended {
                outage.record_failure(&trouble);
                tokio::select! { () = sleep(RETRY_AFTER) => {} () = stop.cancelled() => {} }
            }
        }
        Ok(())
    }

    fn needs_relay(&self) -> bool {
        true
    }
}

/// Records that were handed to librdkafka.
struct Sending {
    deliveries: Vec<rdkafka::producer::DeliveryFuture>,
    /// An error when not all records were.
    outcome: Result<(), KafkaError>,
}

/// Hands records over in their order; the idempotent producer keeps it.
fn send(producer: &FutureProducer<Context>, topic: &Topic, records: &[OutboxRecord]) -> Sending {
    let mut deliveries = Vec::with_capacity(records.len());
    for record in records {
        let content_type = Header { key: "content-type", value: Some("application/cloudevents+json; charset=UTF-8") };
        let mut headers = OwnedHeaders::new().insert(content_type);
        if !record.trace.is_empty() {
            headers = headers.insert(Header { key: "traceparent", value: Some(&record.trace) });
        }
        let message = FutureRecord::to(&topic.name).key(&record.order).payload(&record.body).headers(headers);
        match producer.send_result(message) {
            Ok(delivery) => deliveries.push(delivery),
            Err((trouble, _)) => return Sending { deliveries, outcome: Err(trouble) },
        }
    }
    Sending { deliveries, outcome: Ok(()) }
}

fn producer(cluster: &Cluster) -> Result<FutureProducer<Context>, StoreError> {
    let producer = cluster
        .client()
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // The relay sends a whole batch at once; waiting for more of it would only add to the delay.
        .set("linger.ms", "0")
        .set("delivery.timeout.ms", DELIVERY_TIMEOUT_MS)
        // As Kafka's own clients do it, so that what another tool sends to an order lands in the same partition.
        .set("partitioner", "murmur2_random")
        .create_with_context(Context::default())?;
    Ok(producer)
}

impl Cluster {
    /// What all our clients have in common.
    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "openrun")
            .set("reconnect.backoff.max.ms", LONGEST_RECONNECT_MS)
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("socket.timeout.ms", "10000")
            .set("socket.keepalive.enable", "true")
            // Brokers close idle connections; that is no news.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }

    fn consumer(&self, group: ConsumerGroup) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", format!("{}openrun.{}", self.prefix, group.as_str()))
            .set("group.protocol", "classic")
            // A killed process keeps its partitions this long. It is the least that brokers allow by default.
            .set("session.timeout.ms", "6000")
            // A member learns of a rebalance with its next heartbeat, so this is how fast partitions move.
            .set("heartbeat.interval.ms", "500")
            .set("auto.offset.reset", "earliest")
            // librdkafka commits what was stored, and nothing is stored before it is done: every so often, when
            // partitions are taken away, and at the end. What was done since would only be done again.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "200")
            // A lone event is handed out at once.
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.queue.backoff.ms", "50")
            .set("fetch.error.backoff.ms", "100")
            // Events are small and lanes keep some themselves; the defaults would prefetch 64 MiB.
            .set("queued.min.messages", "1000")
            .set("queued.max.messages.kbytes", "8192");
        config
    }
}

impl From<KafkaError> for StoreError {
    fn from(source: KafkaError) -> Self {
        Self::unavailable("event log", source)
    }
}
