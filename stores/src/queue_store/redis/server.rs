//! The connection to the server, and the server process at its other end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, aio::MultiplexedConnection};

use crate::StoreError;

/// The store's name in errors.
pub(super) const STORE: &str = "queue store";

/// Longer than any step takes. After a timeout it is unknown whether the step happened; callers retry.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to one server process. It is never reconnected, only replaced, so `run_id` is always that of the process
/// at its other end.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    pub(super) run_id: String,
}

/// The address of the server, and the open connection if there is one.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    current: Mutex<Option<Arc<Link>>>,
    /// Finished attempts to connect. Callers that waited for an attempt share its error instead of connecting in turn.
    attempts: AtomicU64,
    connecting: tokio::sync::Mutex<Option<RedisError>>,
}

impl Server {
    pub(super) fn open(url: &str) -> Result<Self, RedisError> {
        Ok(Self {
            client: Client::open(url)?,
            current: Mutex::default(),
            attempts: AtomicU64::default(),
            connecting: tokio::sync::Mutex::default(),
        })
    }

    /// The open connection, or a new one.
    pub(super) async fn link(&self) -> Result<Arc<Link>, StoreError> {
        if let Some(link) = self.current() {
            return Ok(link);
        }
        let attempts = self.attempts.load(Ordering::Acquire);
        let mut last_error = self.connecting.lock().await;
        if let Some(link) = self.current() {
            return Ok(link);
        }
        if self.attempts.load(Ordering::Acquire) != attempts
            && let Some(error) = last_error.as_ref()
        {
            return Err(StoreError::unavailable(STORE, error.clone()));
        }
        let made = self.connect().await;
        self.attempts.fetch_add(1, Ordering::Release);
        match made {
            Ok(link) => {
                *last_error = None;
                *self.current.lock() = Some(Arc::clone(&link));
                Ok(link)
            }
            Err(error) => {
                *last_error = Some(error.clone());
                Err(StoreError::unavailable(STORE, error))
            }
        }
    }

    fn current(&self) -> Option<Arc<Link>> {
        self.current.lock().as_ref().map(Arc::clone)
    }

    async fn connect(&self) -> Result<Arc<Link>, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:"));
        let run_id = run_id.ok_or((ErrorKind::UnexpectedReturnType, "INFO contains no run_id"))?.trim().to_owned();
        tracing::info!(run_id, "connected to the queue store");
        Ok(Arc::new(Link { connection, run_id }))
    }

    /// Maps an error of Redis. Drops the connection when it failed, and when the server became a read-only replica.
    pub(super) fn store_error(&self, link: &Arc<Link>, error: RedisError) -> StoreError {
        match error.code() {
            Some("LOST") => return StoreError::Lost,
            Some("UNKNOWNITEM") => return StoreError::unexpected(STORE, error.detail().unwrap_or_default()),
            _ => {}
        }
        let is_primary = error.kind() != ErrorKind::Server(ServerErrorKind::ReadOnly);
        if error.is_unrecoverable_error() || error.is_timeout() || !is_primary {
            self.drop_link(link);
        }
        if error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) {
            return StoreError::unexpected(STORE, error.to_string());
        }
        StoreError::unavailable(STORE, error)
    }

    fn drop_link(&self, link: &Arc<Link>) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|other| Arc::ptr_eq(other, link)) {
            *current = None;
        }
    }
}
