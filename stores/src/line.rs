//! The store behind both [`Queue`] and [`StockGate`]: Redis, or this process's memory. `OPENRUN_QUEUE_URL` picks it.

mod life;
mod memory;
mod redis;

use std::sync::Arc;

pub use self::{memory::MemoryLine, redis::RedisLine};
use crate::{gate::StockGate, queue::Queue};

/// Both ports of one store.
pub trait Line: Queue + StockGate {}

impl<T: Queue + StockGate> Line for T {}

/// Joins within so much time share one recorded moment: a line of a million need not keep a million of them.
const MOMENT_MS: i64 = 100;

/// Windows that one sweep ends at most, so that no step holds up the others for long.
const SWEEP_MOST: usize = 1_000;

/// Holds that one step reads, about: neither the store nor the database that looks them up stands still for so many.
const HOLDS_AT_ONCE: usize = 500;

/// A queue URL that names no store this program can use.
#[derive(Debug, thiserror::Error)]
pub enum QueueUrlError {
    #[error("the queue URL must be memory: or redis://host:port")]
    UnknownScheme,
    #[error("Redis Cluster comes later; the queue URL must name one server, redis://host:port")]
    Cluster,
    #[error("this program does not speak TLS to Redis; use redis:// through a private network or a tunnel")]
    Tls,
    /// The URL itself is not told: it may hold a password.
    #[error("the queue URL does not name a Redis server like redis://host:port: {0}")]
    NotRedis(#[source] ::redis::RedisError),
}

/// The store that `url` names. Nothing is connected yet: a store that does not answer is told by its first use.
pub fn connect(url: &str) -> Result<Arc<dyn Line>, QueueUrlError> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryLine::new())),
        Some(("redis", _)) => Ok(Arc::new(RedisLine::open(url).map_err(QueueUrlError::NotRedis)?)),
        Some(("redis+cluster", _)) => Err(QueueUrlError::Cluster),
        Some(("rediss", _)) => Err(QueueUrlError::Tls),
        _ => Err(QueueUrlError::UnknownScheme),
    }
}
