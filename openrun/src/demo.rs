//! The demo: a sale that opens in seconds, and simulated buyers who go through the same door as everybody else.

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use checkout::http::sellers::invite;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rand::RngExt as _;
use sale::{SaleId, SessionId, Timestamp};
use serde_json::{Value, json};
use stores::database::{
    acts::Act,
    sales::{self, Created},
    snapshot,
};
use tokio_util::sync::CancellationToken;

use crate::{lifecycle::Lifecycle, serve::Services};

/// The demo's sale.
const SALE: &str = "demo";
const UNITS: u32 = 300;
/// Ninety a minute: the line visibly moves, and a newcomer's turn comes within half a minute.
const PER_MINUTE: u32 = 90;
const MAX_ACTIVE: u32 = 30;
const OPENS_AFTER_SECONDS: i64 = 10;
/// Short, so that one sees units of those who leave come back.
const HOLD_SECONDS: u32 = 40;
/// People at the opening, and the pause between those who come later.
const FIRST_BUYERS: usize = 25;
const NEXT_BUYER_AFTER_MS: (u64, u64) = (400, 1_000);
/// Simulated buyers in the line at the same time; more would only make a newcomer wait.
const MOST_BUYERS: usize = 40;
/// How long a simulated buyer may take in all.
const PATIENCE: Duration = Duration::from_mins(5);
/// What a simulated buyer chooses at the payment, in percent: the rest pays.
const DECLINED_PERCENT: u32 = 20;
const LEAVING_PERCENT: u32 = 10;

/// Makes the demo's sale when there is none, starts its buyers, and prints where to look.
pub async fn start(services: &Services, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let sale: SaleId = SALE.parse().context("the demo's sale has a bad name")?;
    make_sale(services).await?;
    let link = invite(&services.keys, &services.database, &services.site, "seller@demo.localhost").await?;
    introduce(services, &link.sign_in_url)?;
    let crowd = Crowd {
        client: Client::builder(TokioExecutor::new()).build_http(),
        origin: format!("http://{}", services.config.listen),
        sale,
        stop: lifecycle.soft.clone(),
    };
    let (services, tracker) = (services.clone(), lifecycle.tracker.clone());
    lifecycle.spawn("demo", async move {
        gather(&services, Arc::new(crowd), &tracker).await;
        anyhow::Ok(())
    });
    Ok(())
}

async fn make_sale(services: &Services) -> anyhow::Result<()> {
    let now = services.database.now();
    let document = document(now.plus_seconds(OPENS_AFTER_SECONDS));
    let sale = checkout::new_sale::parse(&document, now).map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
    let act = Act { at: now, actor: "demo".to_owned(), act: "create".to_owned(), detail: String::new() };
    if sales::create(&services.database, &sale, &act).await? == Created::Created {
        snapshot::begin(&services.database, services.line.as_ref(), &sale.id).await?;
    }
    Ok(())
}

fn document(opens_at: Timestamp) -> Value {
    json!({
        "id": SALE, "kind": "open_run",
        "name": {"ko": "한정판 운동화", "en": "Limited sneaker"},
        "opens_at": opens_at,
        "items": [{
            "id": "pair", "name": {"ko": "운동화 한 켤레", "en": "One pair of sneakers"},
            "price": {"amount": 189_000, "currency": "KRW"}, "units": UNITS,
        }],
        "per_buyer_limit": 1, "hold_seconds": HOLD_SECONDS, "enter_seconds": 120,
        "admission": {"mode": "manual", "per_minute": PER_MINUTE, "max_active": MAX_ACTIVE},
    })
}

/// The one short block that a newcomer reads.
fn introduce(services: &Services, sign_in_url: &str) -> io::Result<()> {
    let config = &services.config;
    let mut out = io::stdout();
    writeln!(out, "\n  Openrun demo: a sale opens in {OPENS_AFTER_SECONDS} seconds, with other buyers in the line.\n")?;
    writeln!(out, "  shop      {}", config.public_url.origin())?;
    writeln!(out, "  console   {sign_in_url}   (signs in once; a restart prints a new one)")?;
    writeln!(out, "  data      {}", config.data_dir.display())?;
    writeln!(out, "  stop      Ctrl-C; the data stays and the demo goes on where it was\n")?;
    out.flush()
}

/// Keeps people coming while the sale is open.
async fn gather(services: &Services, crowd: Arc<Crowd>, tracker: &tokio_util::task::TaskTracker) {
    let inside = Arc::new(tokio::sync::Semaphore::new(MOST_BUYERS));
    let mut came: usize = 0;
    while !crowd.stop.is_cancelled() {
        let now = services.database.now();
        let is_open = match sales::load(&services.database, &crowd.sale).await {
            Ok(Some(known)) => known.state(now) == sale::SaleState::Open,
            _ => false,
        };
        if !is_open {
            came = 0;
        } else if let Ok(place) = Arc::clone(&inside).try_acquire_owned() {
            came = came.saturating_add(1);
            let crowd = Arc::clone(&crowd);
            tracker.spawn(async move {
                let stop = crowd.stop.clone();
                tokio::select! {
                    () = stop.cancelled() => {}
                    outcome = tokio::time::timeout(PATIENCE, crowd.buy()) => {
                        tracing::debug!(?outcome, "a simulated buyer is done");
                    }
                }
                drop(place);
            });
        }
        let pause = if came > 0 && came < FIRST_BUYERS { 20 } else { between(NEXT_BUYER_AFTER_MS) };
        tokio::select! {
            () = crowd.stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(pause)) => {}
        }
    }
}

/// The simulated buyers' browser.
struct Crowd {
    client: Client<HttpConnector, Full<Bytes>>,
    origin: String,
    sale: SaleId,
    stop: CancellationToken,
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

impl Crowd {
    /// One buyer's way: join, wait, enter, reserve, pay.
    async fn buy(&self) -> anyhow::Result<()> {
        let of_sale = |step: &str| format!("/v1/sales/{}/{step}", self.sale);
        let me = SessionId::random().reveal();
        let joined = self.call(Call::new(Method::POST, of_sale("tickets")).key(&me)).await?;
        let ticket = text(&joined, "ticket")?;
        loop {
            let standing = self.call(Call::new(Method::GET, of_sale("tickets/self")).token(&ticket)).await?;
            match standing["state"].as_str() {
                Some("called" | "admitted") => break,
                Some("waiting" | "late") | None => wait((900, 1_600)).await,
                Some(_) => return Ok(()),
            }
        }
        wait((300, 2_500)).await;
        let entered = self.call(Call::new(Method::POST, of_sale("passes")).token(&ticket)).await?;
        let pass = text(&entered, "pass")?;
        wait((1_000, 5_000)).await;
        let lines = json!({"lines": [{"item": "pair", "quantity": 1}]});
        let reserve = Call { body: Some(lines), ..Call::new(Method::POST, of_sale("orders")).key(&me).token(&pass) };
        let order = text(&self.call(reserve).await?, "id")?;
        wait((1_000, 5_000)).await;
        let choice = json!({"method": method(rand::rng().random_range(0..100))});
        let pay = Call::new(Method::POST, format!("/v1/orders/{order}/payments")).key(&me).token(&pass);
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
