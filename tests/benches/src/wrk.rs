//! The load: wrk, with a script that is made for each shot.

use std::{fmt::Write as _, fs, net::SocketAddr, process::Command, thread::available_parallelism};

use anyhow::{Context as _, ensure};
use harness::http::Request;
use serde::Deserialize;
use tempfile::TempDir;

/// What is sent, by how many at a time.
#[derive(Clone, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) request: &'a Request,
    /// Header and values that differ from request to request: tickets, passes, cookies.
    pub(crate) each: Option<(&'static str, &'a [String])>,
    pub(crate) connections: usize,
    pub(crate) seconds: u64,
    /// Milliseconds that a connection rests before each request; 0 is as fast as it can.
    pub(crate) rest_ms: u64,
    /// Whether every answer has to be a refusal (4xx), or none may be.
    pub(crate) refused: bool,
}

impl<'a> Load<'a> {
    pub(crate) const fn new(request: &'a Request, connections: usize, seconds: u64) -> Self {
        Self { request, each: None, connections, seconds, rest_ms: 0, refused: false }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Shot {
    pub(crate) requests: u64,
    microseconds: u64,
    /// Answers with 400 and above.
    refusals: u64,
    /// Connections that broke, and requests without an answer in two seconds.
    faults: u64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Shot {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / (self.microseconds as f64 / 1e6)
    }

    /// Lets wrk run; an answer that should not have come is an error.
    pub(crate) fn fire(at: SocketAddr, load: &Load<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let threads = available_parallelism()?.get().min(load.connections);
        let script = folder.path().join("load.lua");
        fs::write(&script, script_of(load, threads, &folder)?)?;
        let run = Command::new("wrk")
            .args(["-t", &threads.to_string(), "-c", &load.connections.to_string()])
            .args(["-d", &format!("{}s", load.seconds), "--latency", "-s"])
            .arg(&script)
            .arg(format!("http://{at}{}", load.request.path))
            .output()
            .context("wrk cannot be run; ./bench installs it (package wrk)")?;
        let text = String::from_utf8_lossy(&run.stdout);
        let line = text.lines().find_map(|line| line.strip_prefix("shot "));
        let line = line.with_context(|| format!("wrk said: {text}{}", String::from_utf8_lossy(&run.stderr)))?;
        let shot: Self = serde_json::from_str(line)?;
        let expected = if load.refused { shot.requests } else { 0 };
        ensure!(shot.requests > 0, "nothing was answered on {}", load.request.path);
        ensure!(shot.faults == 0, "{} of {} requests got no answer", shot.faults, shot.requests);
        ensure!(
            shot.refusals == expected,
            "{} of {} requests to {} were refused, and {expected} should be",
            shot.refusals,
            shot.requests,
            load.request.path
        );
        Ok(shot)
    }
}

fn script_of(load: &Load<'_>, threads: usize, folder: &TempDir) -> anyhow::Result<String> {
    let mut script = String::new();
    writeln!(script, "wrk.method = {}", quoted(&load.request.method))?;
    for (name, value) in &load.request.headers {
        writeln!(script, "wrk.headers[{}] = {}", quoted(name), quoted(value))?;
    }
    if !load.request.body.is_empty() {
        writeln!(script, "wrk.body = {}", quoted(&String::from_utf8_lossy(&load.request.body)))?;
    }
    if let Some((header, values)) = load.each {
        let file = folder.path().join("values");
        fs::write(&file, values.join("\n"))?;
        let (file, header) = (quoted(&file.display().to_string()), quoted(header));
        writeln!(script, "local file, header, threads = {file}, {header}, {threads}")?;
        script.push_str(EACH);
    }
    if load.rest_ms > 0 {
        writeln!(script, "function delay() return {} end", load.rest_ms)?;
    }
    script.push_str(DONE);
    Ok(script)
}

/// A text as Lua reads it.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Each thread takes its share of the values, and makes its requests before the clock starts.
const EACH: &str = r#"
local count = 0
function setup(thread) thread:set("id", count); count = count + 1 end
local requests, at = {}, 0
function init()
  local line = 0
  for value in io.lines(file) do
    if line % threads == id then
      wrk.headers[header] = value
      requests[#requests + 1] = wrk.format()
    end
    line = line + 1
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"#;

const DONE: &str = r#"
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'shot {"requests":%d,"microseconds":%d,"refusals":%d,"faults":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"#;
