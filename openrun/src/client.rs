//! The API of a running server, as the command line uses it.

use std::{io, time::Duration};

use sale::{
    Timestamp,
    keys::Ring,
    token::{self, Authority},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ureq::{
    Agent, Body, Timeout,
    http::{HeaderMap, Response, StatusCode, header},
};
use web::paths::api as paths;

use crate::config::PublicUrl;

/// Longer than `verify` takes, which reads twice with a grace between.
const TIMEOUT: Duration = Duration::from_mins(2);

/// How long a request's token is good: clocks of two machines differ.
const TOKEN_TTL_SECONDS: i64 = 600;

/// The longest list, in pages; a server whose lists never end is broken.
const MAX_PAGES: usize = 10_000;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made, so no request was sent.
    #[error("no server answers at {server}; start `openrun serve`, or name another with --server")]
    Unreachable { server: String, source: Box<ureq::Error> },
    #[error("the connection to {server} was lost; the request may or may not have been applied")]
    ConnectionLost { server: String, source: Box<ureq::Error> },
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
struct ApiError {
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
        self.post(&paths::sales(), sale)
    }

    /// `GET /v1/sales`, all pages as one.
    pub fn sales(&self) -> Result<Value, ClientError> {
        let mut sales = Vec::new();
        let mut path = paths::sales();
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
                    path = format!("{}?{query}", paths::sales());
                }
                None => return Ok(json!({"data": sales, "next_cursor": null})),
            }
        }
        Err(self.unexpected("a list without an end"))
    }

    /// `GET /v1/sales/{sale}`.
    pub fn sale(&self, sale: &str) -> Result<Value, ClientError> {
        self.get(&paths::sale(sale))
    }

    /// `POST /v1/sellers`.
    pub fn add_seller(&self, email: &str) -> Result<SignIn, ClientError> {
        let answer = self.post(&paths::sellers(), &json!({"email": email}))?;
        serde_json::from_value(answer).map_err(|error| self.unexpected(format!("no sign-in: {error}")))
    }

    /// `GET /v1/sales/{sale}/verify` of every sale, summed.
    pub fn verify(&self) -> Result<Value, ClientError> {
        let list = self.sales()?;
        let mut differences: u64 = 0;
        let mut sales = Map::new();
        for sale in list["data"].as_array().into_iter().flatten() {
            let id = sale["id"].as_str().ok_or_else(|| self.unexpected("a sale without an id"))?;
            let part = self.get(&paths::verify(id))?;
            // A missing count is an error: taken as zero, it would report a success that was never verified.
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
        self.read(
            request
                .header(header::AUTHORIZATION, self.bearer())
                .content_type("application/json")
                .send(body.to_string()),
        )
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, ClientError> {
        let mut response = answer.map_err(|error| self.silence(error))?;
        let text = response.body_mut().read_to_string().map_err(|error| self.silence(error))?;
        if response.status().is_success() {
            return serde_json::from_str(&text).map_err(|error| self.unexpected(format!("no JSON: {error}")));
        }
        if is_problem(response.headers()) {
            let problem = serde_json::from_str(&text).unwrap_or_default();
            return Err(ClientError::Refused(sentence(response.status(), &problem)));
        }
        Err(self.unexpected(format!("status {}", response.status())))
    }

    fn silence(&self, error: ureq::Error) -> ClientError {
        let (server, source) = (self.server.origin(), Box::new(error));
        if is_unreachable(&source) {
            ClientError::Unreachable { server, source }
        } else {
            ClientError::ConnectionLost { server, source }
        }
    }

    fn unexpected(&self, detail: impl Into<String>) -> ClientError {
        ClientError::Unexpected { server: self.server.origin(), detail: detail.into() }
    }
}

/// Whether the request cannot have arrived.
fn is_unreachable(error: &ureq::Error) -> bool {
    if let ureq::Error::Io(error) = error {
        return error.kind() == io::ErrorKind::ConnectionRefused;
    }
    matches!(
        error,
        ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
    )
}

fn is_problem(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/problem+json"))
}

/// What went wrong, where in the document, and the trace id to look for in the log.
fn sentence(status: StatusCode, problem: &ApiError) -> String {
    let words = [&problem.detail, &problem.title, &problem.code].into_iter().find(|words| !words.is_empty());
    let words = words.cloned().unwrap_or_else(|| status.to_string());
    let mut sentence = words.trim_end_matches('.').to_owned();
    for part in &problem.errors {
        sentence.extend(["; ", &part.pointer, ": ", &part.code]);
    }
    let labels = [status.as_str(), &problem.code, &problem.trace_id];
    let labels: Vec<&str> = labels.into_iter().filter(|label| !label.is_empty()).collect();
    format!("{sentence} ({})", labels.join(" "))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::{TcpListener, TcpStream},
        thread,
    };

    use sale::Keys;

    use super::*;

    /// Method, target and body in; status, content type and body out.
    type Answer = fn(&str, &str) -> (&'static str, &'static str, &'static str);

    const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn server(tokens: Ring, answer: Answer) -> PublicUrl {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                respond(stream.unwrap(), &tokens, answer);
            }
        });
        url
    }

    fn respond(stream: TcpStream, tokens: &Ring, answer: Answer) {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length, mut authority) = (String::new(), 0, None);
        reader.read_line(&mut head).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            match name.to_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "authorization" => {
                    authority = token::verify(tokens, value.strip_prefix("Bearer ").unwrap(), NOW);
                }
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let (status, kind, text) = match authority {
            Some(Authority::Operator) => answer(head.rsplit_once(' ').unwrap().0, std::str::from_utf8(&body).unwrap()),
            _ => ("401 Unauthorized", "text/plain", ""),
        };
        let length = text.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close");
        write!(reader.into_inner(), "{head}\r\n\r\n{text}").unwrap();
    }

    fn client(answer: Answer) -> Client {
        let tokens = Keys::generate().tokens;
        Client::new(server(tokens.clone(), answer), &tokens, NOW)
    }

    const JSON: &str = "application/json";

    #[test]
    fn a_list_is_read_to_its_end() {
        let client = client(|head, _| match head {
            "GET /v1/sales" => ("200 OK", JSON, r#"{"data":[{"id":"a"}],"next_cursor":"a&b"}"#),
            "GET /v1/sales?cursor=a%26b" => ("200 OK", JSON, r#"{"data":[{"id":"b"}],"next_cursor":null}"#),
            _ => ("404 Not Found", JSON, "{}"),
        });
        assert_eq!(client.sales().unwrap(), json!({"data": [{"id": "a"}, {"id": "b"}], "next_cursor": null}));
    }

    #[test]
    fn a_refusal_becomes_a_sentence() {
        let client = client(|_, _| {
            let problem = r#"{"type":"about:blank","title":"A field is wrong.","status":422,"code":"invalid_field",
                "trace_id":"t1","errors":[{"pointer":"/items/0/units","code":"invalid_quantity"}]}"#;
            ("422 Unprocessable Content", "application/problem+json", problem)
        });
        assert_eq!(
            client.create_sale(&json!({})).unwrap_err().to_string(),
            "the server refused: A field is wrong; /items/0/units: invalid_quantity (422 invalid_field t1)"
        );
    }

    #[test]
    fn a_seller_is_sent_and_the_link_comes_back() {
        let client = client(|head, body| match (head, body) {
            ("POST /v1/sellers", r#"{"email":"a@example.com"}"#) => {
                ("201 Created", JSON, r#"{"sign_in_url":"http://x/s","expires_at":"2026-11-21T09:00:00.000Z"}"#)
            }
            _ => ("500 Internal Server Error", "text/plain", ""),
        });
        assert_eq!(client.add_seller("a@example.com").unwrap().sign_in_url, "http://x/s");
    }

    #[test]
    fn verifications_are_summed_and_never_guessed() {
        let sum = client(|head, _| match head {
            "GET /v1/sales" => ("200 OK", JSON, r#"{"data":[{"id":"a"},{"id":"b"}],"next_cursor":null}"#),
            "GET /v1/sales/a/verify" => ("200 OK", JSON, r#"{"differences":0}"#),
            _ => ("200 OK", JSON, r#"{"differences":2}"#),
        });
        let document = sum.verify().unwrap();
        assert_eq!(document, json!({"differences": 2, "sales": {"a": {"differences": 0}, "b": {"differences": 2}}}));
        let guess = client(|head, _| match head {
            "GET /v1/sales" => ("200 OK", JSON, r#"{"data":[{"id":"a"}],"next_cursor":null}"#),
            _ => ("200 OK", JSON, "{}"),
        });
        assert!(matches!(guess.verify(), Err(ClientError::Unexpected { .. })));
    }

    #[test]
    fn no_server_and_an_unexpected_answer_are_different_errors() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = format!("http://{free}").parse().unwrap();
        let unreachable = Client::new(server, &Ring::generate(), NOW);
        assert!(matches!(unreachable.sales(), Err(ClientError::Unreachable { .. })));
        let other = client(|_, _| ("200 OK", "text/html", "<p>hello"));
        assert!(matches!(other.sales(), Err(ClientError::Unexpected { .. })));
    }
}
