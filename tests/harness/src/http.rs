//! Requests as programs, browsers and attackers send them, and what comes back.
//!
//! A [`Request`] goes through a [`Client`](crate::client::Client), which keeps its connections and behaves; or it is
//! [sent](Request::send) by hand on a connection of its own, where what no client would send can be sent too.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

/// Longer than any answer takes, on a busy machine too.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
const CHUNK_BYTES: usize = 8 * 1024;

/// A request, built up.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Sent by hand as it is, instead of all of the above.
    pub raw: Option<Vec<u8>>,
    /// Sent by hand, the body travels in chunks, its length untold.
    pub chunked: bool,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who was asked.
    pub server: String,
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Everything that travelled, head and all; 0 when a client read it.
    pub bytes: usize,
}

impl Request {
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self { method: method.to_owned(), path: path.into(), ..Self::default() }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: impl Into<String>) -> Self {
        Self::new("POST", path)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With a ticket, pass or token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// With an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With a document.
    #[must_use]
    pub fn json(self, body: impl std::fmt::Display) -> Self {
        self.header("content-type", "application/json").body(format!("{body}"))
    }

    /// With a form, as a page of this site sends it.
    #[must_use]
    pub fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    #[must_use]
    pub fn in_chunks(mut self) -> Self {
        self.chunked = true;
        self
    }

    #[must_use]
    pub fn raw(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw = Some(bytes.into());
        self
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// Sends it on a connection of its own and reads until the server closes that. A server that closes without an answer
    /// is an `UnexpectedEof`, one that neither answers nor closes a `TimedOut`.
    pub fn send(&self, to: SocketAddr) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
        // A server that has heard enough may close while it is still written to; what it said before counts.
        drop(stream.write_all(&self.to_bytes(to)));
        let mut heard = Vec::new();
        match stream.read_to_end(&mut heard) {
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let so_far = String::from_utf8_lossy(&heard);
                return Err(io::Error::new(ErrorKind::TimedOut, format!("neither answered nor closed: {so_far:?}")));
            }
            // A connection that is reset ends what was heard, too.
            Ok(_) | Err(_) => {}
        }
        Answer::parse(to, &heard).ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "closed without an answer"))
    }

    fn to_bytes(&self, to: SocketAddr) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let mut line = |name: &str, value: &str| head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        if !self.has("host") {
            line("host", &to.to_string());
        }
        line("connection", "close");
        for (name, value) in &self.headers {
            line(name, value);
        }
        let takes_body = !matches!(self.method.as_str(), "GET" | "HEAD");
        if self.chunked {
            line("transfer-encoding", "chunked");
        } else if takes_body && !self.has("content-length") {
            line("content-length", &self.body.len().to_string());
        }
        head.extend_from_slice(b"\r\n");
        if self.chunked {
            for chunk in self.body.chunks(CHUNK_BYTES) {
                head.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                head.extend_from_slice(chunk);
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(b"0\r\n\r\n");
        } else {
            head.extend_from_slice(&self.body);
        }
        head
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The document; null when there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A text of the document; empty when there is none.
    pub fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    /// The code of a problem; empty when it is none.
    pub fn code(&self) -> String {
        self.field("code")
    }

    /// After how long to ask again.
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(self.header("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap_or(1))
    }

    /// What a visitor has who was not answered for as long as it asked.
    pub fn none() -> Self {
        Self {
            server: String::new(),
            status: StatusCode::GATEWAY_TIMEOUT,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            bytes: 0,
        }
    }

    /// Whether the same call has to be made again: nothing was decided.
    pub fn is_undecided(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            || (self.status == StatusCode::CONFLICT && self.code() == "in_flight")
    }

    /// The cookies that the answer sets, as a browser would send them back.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let set = self.headers.get_all(header::SET_COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        set.filter_map(|value| value.split(';').next()?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn parse(server: SocketAddr, heard: &[u8]) -> Option<Self> {
        let end = heard.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&heard[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status: StatusCode = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let rest = &heard[end + 4..];
        if status == StatusCode::CONTINUE {
            return Self::parse(server, rest);
        }
        let headers: HeaderMap = lines
            .filter_map(|line| line.split_once(':'))
            .filter_map(|(name, value)| {
                Some((name.parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?))
            })
            .collect();
        let is_chunked = headers.get(header::TRANSFER_ENCODING).is_some_and(|coding| coding == "chunked");
        let body = if is_chunked { unchunk(rest) } else { rest.to_vec() };
        Some(Self { server: server.to_string(), status, headers, body: body.into(), bytes: heard.len() })
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap_or(0);
        let from = end + 2;
        if size == 0 || rest.len() < from + size {
            break;
        }
        body.extend_from_slice(&rest[from..from + size]);
        rest = rest.get(from + size + 2..).unwrap_or_default();
    }
    body
}
