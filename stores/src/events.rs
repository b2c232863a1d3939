//! Port: the event log.
//!
//! At least once, in order per order id. Events carry ids and no state, so a repeated or early one changes nothing.

mod kafka;
mod lanes;
mod local;
mod patience;

use std::sync::Arc;

use async_trait::async_trait;
use sale::Event;
use tokio_util::sync::CancellationToken;

pub use self::{kafka::KafkaLog, local::LocalLog, patience::Patience};
use crate::{StoreError, database::Database};

/// Who reads the log; each group sees every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    Payments,
    Stock,
    Mail,
}

impl Group {
    pub const ALL: &'static [Self] = &[Self::Payments, Self::Stock, Self::Mail];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Stock => "stock",
            Self::Mail => "mail",
        }
    }
}

/// An event as the outbox holds it. The relay carries it without reading it, so that one of an older version passes on
/// what a newer process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The order's id: the key on the log.
    pub order: String,
    /// The event as JSON.
    pub body: String,
    /// The W3C `traceparent` of its cause; empty when there is none.
    pub trace: String,
}

/// How far a handler got with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Done,
    /// The first `done` events are; give the rest again after a while. An event that stands first in the rest too often
    /// goes to the dead letters.
    Again {
        done: usize,
        after_ms: u64,
    },
}

#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles an ordered batch; all events of an order come one after another, batches of other orders at the same
    /// time. An `Err` is trouble with a store: the whole batch comes again after a while, as often as it takes.
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError>;
}

#[async_trait]
pub trait EventLog: Send + Sync {
    /// Puts records on the log and returns when they are safe there. An `Err` means that some may be: append all of them
    /// again. The relay calls it with rows of the outbox.
    async fn append(&self, records: &[Record]) -> Result<(), StoreError>;

    /// Reads the log for `group` until `stop`, batch after batch; trouble with the log is waited out. What is no event of
    /// ours goes to the group's dead letters, and so does an event that was put off too often.
    async fn subscribe(
        &self,
        group: Group,
        handler: Arc<dyn Handler>,
        stop: CancellationToken,
    ) -> Result<(), StoreError>;

    /// Whether the outbox has to be relayed; not when the outbox itself is the log.
    fn needs_relay(&self) -> bool;
}

/// Why an address of an event log cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEventsUrl {
    #[error("the event log is `local:` or `kafka://host:port,host:port`, not `{0}`")]
    Unknown(String),
    #[error("a Kafka address names its brokers as host:port, separated by commas; `{0}` does not")]
    NoBrokers(String),
    #[error("the prefix of topics and groups is 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`; `{0}` is not")]
    BadPrefix(String),
    #[error(
        "the event log `local:` reads the outbox in the order of its rows, which only SQLite keeps; with PostgreSQL set \
         OPENRUN_EVENTS_URL to kafka://host:port"
    )]
    LocalNeedsSqlite,
}

/// Which event log an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsUrl {
    Local,
    Kafka(Cluster),
}

/// A Kafka cluster, and what the names of our topics and groups in it begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// With its dot; empty when there is none.
    pub prefix: String,
}

impl EventsUrl {
    /// Reads `local:` or `kafka://host:port,host:port[/prefix]`.
    pub fn parse(text: &str) -> Result<Self, BadEventsUrl> {
        if text == "local:" {
            return Ok(Self::Local);
        }
        let rest = text.strip_prefix("kafka://").ok_or_else(|| BadEventsUrl::Unknown(text.to_owned()))?;
        let (brokers, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !brokers.split(',').all(is_broker) {
            return Err(BadEventsUrl::NoBrokers(brokers.to_owned()));
        }
        let prefix = match prefix {
            "" => String::new(),
            prefix if is_prefix(prefix) => format!("{prefix}."),
            prefix => return Err(BadEventsUrl::BadPrefix(prefix.to_owned())),
        };
        Ok(Self::Kafka(Cluster { brokers: brokers.to_owned(), prefix }))
    }

    /// Reads an address and refuses one that cannot go with the database at `database_url`.
    pub fn beside(text: &str, database_url: &str) -> Result<Self, BadEventsUrl> {
        let url = Self::parse(text)?;
        let fits = url != Self::Local || database_url.starts_with("sqlite:");
        if fits { Ok(url) } else { Err(BadEventsUrl::LocalNeedsSqlite) }
    }
}

fn is_broker(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn is_prefix(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The log at `url`. A Kafka that does not answer yet is no error: it is waited for where it is used.
pub fn connect(url: &EventsUrl, database: &Database) -> Result<Arc<dyn EventLog>, StoreError> {
    let patience = Patience::default();
    Ok(match url {
        EventsUrl::Local => Arc::new(LocalLog::new(database.clone(), patience)),
        EventsUrl::Kafka(cluster) => Arc::new(KafkaLog::new(cluster.clone(), database.clone(), patience)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_log() {
        let kafka = |brokers: &str, prefix: &str| {
            Ok(EventsUrl::Kafka(Cluster { brokers: brokers.to_owned(), prefix: prefix.to_owned() }))
        };
        assert_eq!(EventsUrl::parse("local:"), Ok(EventsUrl::Local));
        assert_eq!(EventsUrl::parse("kafka://a:9092,b:9093"), kafka("a:9092,b:9093", ""));
        assert_eq!(EventsUrl::parse("kafka://[::1]:9092/shop-a"), kafka("[::1]:9092", "shop-a."));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_in_a_sentence() {
        for bad in ["", "memory:", "kafka:a:9092", "kafka://", "kafka://a", "kafka://a:9092,", "kafka://a:9092/x/y"] {
            let sentence = EventsUrl::parse(bad).unwrap_err().to_string();
            assert!(sentence.len() > 40, "{bad}: {sentence}");
        }
        assert_eq!(EventsUrl::beside("local:", "sqlite:data/openrun.db"), Ok(EventsUrl::Local));
        assert_eq!(EventsUrl::beside("local:", "postgres://db/openrun"), Err(BadEventsUrl::LocalNeedsSqlite));
        assert!(EventsUrl::beside("kafka://a:9092", "postgres://db/openrun").is_ok());
    }
}
