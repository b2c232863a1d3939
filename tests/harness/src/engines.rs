//! What an installation stands on: the embedded adapters in a folder, or real engines, each test with a corner of
//! its own.

use std::collections::BTreeMap;

use stores::testing::{Fresh, live_events_url, live_postgres, live_url};

/// The engines of one live installation.
pub struct Engines {
    /// A database that nobody else uses.
    pub database: Fresh,
    /// Where Redis answers.
    pub queue_url: String,
    /// Where Kafka answers, and the prefix of the topics.
    pub events_url: String,
}

impl Engines {
    /// A fresh database, a prefix of its own on Kafka, and the Redis of the tests. Sales have random names there.
    pub async fn live() -> Self {
        let queue_url = live_url("OPENRUN_TEST_QUEUE_URL", "redis://127.0.0.1:6379");
        Self::with_queue(&queue_url).await
    }

    /// The same with another Redis.
    pub async fn with_queue(queue_url: &str) -> Self {
        let database = live_postgres().await;
        Self { database, queue_url: queue_url.to_owned(), events_url: live_events_url() }
    }

    /// What the processes are told.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let named = [
            ("OPENRUN_DATABASE_URL", &self.database.url),
            ("OPENRUN_QUEUE_URL", &self.queue_url),
            ("OPENRUN_EVENTS_URL", &self.events_url),
        ];
        named.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}
