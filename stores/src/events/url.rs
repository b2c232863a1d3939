//! The address of an event log.

/// An address of an event log that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventsUrlError {
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

/// The event log that an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsUrl {
    Local,
    Kafka(Cluster),
}

/// A Kafka cluster, and the prefix of this installation's topics and groups in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// With its final dot; empty without a prefix.
    pub prefix: String,
}

impl EventsUrl {
    /// Parses `local:` or `kafka://host:port,host:port[/prefix]`.
    pub fn parse(text: &str) -> Result<Self, EventsUrlError> {
        if text == "local:" {
            return Ok(Self::Local);
        }
        let rest = text.strip_prefix("kafka://").ok_or_else(|| EventsUrlError::Unknown(text.to_owned()))?;
        let (brokers, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !brokers.split(',').all(is_broker) {
            return Err(EventsUrlError::NoBrokers(brokers.to_owned()));
        }
        let prefix = match prefix {
            "" => String::new(),
            prefix if is_prefix(prefix) => format!("{prefix}."),
            prefix => return Err(EventsUrlError::BadPrefix(prefix.to_owned())),
        };
        Ok(Self::Kafka(Cluster { brokers: brokers.to_owned(), prefix }))
    }

    /// Parses an address and refuses one that the database at `database_url` does not support.
    pub fn beside(text: &str, database_url: &str) -> Result<Self, EventsUrlError> {
        let url = Self::parse(text)?;
        let fits = url != Self::Local || database_url.starts_with("sqlite:");
        if fits { Ok(url) } else { Err(EventsUrlError::LocalNeedsSqlite) }
    }
}

fn is_broker(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn is_prefix(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
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
        assert_eq!(EventsUrl::beside("local:", "postgres://db/openrun"), Err(EventsUrlError::LocalNeedsSqlite));
        assert!(EventsUrl::beside("kafka://a:9092", "postgres://db/openrun").is_ok());
    }
}
