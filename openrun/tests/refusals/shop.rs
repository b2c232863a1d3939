//! One embedded server in a folder of its own.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    thread::sleep,
    time::{Duration, Instant},
};

use harness::{
    Program,
    http::{Answer, Request},
    process::Process,
};
use sale::{
    Keys, Timestamp,
    clock::monotonic,
    token::{self, Authority},
};
use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for what must come on a busy machine.
const SOON: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(crate) struct Shop {
    pub address: SocketAddr,
    pub seller: String,
    pub operator: String,
    process: Process,
    folder: TempDir,
}

/// Asks until there is an answer; waiting is for this function alone.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started: Instant = monotonic();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < SOON, "waited in vain: {what}");
        sleep(LOOK_EVERY);
    }
}

/// The answer, if there is one; a server that neither answers nor closes is a fault.
pub(crate) fn answered(request: &Request, address: SocketAddr) -> Option<Answer> {
    match request.send(address) {
        Ok(answer) => Some(answer),
        Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => None,
        Err(fault) => panic!("{fault}"),
    }
}

/// The machine's clock, which is the server's.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(time::OffsetDateTime::now_utc().unix_timestamp() * 1000)
}

impl Shop {
    pub(crate) fn start() -> Self {
        Self::armed(None)
    }

    /// With a fail point.
    pub(crate) fn armed(fail_point: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let environment = [
            ("OPENRUN_PUBLIC_URL", "http://localhost:8080".to_owned()),
            ("OPENRUN_DATA_DIR", folder.path().join("data").display().to_string()),
            ("OPENRUN_SANDBOX_LATENCY_MS", "10".to_owned()),
        ];
        let fail_point = fail_point.map(|plan| ("OPENRUN_FAIL_POINT", plan.to_owned()));
        let environment =
            environment.into_iter().chain(fail_point).map(|(name, value)| (name.to_owned(), value)).collect();
        let program = Program::at(env!("CARGO_BIN_EXE_openrun"));
        let mut process = Process::start(&program, "openrun", &[], folder.path(), &environment);
        process.await_ready(LOOK_EVERY);
        let address = process.address;
        let mut shop = Self { address, seller: String::new(), operator: String::new(), process, folder };
        let in_an_hour = now().plus_seconds(3_600);
        let keys = shop.keys();
        shop.seller = token::sign(&keys.tokens, Authority::Seller, in_an_hour);
        shop.operator = token::sign(&keys.tokens, Authority::Operator, in_an_hour);
        shop
    }

    /// The installation's own keys.
    pub(crate) fn keys(&self) -> Keys {
        Keys::parse(&std::fs::read_to_string(self.folder.path().join("data/keys.json")).unwrap()).unwrap()
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        request.send(self.address).unwrap_or_else(|fault| panic!("no answer to {request:?}: {fault}"))
    }

    /// A call of the seller's that must succeed.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let mut request = Request::new(method, path).bearer(&self.seller);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = self.ask(&request);
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.process.log());
        }
    }
}
