//! Whether the process is ready: it is not stopping, it belongs to the installation of its database, and the stores that it
//! cannot work without answer.
//!
//! Without the database nothing can be decided. Without the queue store people still see the last frame and where they
//! stand, so a process that lost it stays in service and says so in a note.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Response, StatusCode, header};
use parking_lot::Mutex;
use sale::clock::monotonic;
use server::{Lifecycle, Operations};
use stores::{
    StoreError,
    database::{Database, sales},
    queue_store::SaleQueueStore,
};
use web::Body;

use crate::{installation::Membership, telemetry::metrics::Metrics};

/// How long a reading counts: many probes at once must not burden a store that is slow already.
const FRESH_FOR: Duration = Duration::from_millis(500);
/// A store that takes longer does not answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Sales that are checked for notes at most.
const MAX_NOTES: usize = 20;

/// The answer to a readiness probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The process takes work. Each line of the notes names something that is in trouble without keeping it from that.
    Ready {
        notes: String,
    },
    NotReady(String),
}

/// Whether the process runs.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "healthz",
    tag = "operations",
    responses((status = 200, description = "It runs", body = String, content_type = "text/plain"))
)]
pub fn healthz() -> Response<Body> {
    text(StatusCode::OK, "ok\n".to_owned())
}

/// Whether the process takes work: the first line says so, every further one names what is in trouble.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "operations",
    responses(
        (status = 200, description = "It takes work", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not, and why", body = String, content_type = "text/plain")
    )
)]
pub async fn readyz(health: &Health) -> Response<Body> {
    match health.read().await {
        Reading::Ready { notes } => text(StatusCode::OK, format!("ready\n{notes}")),
        Reading::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

/// An answer for people and probes.
pub fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What an address serves about the process.
pub struct OperationsRoutes {
    pub health: Health,
    /// `None` where metrics are served on another address.
    pub metrics: Option<Metrics>,
}

impl Operations for OperationsRoutes {
    fn answer<'a>(&'a self, path: &'a str, from_this_machine: bool) -> BoxFuture<'a, Option<Response<Body>>> {
        async move {
            match path {
                "/healthz" => Some(healthz()),
                "/readyz" => Some(readyz(&self.health).await),
                _ => {
                    let metrics = self.metrics.as_ref()?;
                    let allowed = !metrics.loopback_only || from_this_machine;
                    allowed.then(|| text(StatusCode::OK, metrics.render()))
                }
            }
        }
        .boxed()
    }
}

#[derive(Clone)]
pub struct Health {
    lifecycle: Lifecycle,
    database: Database,
    queue: Arc<dyn SaleQueueStore>,
    membership: Membership,
    last: Arc<Mutex<Option<(Instant, Reading)>>>,
}

impl Health {
    pub fn new(
        lifecycle: Lifecycle,
        database: Database,
        queue: Arc<dyn SaleQueueStore>,
        membership: Membership,
    ) -> Self {
        Self { lifecycle, database, queue, membership, last: Arc::default() }
    }

    /// How the process is, as of half a second ago at the earliest.
    pub async fn read(&self) -> Reading {
        if !self.lifecycle.is_ready() {
            return Reading::NotReady("stopping".to_owned());
        }
        if let Some(obstacle) = self.membership.obstacle() {
            return Reading::NotReady(obstacle.to_string());
        }
        let now = monotonic();
        if let Some((read, reading)) = &*self.last.lock()
            && now.duration_since(*read) < FRESH_FOR
        {
            return reading.clone();
        }
        let answered = tokio::time::timeout(TIMEOUT, self.database.sync_clock()).await;
        let reading = if matches!(answered, Ok(Ok(()))) {
            Reading::Ready { notes: self.notes().await }
        } else {
            Reading::NotReady("the database does not answer".to_owned())
        };
        *self.last.lock() = Some((now, reading.clone()));
        reading
    }

    async fn notes(&self) -> String {
        let Ok(Ok(running)) = tokio::time::timeout(TIMEOUT, sales::running(&self.database)).await else {
            return String::new();
        };
        let mut notes = String::new();
        for sale in running.iter().take(MAX_NOTES) {
            match tokio::time::timeout(TIMEOUT, self.queue.current_key(sale)).await {
                Ok(Ok(_)) => {}
                Ok(Err(StoreError::Lost)) => _ = writeln!(notes, "the line of {sale} is being restored"),
                Ok(Err(_)) | Err(_) => return "the queue store does not answer\n".to_owned(),
            }
        }
        notes
    }
}
