//! A row of the table: a request, and how it must be refused.

use harness::http::{Answer, Request};
use serde_json::Value;

use crate::{shop::answered, world::World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: String,
    request: Request,
    wanted: Expected,
    /// JSON pointers that the problem's `errors` must name.
    pointers: Vec<String>,
    /// Headers that the answer must carry.
    headers: Vec<String>,
    /// Members of the document and what they must be.
    members: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
enum Expected {
    /// A problem document.
    Problem(u16, String),
    /// A page with a sentence and a way on, in the language that was asked for.
    Page(u16, &'static str),
    /// A page that leads elsewhere.
    SeeOther(String),
    /// Only the status counts.
    Plain(u16),
    /// Below HTTP there is no code: any refusal does, or a closed connection.
    Unharmed,
}

pub(crate) fn row(name: impl Into<String>, request: Request) -> Row {
    let wanted = Expected::Unharmed;
    Row { name: name.into(), request, wanted, pointers: Vec::new(), headers: Vec::new(), members: Vec::new() }
}

impl Row {
    pub(crate) fn is(self, status: u16, code: &str) -> Self {
        Self { wanted: Expected::Problem(status, code.to_owned()), ..self }
    }

    /// The same in Korean and in English.
    pub(crate) fn page(self, status: u16) -> Vec<Self> {
        let spoken = [("ko", "ko-KR,ko;q=0.9,en;q=0.5"), ("en", "en-US,en;q=0.9")];
        spoken
            .map(|(lang, accepted)| Self {
                name: format!("{} ({lang})", self.name),
                request: self.request.clone().header("accept-language", accepted),
                wanted: Expected::Page(status, lang),
                ..self.clone()
            })
            .to_vec()
    }

    pub(crate) fn see_other(self, path: impl Into<String>) -> Self {
        Self { wanted: Expected::SeeOther(path.into()), ..self }
    }

    pub(crate) fn plain(self, status: u16) -> Self {
        Self { wanted: Expected::Plain(status), ..self }
    }

    pub(crate) fn at(mut self, pointer: &str) -> Self {
        self.pointers.push(pointer.to_owned());
        self
    }

    pub(crate) fn with(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.push((name.to_owned(), value.into()));
        self
    }

    fn faults(&self, answer: Option<&Answer>) -> Vec<String> {
        let Some(answer) = answer else {
            let is_fine = matches!(self.wanted, Expected::Unharmed);
            return if is_fine { Vec::new() } else { vec!["no answer".to_owned()] };
        };
        let mut faults = match &self.wanted {
            Expected::Problem(status, code) => problem(answer, *status, code),
            Expected::Page(status, lang) => page(answer, *status, lang),
            Expected::SeeOther(path) => {
                let to = answer.header("location").unwrap_or_default();
                let there = answer.status == 303 && to == path;
                if there { Vec::new() } else { vec![format!("{} to {to:?}, not 303 to {path}", answer.status)] }
            }
            Expected::Plain(status) if answer.status == *status => Vec::new(),
            Expected::Plain(status) => vec![format!("{}, not {status}", answer.status)],
            Expected::Unharmed if !answer.status.is_server_error() => Vec::new(),
            Expected::Unharmed => vec![format!("{}", answer.status)],
        };
        let document = answer.json();
        let told: Vec<&str> = document["errors"]
            .as_array()
            .map(|errors| errors.iter().filter_map(|error| error["pointer"].as_str()).collect())
            .unwrap_or_default();
        for pointer in self.pointers.iter().filter(|pointer| !told.contains(&pointer.as_str())) {
            faults.push(format!("errors names {told:?}, not {pointer}"));
        }
        for header in self.headers.iter().filter(|header| answer.header(header).is_none()) {
            faults.push(format!("no {header}"));
        }
        for (name, value) in self.members.iter().filter(|(name, value)| document[name] != *value) {
            faults.push(format!("{name} is {}, not {value}", document[name]));
        }
        if !faults.is_empty() {
            faults.push(format!("{} {:.300}", answer.status, answer.text()));
        }
        faults
    }
}

fn problem(answer: &Answer, status: u16, code: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let document = answer.json();
    let mut expect = |what: &str, found: String, wanted: &str| {
        if found != wanted {
            faults.push(format!("{what} is {found}, not {wanted}"));
        }
    };
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    expect("status", answer.status.as_str().to_owned(), &status.to_string());
    expect("code", text("code"), code);
    expect("content-type", answer.header("content-type").unwrap_or_default().to_owned(), "application/problem+json");
    expect("status in the document", document["status"].to_string(), &status.to_string());
    expect("type", text("type"), &format!("urn:openrun:problem:{code}"));
    expect("trace_id", text("trace_id"), TRACE);
    expect("a title", (!text("title").is_empty()).to_string(), "true");
    expect("cache-control", answer.header("cache-control").unwrap_or_default().to_owned(), "no-store");
    if matches!(status, 429 | 503) || matches!(code, "sale_not_open" | "not_called") {
        let seconds = answer.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok()).unwrap_or(0);
        expect("a retry-after", (seconds > 0).to_string(), "true");
    }
    if status == 401 {
        let scheme = answer.header("www-authenticate").unwrap_or_default();
        expect("www-authenticate: Bearer", scheme.starts_with("Bearer").to_string(), "true");
    }
    if status == 405 {
        expect("an allow", answer.header("allow").is_some().to_string(), "true");
    }
    faults
}

fn page(answer: &Answer, status: u16, lang: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let html = answer.text();
    let mut expect = |what: &str, is_so: bool| {
        if !is_so {
            faults.push(format!("not {what}"));
        }
    };
    expect(&format!("{status} but {}", answer.status), answer.status == status);
    expect("HTML", answer.header("content-type") == Some("text/html; charset=utf-8"));
    expect(&format!("in {lang}"), html.contains(&format!("<html lang=\"{lang}\"")));
    let said = html.split_once("<h1").and_then(|(_, rest)| rest.split_once("</h1>")).map(|(said, _)| said);
    expect("a page with a heading", said.is_some_and(|said| said.len() > 3));
    let main = html.split_once("<main").and_then(|(_, rest)| rest.split_once("</main>")).map(|(main, _)| main);
    let leads_on = main.is_some_and(|main| main.contains("href=\"/") || main.contains("<form"));
    expect("leading on", leads_on);
    expect("guarded by a policy", answer.header("content-security-policy").is_some());
    expect("no-store", answer.header("cache-control") == Some("no-store"));
    faults
}

/// Rows between two looks at everything.
const LOOK_AFTER: usize = 40;

/// Sends every row; nothing may change by it. What rows could reach is looked at after each, all else now and then.
pub(crate) fn run(world: &World, rows: Vec<Row>) -> Vec<String> {
    let (mut before, mut all_before) = (world.glance(), world.snapshot());
    let mut all = Vec::new();
    let count = rows.len();
    for (at, row) in rows.into_iter().enumerate() {
        let mut request = row.request.clone();
        if !request.headers.iter().any(|(name, _)| name == "traceparent") {
            request = request.header("traceparent", format!("00-{TRACE}-00f067aa0ba902b7-01"));
        }
        let answer = answered(&request, world.shop.address);
        let mut faults = row.faults(answer.as_ref());
        let after = world.glance();
        if after != before {
            faults.push(format!("something changed: {before} -> {after}"));
            before = after;
        }
        if at % LOOK_AFTER == 0 || at + 1 == count {
            let all_after = world.snapshot();
            if all_after != all_before {
                faults.push(format!("here or shortly before, something changed: {all_before} -> {all_after}"));
                all_before = all_after;
            }
        }
        if !faults.is_empty() {
            all.push(format!("- {}: {}", row.name, faults.join("; ")));
        }
    }
    all
}
