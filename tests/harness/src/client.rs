//! A small HTTP client that behaves: it keeps connections, waits as long as it is told, and asks again with the same key
//! when an answer was lost.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use parking_lot::Mutex;
use sale::clock::monotonic;

use crate::http::{Answer, Request};

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
    pub async fn ask(&self, server: &str, request: &Request) -> Result<Answer, String> {
        let mut sent = http::Request::builder().method(&*request.method).uri(format!("{server}{}", request.path));
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        let sent = sent.body(Full::new(Bytes::from(request.body.clone()))).map_err(|fault| fault.to_string())?;
        let answered = tokio::time::timeout(ANSWERS_WITHIN, async {
            let (head, body) = self.http.request(sent).await.map_err(|fault| fault.to_string())?.into_parts();
            let body = body.collect().await.map_err(|fault| fault.to_string())?.to_bytes();
            let server = server.to_owned();
            Ok(Answer { server, status: head.status, headers: head.headers, body, bytes: 0 })
        });
        let answer = answered.await.unwrap_or_else(|_| Err("no answer in time".to_owned()))?;
        let mut answers = self.answers.lock();
        let counted = answers.entry(answer.status.as_u16()).or_default();
        counted.all += 1;
        counted.with_retry_after += u64::from(answer.headers.contains_key(header::RETRY_AFTER));
        drop(answers);
        if answer.status.is_server_error() {
            let what = format!("{} {}{}: {} {}", request.method, server, request.path, answer.status, answer.code());
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
        let request = Request::get("");
        self.ask(url, &bearer.map_or(request.clone(), |token| request.bearer(token))).await
    }

    /// Asks until something was decided, of one server after another, always with the same key.
    pub async fn ask_patiently(&self, servers: &[String], first: usize, request: &Request) -> Result<Answer, String> {
        let started = monotonic();
        let mut at = first;
        loop {
            let server = &servers[at % servers.len()];
            let (wait, why) = match self.ask(server, request).await {
                Ok(answer) if answer.is_undecided() => {
                    (answer.retry_after(), format!("{} {}", answer.status, answer.code()))
                }
                Ok(answer) => return Ok(answer),
                Err(lost) => (Duration::from_millis(300), lost),
            };
            if started.elapsed() > PATIENCE {
                return Err(format!("{} {}: {why}", request.method, request.path));
            }
            at += 1;
            tokio::time::sleep(wait.mul_f64(rand::random_range(1.0..1.4))).await;
        }
    }
}
