//! Selects the adapter by URL.

use std::sync::Arc;

use super::{MemoryQueueStore, RedisQueueStore, SaleQueueStore};

/// A queue URL that names no store this program can use.
#[derive(Debug, thiserror::Error)]
pub enum QueueUrlError {
    #[error("the queue URL must be memory: or redis://host:port")]
    UnknownScheme,
    #[error("Redis Cluster is not supported yet; the queue URL must name one server, redis://host:port")]
    Cluster,
    #[error("TLS to Redis is not supported; use redis:// through a private network or a tunnel")]
    Tls,
    /// The message does not contain the URL, which may hold a password.
    #[error("the queue URL does not name a Redis server like redis://host:port: {0}")]
    NotRedis(#[source] ::redis::RedisError),
}

/// The store that `url` names. Opens no connection yet: an unreachable server is reported by the first call.
///
/// # Errors
/// When no adapter can use `url`.
pub fn connect(url: &str) -> Result<Arc<dyn SaleQueueStore>, QueueUrlError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryQueueStore::new())),
        Some(("redis", _)) => Ok(Arc::new(RedisQueueStore::open(url).map_err(QueueUrlError::NotRedis)?)),
        Some(("redis+cluster", _)) => Err(QueueUrlError::Cluster),
        Some(("rediss", _)) => Err(QueueUrlError::Tls),
        _ => Err(QueueUrlError::UnknownScheme),
    }
}
