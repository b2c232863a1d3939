//! One embedded server in a folder of its own.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use sale::{
    Keys, Timestamp,
    clock::monotonic,
    token::{self, Authority},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::wire::{Answer, Request};

/// How long a test waits for what must come on a busy machine.
const SOON: Duration = Duration::from_mins(1);

pub(crate) struct Shop {
    pub address: SocketAddr,
    pub seller: String,
    pub operator: String,
    folder: TempDir,
    process: Child,
}

/// Asks until there is an answer; waiting is for this function alone.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started: Instant = monotonic();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < SOON, "waited in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// The machine's clock, which is the server's.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(time::OffsetDateTime::now_utc().unix_timestamp() * 1000)
}

impl Shop {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // Free a moment ago; nobody else in this folder's network takes ports from this range meanwhile.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let log = File::create(folder.path().join("openrun.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_openrun"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OPENRUN_")) {
            command.env_remove(name);
        }
        let process = command
            .current_dir(folder.path())
            .arg("serve")
            .env("OPENRUN_LISTEN", address.to_string())
            .env("OPENRUN_PUBLIC_URL", format!("http://localhost:{}", address.port()))
            .env("OPENRUN_DATA_DIR", folder.path().join("data"))
            .env("OPENRUN_SANDBOX_LATENCY_MS", "10")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut shop = Self { address, seller: String::new(), operator: String::new(), folder, process };
        until("the server is ready", || {
            TcpStream::connect(address).ok()?;
            Request::new("GET", "/readyz").send(address).filter(|answer| answer.status == 200)
        });
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
        request.send(self.address).unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    /// A call of the seller's that must succeed.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let mut request = Request::new(method, path).bearer(&self.seller);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = self.ask(&request);
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("openrun.log")).unwrap_or_default()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}
