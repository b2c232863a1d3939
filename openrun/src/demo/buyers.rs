//! The demo's simulated buyers. They use the API over HTTP, as everybody else does.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::RngExt as _;
use sale::{SaleId, SaleState, SessionId};
use serde_json::{Value, json};
use stores::{
    database::{Database, sales},
    periodic::Periodic,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use web::paths::api as paths;

/// Buyers at the opening, and the pause between two of them.
const FIRST_BUYERS: usize = 25;
const FIRST_BUYERS_EVERY_MS: u64 = 20;
/// The pause between two later ones.
const NEXT_BUYER_AFTER_MS: (u64, u64) = (400, 1_000);
/// Simulated buyers in the queue at the same time; more would only make a newcomer wait.
const MAX_BUYERS: usize = 40;
/// How long a simulated buyer may take in all.
const BUYER_TIMEOUT: Duration = Duration::from_mins(5);
/// What a simulated buyer chooses at the payment, in percent: the rest pays.
const DECLINED_PERCENT: u32 = 20;
const LEAVING_PERCENT: u32 = 10;

/// The simulated buyers of one sale.
pub(super) struct Buyers(Arc<Shared>);

/// What every buyer uses.
struct Shared {
    client: Client<HttpConnector, Full<Bytes>>,
    origin: String,
    sale: SaleId,
    stop: CancellationToken,
}

impl Buyers {
    /// Buyers who come to `sale` on the server that listens on `server`.
    pub(super) fn new(server: SocketAddr, sale: SaleId, stop: CancellationToken) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self(Arc::new(Shared { client, origin: format!("http://{server}"), sale, stop }))
    }

    /// Sends buyer after buyer while the sale is open.
    pub(super) async fn keep_coming(&self, database: &Database, tracker: &TaskTracker) {
        let slots = Arc::new(Semaphore::new(MAX_BUYERS));
        let mut came: usize = 0;
        let mut periodic = Periodic::every(Duration::from_millis(FIRST_BUYERS_EVERY_MS), "the demo", &self.0.stop);
        while periodic.is_due().await {
            if !self.sale_is_open(database).await {
                came = 0;
            } else if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
                came = came.saturating_add(1);
                tracker.spawn(Arc::clone(&self.0).send_one(slot));
            }
            let is_opening = came > 0 && came < FIRST_BUYERS;
            let pause_ms = if is_opening { FIRST_BUYERS_EVERY_MS } else { between(NEXT_BUYER_AFTER_MS) };
            periodic.pause_for(Duration::from_millis(pause_ms));
        }
    }

    async fn sale_is_open(&self, database: &Database) -> bool {
        let now = database.now();
        let known = sales::load(database, &self.0.sale).await;
        matches!(known, Ok(Some(known)) if known.state(now) == SaleState::Open)
    }
}

/// A call of the API.
struct Call<'c> {
    method: Method,
    path: String,
    key: Option<&'c str>,
    token: Option<&'c str>,
    body: Option<Value>,
}

impl<'c> Call<'c> {
    const fn new(method: Method, path: String) -> Self {
        Self { method, path, key: None, token: None, body: None }
    }

    fn key(self, key: &'c str) -> Self {
        Self { key: Some(key), ..self }
    }

    fn token(self, token: &'c str) -> Self {
        Self { token: Some(token), ..self }
    }
}

impl Shared {
    /// One buyer, who holds `slot` until the end.
    async fn send_one(self: Arc<Self>, slot: OwnedSemaphorePermit) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            outcome = tokio::time::timeout(BUYER_TIMEOUT, self.buy()) => {
                tracing::debug!(?outcome, "a simulated buyer is done");
            }
        }
        drop(slot);
    }

    /// One buyer's way: join, wait, enter, reserve, pay.
    async fn buy(&self) -> anyhow::Result<()> {
        let sale = &self.sale;
        let me = SessionId::random().expose();
        let joined = self.call(Call::new(Method::POST, paths::tickets(sale)).key(&me)).await?;
        let ticket = text(&joined, "ticket")?;
        loop {
            let standing = self.call(Call::new(Method::GET, paths::own_ticket(sale)).token(&ticket)).await?;
            match standing["state"].as_str() {
                Some("called" | "admitted") => break,
                Some("waiting" | "late") | None => wait((900, 1_600)).await,
                Some(_) => return Ok(()),
            }
        }
        wait((300, 2_500)).await;
        let entered = self.call(Call::new(Method::POST, paths::passes(sale)).token(&ticket)).await?;
        let pass = text(&entered, "pass")?;
        wait((1_000, 5_000)).await;
        let lines = json!({"lines": [{"item": "pair", "quantity": 1}]});
        let reserve = Call { body: Some(lines), ..Call::new(Method::POST, paths::orders(sale)).key(&me).token(&pass) };
        let order = text(&self.call(reserve).await?, "id")?;
        wait((1_000, 5_000)).await;
        let choice = json!({"method": method(rand::rng().random_range(0..100))});
        let pay = Call::new(Method::POST, paths::payments(&order)).key(&me).token(&pass);
        self.call(Call { body: Some(choice), ..pay }).await?;
        Ok(())
    }

    /// Calls the API as any client does; a store in trouble is asked again.
    async fn call(&self, call: Call<'_>) -> anyhow::Result<Value> {
        loop {
            let mut request =
                Request::builder().method(call.method.clone()).uri(format!("{}{}", self.origin, call.path));
            if let Some(key) = call.key {
                request = request.header("idempotency-key", key);
            }
            if let Some(token) = call.token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let bytes = call.body.as_ref().map(Value::to_string).unwrap_or_default();
            let request = request.header(header::CONTENT_TYPE, "application/json").body(Full::from(bytes))?;
            let response = self.client.request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
                wait((800, 1_500)).await;
                continue;
            }
            return Ok(serde_json::from_slice(&body).unwrap_or_default());
        }
    }
}

fn text(body: &Value, key: &str) -> anyhow::Result<String> {
    body[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {body}"))
}

/// What a buyer does at the payment, by a draw of 0 to 99.
const fn method(draw: u32) -> &'static str {
    if draw < DECLINED_PERCENT {
        "sandbox_declined"
    } else if draw < DECLINED_PERCENT + LEAVING_PERCENT {
        "sandbox_leave"
    } else {
        "sandbox_ok"
    }
}

fn between((least, most): (u64, u64)) -> u64 {
    rand::rng().random_range(least..=most)
}

async fn wait(millis: (u64, u64)) {
    tokio::time::sleep(Duration::from_millis(between(millis))).await;
}
