//! A proxy before Redis that is slow, swallows or resets on demand.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use harness::{client::Client, http::Request, story::until};
use serde_json::{Value, json};
use stores::testing::free_port;

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// toxiproxy with one proxy; it goes with this value.
pub(crate) struct Toxiproxy {
    server: Child,
    client: Client,
    control: String,
    port: u16,
}

impl Toxiproxy {
    /// Stands before `upstream`, `host:port`.
    pub(crate) async fn before(upstream: &str) -> Self {
        let (control, port) = (free_port(), free_port());
        let mut command = Command::new("toxiproxy-server");
        command.args(["-host", "127.0.0.1", "-port", &control.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().expect("start toxiproxy-server, which ./drill installs");
        let control = format!("http://127.0.0.1:{control}");
        let proxy = Self { server, client: Client::default(), control, port };
        let there = || async { proxy.client.get(&format!("{}/version", proxy.control), None).await.is_ok() };
        assert!(until(STARTS_WITHIN, there).await, "toxiproxy does not answer");
        let document = json!({"name": "redis", "listen": format!("127.0.0.1:{port}"), "upstream": upstream});
        proxy.tell(Request::post("/proxies").json(document)).await;
        proxy
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Does this to what comes back from upstream, until it is cured.
    pub(crate) async fn poison(&self, kind: &str, attributes: Value) {
        let document = json!({"name": "toxic", "type": kind, "stream": "downstream", "attributes": attributes});
        self.tell(Request::post("/proxies/redis/toxics").json(document)).await;
    }

    pub(crate) async fn cure(&self) {
        self.tell(Request::new("DELETE", "/proxies/redis/toxics/toxic")).await;
    }

    async fn tell(&self, ask: Request) {
        let answer = self.client.ask(&self.control, &ask).await.expect("toxiproxy answers");
        assert!(answer.status.is_success(), "toxiproxy refused: {}", answer.json());
    }
}

impl Drop for Toxiproxy {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
