//! The API of a running server, as the command line uses it.

use std::time::Duration;

use sale::{
    Timestamp,
    keys::Ring,
    token::{self, Authority},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ureq::{
    Agent, Body,
    http::{HeaderMap, Response, StatusCode, header},
};

use crate::config::PublicUrl;

/// Longer than `verify` takes, which reads twice with a grace between.
const TIMEOUT: Duration = Duration::from_mins(2);

/// How long a request's token is good: clocks of two machines differ.
const TOKEN_TTL_SECONDS: i64 = 600;

/// Lists come in pages; a server that never ends them is broken.
const MAX_PAGES: usize = 10_000;

/// Why a server gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no server answers at {server}: {source}; start `openrun serve`, or name another with --server")]
    Unreachable { server: String, source: Box<ureq::Error> },
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("the server at {server} answered something unexpected: {detail}")]
    Unexpected { server: String, detail: String },
}

/// A one-time sign-in for the console.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct SignIn {
    pub sign_in_url: String,
    pub expires_at: Timestamp,
}

/// A problem document (RFC 9457) with what Openrun adds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    code: String,
    trace_id: String,
    errors: Vec<ProblemPart>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProblemPart {
    pointer: String,
    code: String,
}

/// Calls one server as an operator.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    server: PublicUrl,
    token: String,
}

impl Client {
    pub fn new(server: PublicUrl, tokens: &Ring, now: Timestamp) -> Self {
        let mut agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(Duration::from_secs(5)))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("openrun/", env!("CARGO_PKG_VERSION")));
        if server.is_loopback() {
            agent = agent.proxy(None);
        }
        let token = token::sign(tokens, Authority::Operator, now.plus_seconds(TOKEN_TTL_SECONDS));
        Self { agent: agent.build().into(), server, token }
    }

    /// `POST /v1/sales`.
    pub fn create_sale(&self, sale: &Value) -> Result<Value, ClientError> {
        self.post("/v1/sales", sale)
    }

    /// `GET /v1/sales`, all pages as one.
    pub fn sales(&self) -> Result<Value, ClientError> {
        let mut sales = Vec::new();
        let mut path = "/v1/sales".to_owned();
        for _ in 0..MAX_PAGES {
            let mut page = self.get(&path)?;
            let Value::Array(mut part) = page["data"].take() else {
                return Err(self.unexpected("a list without data"));
            };
            sales.append(&mut part);
            match page["next_cursor"].as_str() {
                Some(cursor) => {
                    let query: String =
                        url::form_urlencoded::Serializer::new(String::new()).append_pair("cursor", cursor).finish();
                    path = format!("/v1/sales?{query}");
                }
                None => return Ok(json!({"data": sales, "next_cursor": null})),
            }
        }
        Err(self.unexpected("a list without an end"))
    }

    /// `GET /v1/sales/{sale}`.
    pub fn sale(&self, sale: &str) -> Result<Value, ClientError> {
        self.get(&format!("/v1/sales/{sale}"))
    }

    /// `POST /v1/sellers`.
    pub fn add_seller(&self, email: &str) -> Result<SignIn, ClientError> {
        let answer = self.post("/v1/sellers", &json!({"email": email}))?;
        serde_json::from_value(answer).map_err(|error| self.unexpected(format!("no sign-in: {error}")))
    }

    /// `GET /v1/sales/{sale}/verify` of every sale, summed.
    pub fn verify(&self) -> Result<Value, ClientError> {
        let list = self.sales()?;
        let mut differences: u64 = 0;
        let mut sales = Map::new();
        for sale in list["data"].as_array().into_iter().flatten() {
            let id = sale["id"].as_str().ok_or_else(|| self.unexpected("a sale without an id"))?;
            let part = self.get(&format!("/v1/sales/{id}/verify"))?;
            // Not counted as none: that would be good news that nobody told.
            let count = part["differences"].as_u64();
            differences += count.ok_or_else(|| self.unexpected("a verification without a count"))?;
            sales.insert(id.to_owned(), part);
        }
        Ok(json!({"differences": differences, "sales": sales}))
    }

    fn get(&self, path: &str) -> Result<Value, ClientError> {
        let request = self.agent.get(self.server.join(path));
        self.read(request.header(header::AUTHORIZATION, self.bearer()).call())
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let request = self.agent.post(self.server.join(path));
        self.read(request.header(header::AUTHORIZATION, self.bearer()).send_json(body))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, ClientError> {
        let unreachable = |source| ClientError::Unreachable { server: self.server.origin(), source: Box::new(source) };
        let mut response = answer.map_err(unreachable)?;
        let text = response.body_mut().read_to_string().map_err(unreachable)?;
        if response.status().is_success() {
            return serde_json::from_str(&text).map_err(|error| self.unexpected(format!("no JSON: {error}")));
        }
        if is_problem(response.headers()) {
            let problem = serde_json::from_str(&text).unwrap_or_default();
            return Err(ClientError::Refused(sentence(response.status(), &problem)));
        }
        Err(self.unexpected(format!("status {}", response.status())))
    }

    fn unexpected(&self, detail: impl Into<String>) -> ClientError {
        ClientError::Unexpected { server: self.server.origin(), detail: detail.into() }
    }
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/problem+json"))
}

/// What went wrong, where in the document, and what to ask for in the log.
fn sentence(status: StatusCode, problem: &Problem) -> String {
    let words = [&problem.detail, &problem.title, &problem.code].into_iter().find(|words| !words.is_empty());
    let mut sentence = words.cloned().unwrap_or_else(|| status.to_string());
    for part in &problem.errors {
        sentence.extend(["; ", &part.pointer, ": ", &part.code]);
    }
    let labels = [status.as_str(), &problem.code, &problem.trace_id];
    let labels: Vec<&str> = labels.into_iter().filter(|label| !label.is_empty()).collect();
    format!("{sentence} ({})", labels.join(" "))
}
