//! The topic, which this program creates for itself.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::{Cluster, context::Context};
use crate::StoreError;

/// So many processes can share a group's work. More can be added to the topic by hand; orders then change their
/// partitions once, which does no harm, since handlers read the order again.
const PARTITIONS: i32 = 6;

/// Brokers that keep a copy, when there are so many.
const REPLICAS: usize = 3;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The topic of an installation.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) name: String,
}

impl Topic {
    pub(super) fn of(cluster: &Cluster) -> Self {
        Self { name: format!("{}openrun.orders", cluster.prefix) }
    }
}

/// Creates the topic when it is not there. On a thread that may block, because librdkafka does.
pub(super) async fn ensure(client: ClientConfig, topic: Topic) -> Result<(), StoreError> {
    let runtime = Handle::current();
    let created = spawn_blocking(move || runtime.block_on(create(&client, &topic))).await;
    created.map_err(|stopped| StoreError::unavailable("event log", stopped))??;
    Ok(())
}

async fn create(client: &ClientConfig, topic: &Topic) -> Result<(), KafkaError> {
    let admin: AdminClient<Context> = client.create_with_context(Context::default())?;
    let metadata = admin.inner().fetch_metadata(None, TIMEOUT)?;
    if metadata.topics().iter().any(|known| known.name() == topic.name) {
        return Ok(());
    }
    let replicas = metadata.brokers().len().clamp(1, REPLICAS);
    // With three copies one broker may be away and what is acknowledged still lies on two.
    let in_sync = if replicas < REPLICAS { "1" } else { "2" };
    let replication = TopicReplication::Fixed(i32::try_from(replicas).unwrap_or(1));
    let new = NewTopic::new(&topic.name, PARTITIONS, replication).set("min.insync.replicas", in_sync);
    let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
    for result in admin.create_topics([&new], &options).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(())
}
