//! The connection, and the server process that it leads to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, aio::MultiplexedConnection};

use super::STORE;
use crate::StoreError;

/// Longer than any step takes. After it nobody knows whether the step happened; callers ask again.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to one server process. It is never mended, only replaced, so `run_id` is always that of the process at
/// its other end.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    pub(super) run_id: String,
}

/// Where the server is, and the connection to it while there is one.
#[derive(Debug)]
pub(super) struct Server {
    client: Client,
    current: Mutex<Option<Arc<Link>>>,
    /// Finished attempts to connect: those who waited for one take its fault instead of trying one after another.
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

    /// The connection in use, or a new one.
    pub(super) async fn link(&self) -> Result<Arc<Link>, StoreError> {
        if let Some(link) = self.current() {
            return Ok(link);
        }
        let attempts = self.attempts.load(Ordering::Acquire);
        let mut last_fault = self.connecting.lock().await;
        if let Some(link) = self.current() {
            return Ok(link);
        }
        if self.attempts.load(Ordering::Acquire) != attempts
            && let Some(fault) = last_fault.as_ref()
        {
            return Err(StoreError::unavailable(STORE, fault.clone()));
        }
        let made = self.connect().await;
        self.attempts.fetch_add(1, Ordering::Release);
        match made {
            Ok(link) => {
                *last_fault = None;
                *self.current.lock() = Some(Arc::clone(&link));
                Ok(link)
            }
            Err(fault) => {
                *last_fault = Some(fault.clone());
                Err(StoreError::unavailable(STORE, fault))
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
        let run_id = run_id.ok_or((ErrorKind::UnexpectedReturnType, "INFO tells no run_id"))?.trim().to_owned();
        tracing::info!(run_id, "connected to the queue store");
        Ok(Arc::new(Link { connection, run_id }))
    }

    /// What a fault means to the caller. A connection that failed is dropped; so is one that leads to a server which
    /// lost its reign.
    pub(super) fn trouble(&self, link: &Arc<Link>, fault: RedisError) -> StoreError {
        match fault.code() {
            Some("LOST") => return StoreError::Lost,
            Some("UNKNOWNITEM") => return StoreError::unexpected(STORE, fault.detail().unwrap_or_default()),
            _ => {}
        }
        let reigns = fault.kind() != ErrorKind::Server(ServerErrorKind::ReadOnly);
        if fault.is_unrecoverable_error() || fault.is_timeout() || !reigns {
            self.drop_link(link);
        }
        if fault.kind() == ErrorKind::Server(ServerErrorKind::ResponseError) {
            return StoreError::unexpected(STORE, fault.to_string());
        }
        StoreError::unavailable(STORE, fault)
    }

    fn drop_link(&self, link: &Arc<Link>) {
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|other| Arc::ptr_eq(other, link)) {
            *current = None;
        }
    }
}
