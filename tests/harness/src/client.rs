//! A small HTTP client that behaves: it keeps connections, waits as long as it is told, and asks again with the same key
//! when an answer was lost.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use parking_lot::Mutex;
use sale::clock::monotonic;
use serde_json::Value;

/// After this long an answer counts as lost.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);
/// How long a visitor goes on asking while stores or processes are away.
const PATIENCE: Duration = Duration::from_mins(1);

/// Keeps its connections, and may be shared.
#[derive(Clone)]
pub struct Client {
    answers: Arc<Mutex<BTreeMap<u16, Answers>>>,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
    /// Answers of 500 and above, as far as they came.
    server_errors: Arc<Mutex<Vec<String>>>,
}

/// One call.
#[derive(Clone, Default)]
pub struct Ask {
    pub method: Method,
    pub path: String,
    pub bearer: Option<String>,
    pub key: Option<String>,
    pub body: Option<Value>,
    pub etag: Option<String>,
    /// The address that a proxy would speak for; whoever trusts no proxy passes it over.
    pub forwarded_for: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who answered.
    pub server: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The document; null when there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a problem; empty when it is none.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A text of the document; empty when there is none.
    pub fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_default().to_owned()
    }

    /// A header; empty when there is none.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// After how long to ask again.
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(self.header("retry-after").parse().unwrap_or(1))
    }

    /// Whether the same call has to be made again: nothing was decided.
    fn is_undecided(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            || (self.status == StatusCode::CONFLICT && self.code() == "in_flight")
    }
}

impl Ask {
    /// Reads something.
    pub fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// Writes something.
    pub fn post(path: impl Into<String>) -> Self {
        Self { method: Method::POST, ..Self::get(path) }
    }

    /// With another method.
    #[must_use]
    pub fn with(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// With a ticket, pass or token.
    #[must_use]
    pub fn bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// As a proxy forwards what comes from this address.
    #[must_use]
    pub fn forwarded_for(mut self, address: &str) -> Self {
        self.forwarded_for = Some(address.to_owned());
        self
    }

    /// With a document.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl Default for Client {
    /// A client without connections.
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let http = legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1_000).build(connector);
        Self { http, answers: Arc::default(), server_errors: Arc::default() }
    }
}

/// How often a status was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub all: u64,
    /// Those that said when to ask again.
    pub with_retry_after: u64,
}

impl Client {
    /// What all its users were answered so far, by status.
    pub fn answers(&self) -> BTreeMap<u16, Answers> {
        self.answers.lock().clone()
    }

    /// One try. An error says only that no answer came.
    pub async fn ask(&self, server: &str, ask: &Ask) -> Result<Answer, String> {
        let mut request = Request::builder().method(&ask.method).uri(format!("{server}{}", ask.path));
        if let Some(bearer) = &ask.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        if let Some(key) = &ask.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(etag) = &ask.etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(address) = &ask.forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        let body = match &ask.body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(body)).map_err(|fault| fault.to_string())?;
        let answered = tokio::time::timeout(ANSWERS_WITHIN, async {
            let (head, body) = self.http.request(request).await.map_err(|fault| fault.to_string())?.into_parts();
            let body = body.collect().await.map_err(|fault| fault.to_string())?.to_bytes();
            Ok(Answer { server: server.to_owned(), status: head.status, headers: head.headers, body })
        });
        let answer = answered.await.unwrap_or_else(|_| Err("no answer in time".to_owned()))?;
        let mut answers = self.answers.lock();
        let counted = answers.entry(answer.status.as_u16()).or_default();
        counted.all += 1;
        counted.with_retry_after += u64::from(answer.headers.contains_key(header::RETRY_AFTER));
        drop(answers);
        if answer.status.is_server_error() {
            let what = format!("{} {}{}: {} {}", ask.method, server, ask.path, answer.status, answer.code());
            self.server_errors.lock().push(what);
        }
        Ok(answer)
    }

    /// What was answered with 500 or above so far.
    pub fn server_errors(&self) -> Vec<String> {
        self.server_errors.lock().clone()
    }

    /// Reads a whole address.
    pub async fn get(&self, url: &str, bearer: Option<&str>) -> Result<Answer, String> {
        self.ask(url, &Ask { bearer: bearer.map(str::to_owned), ..Ask::default() }).await
    }

    /// Asks until something was decided, of one server after another, always with the same key.
    pub async fn ask_patiently(&self, servers: &[String], first: usize, ask: &Ask) -> Result<Answer, String> {
        let started = monotonic();
        let mut at = first;
        loop {
            let server = &servers[at % servers.len()];
            let (wait, why) = match self.ask(server, ask).await {
                Ok(answer) if answer.is_undecided() => {
                    (answer.retry_after(), format!("{} {}", answer.status, answer.code()))
                }
                Ok(answer) => return Ok(answer),
                Err(lost) => (Duration::from_millis(300), lost),
            };
            if started.elapsed() > PATIENCE {
                return Err(format!("{} {}: {why}", ask.method, ask.path));
            }
            at += 1;
            tokio::time::sleep(wait.mul_f64(rand::random_range(1.0..1.4))).await;
        }
    }
}
