//! The configuration: `default.toml` in the binary ← `openrun.toml` ← `OPENRUN_*` ← flags.
//!
//! Every fault is collected and told at once; after loading, the rest of the program holds a [`Config`] whose values
//! are known to be within their bounds and possible together.

mod check;
mod layers;
mod public_url;
mod redact;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::ValueEnum;
use ipnet::IpNet;
use serde::{Serialize, Serializer};
use tracing_subscriber::filter::Targets;

pub use self::{
    check::{check, warnings},
    public_url::PublicUrl,
    redact::redact,
};
use self::{layers::Layers, redact::serialize_redacted};

/// The commented defaults; the first layer of every configuration.
pub const DEFAULT_TOML: &str = include_str!("../default.toml");

/// The file that is read from the working directory when no other is named.
pub const FILE_NAME: &str = "openrun.toml";

/// What a process of an installation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Role {
    WaitingRoom,
    Checkout,
    Admission,
    Relay,
    Payments,
    Stock,
    Mail,
}

impl Role {
    pub const ALL: [Self; 7] =
        [Self::WaitingRoom, Self::Checkout, Self::Admission, Self::Relay, Self::Payments, Self::Stock, Self::Mail];
}

/// The configuration of one process. `Debug` and [`Config::to_toml`] hide secrets.
#[derive(Clone, PartialEq, Serialize)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: PublicUrl,
    /// Health and metrics on an address of their own; `None` serves them on `listen`, metrics for loopback peers only.
    #[serde(serialize_with = "or_empty")]
    pub ops_listen: Option<SocketAddr>,
    pub data_dir: PathBuf,
    /// `sqlite:FILE` or `postgres://…`.
    #[serde(serialize_with = "serialize_redacted")]
    pub database_url: String,
    /// `memory:` or `redis://…`.
    #[serde(serialize_with = "serialize_redacted")]
    pub queue_url: String,
    /// `local:` or `kafka://host:port,…`.
    #[serde(serialize_with = "serialize_redacted")]
    pub events_url: String,
    /// `sandbox:`.
    #[serde(serialize_with = "serialize_redacted")]
    pub payments_url: String,
    pub allow_sandbox: bool,
    /// `mailbox:` or `smtp://…`.
    #[serde(serialize_with = "serialize_redacted")]
    pub mail_url: String,
    pub keys_file: PathBuf,
    pub trusted_proxies: Vec<IpNet>,
    /// 0 is no limit.
    pub joins_per_network_per_minute: u32,
    /// Directives for the log's filter.
    pub log: String,
    pub sandbox: Sandbox,
    /// From the flags only, so that one file serves every process of an installation.
    #[serde(skip)]
    pub roles: BTreeSet<Role>,
}

/// How the sandbox provider behaves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sandbox {
    pub latency_ms: u32,
    /// 0 is any number.
    pub at_once: u32,
    pub decline_share: f64,
    pub leave_share: f64,
    pub timeout_share: f64,
    #[serde(serialize_with = "or_random")]
    pub seed: Option<u64>,
}

/// Where a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`; without it [`FILE_NAME`] is read when it is there.
    pub file: Option<PathBuf>,
    /// The `OPENRUN_*` variables, from [`environment`].
    pub environment: BTreeMap<String, String>,
    /// `--role`; empty is all of them.
    pub roles: Vec<Role>,
    /// The demo has a data folder of its own.
    pub demo: bool,
}

/// One thing that is wrong, as a sentence that begins with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable, key or file.
    pub about: String,
    pub problem: String,
}

impl Fault {
    pub(crate) fn new(about: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { about: about.into(), problem: problem.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.about, self.problem)
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Faults {}

/// The `OPENRUN_*` variables of this process, with a replacement character where one is no UTF-8. Nothing else in the program looks at the environment.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with("OPENRUN_"))
        .collect()
}

/// Where a drill wants this process to die, if anywhere (`stores/src/failpoint.rs`). It is no setting: it stands in no
/// file and is not printed.
pub fn fail_point() -> Option<String> {
    environment().remove("OPENRUN_FAIL_POINT")
}

/// What keeps the demo from starting, if anything does: it is made to be looked at, not to run beside a configuration
/// that somebody means.
pub fn demo_obstacle(sources: &Sources) -> Option<Fault> {
    let remedy = "use `openrun serve` to run it, or start the demo elsewhere";
    if let Some(file) = &sources.file {
        return Some(Fault::new(
            "--config",
            format!("names {}, and the demo takes no configuration; {remedy}", file.display()),
        ));
    }
    if Path::new(FILE_NAME).exists() {
        return Some(Fault::new(
            FILE_NAME,
            format!("is here, and the demo does not start beside a configuration; {remedy}"),
        ));
    }
    let names_a_store = |name: &&String| {
        let name = name.strip_suffix("_FILE").unwrap_or(name);
        name.ends_with("_URL") && !layers::is_for_scripts(name)
    };
    let variable = sources.environment.keys().find(names_a_store)?;
    Some(Fault::new(variable, format!("is set, and the demo does not start beside a configuration; {remedy}")))
}

impl Config {
    /// Reads all layers and refuses what is out of bounds or impossible together.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let (layers, mut faults) = Layers::gather(sources);
        let mut reader = Reader { layers: &layers, faults: Vec::new() };
        let config = Self::read(&mut reader, &sources.roles);
        faults.append(&mut reader.faults);
        let Some(config) = config else {
            faults.push(Fault::new("default.toml", "lacks a value, which is a fault of this build"));
            return Err(Faults(faults));
        };
        faults.extend(check(&config));
        if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
    }

    fn read(reader: &mut Reader<'_>, roles: &[Role]) -> Option<Self> {
        const ADDRESS: &str = "an IP address and a port from 1 to 65535, like 0.0.0.0:8080";
        let data_dir = reader.read("data_dir", "a folder", non_empty)?;
        let in_data_dir = |text: String| text.replacen("DATA_DIR/", &format!("{}/", data_dir.trim_end_matches('/')), 1);
        Some(Self {
            listen: reader.read("listen", ADDRESS, address)?,
            public_url: reader.read("public_url", "http:// or https:// with a host, and nothing behind it", parsed)?,
            ops_listen: reader.read("ops_listen", &format!("empty or {ADDRESS}"), |text| match text {
                "" => Some(None),
                text => address(text).map(Some),
            })?,
            database_url: in_data_dir(reader.read("database_url", "a URL", any)?),
            queue_url: reader.read("queue_url", "a URL", any)?,
            events_url: reader.read("events_url", "a URL", any)?,
            payments_url: reader.read("payments_url", "a URL", any)?,
            allow_sandbox: reader.read("allow_sandbox", "1 (true) or 0 (false)", switch)?,
            mail_url: reader.read("mail_url", "a URL", any)?,
            keys_file: in_data_dir(reader.read("keys_file", "a file", non_empty)?).into(),
            trusted_proxies: reader.read(
                "trusted_proxies",
                "networks like 10.0.0.0/8, separated by commas",
                networks,
            )?,
            joins_per_network_per_minute: reader.read(
                "joins_per_network_per_minute",
                "a whole number from 0 (no limit) to 1000000",
                |text| parsed(text).filter(|joins| *joins <= 1_000_000),
            )?,
            log: reader.read(
                "log",
                "error, warn, info, debug, trace or directives like info,stores=debug",
                directives,
            )?,
            sandbox: Sandbox::read(reader)?,
            roles: if roles.is_empty() { Role::ALL.into() } else { roles.iter().copied().collect() },
            data_dir: data_dir.into(),
        })
    }

    pub fn runs(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether no other process is needed for a whole installation.
    pub fn runs_every_role(&self) -> bool {
        Role::ALL.iter().all(|role| self.runs(*role))
    }

    /// Whether the keys file may be made by the first start: nobody else has to have the same one.
    pub fn owns_its_keys(&self) -> bool {
        self.database_url.starts_with("sqlite:") && self.keys_file == self.data_dir.join("keys.json")
    }

    /// The configuration as a file that reads back, with secrets hidden.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_toml())
    }
}

impl Sandbox {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        const SHARE: &str = "a share from 0 to 1";
        Some(Self {
            latency_ms: reader.read(
                "sandbox.latency_ms",
                "a whole number of milliseconds from 0 to 60000",
                |text| parsed(text).filter(|latency| *latency <= 60_000),
            )?,
            at_once: reader.read("sandbox.at_once", "a whole number from 0 to 10000", |text| {
                parsed(text).filter(|charges| *charges <= 10_000)
            })?,
            decline_share: reader.read("sandbox.decline_share", SHARE, share)?,
            leave_share: reader.read("sandbox.leave_share", SHARE, share)?,
            timeout_share: reader.read("sandbox.timeout_share", SHARE, share)?,
            // TOML has no larger whole numbers.
            seed: reader.read("sandbox.seed", "random or a whole number from 0 to 9223372036854775807", |text| {
                match text {
                    "random" => Some(None),
                    text => parsed::<i64>(text).and_then(|seed| u64::try_from(seed).ok()).map(Some),
                }
            })?,
        })
    }
}

/// Reads typed values from the layers and collects what is wrong with them.
struct Reader<'a> {
    layers: &'a Layers,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// The value of `key`. A bad one is a fault and gives way to the default, so that the faults of the other values
    /// are found as well; `None` only when the default itself is bad.
    fn read<T>(&mut self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.layers.value(key)?;
        if let Some(parsed) = parse(&value.text) {
            return Some(parsed);
        }
        let default = self.layers.default_of(key)?;
        let problem = match value.text.as_str() {
            "" => format!("is empty; expected {expected} (default {default:?})"),
            text => format!("is {:?}; expected {expected} (default {default:?})", redact(text)),
        };
        self.faults.push(Fault::new(value.source.name(key), problem));
        parse(default)
    }
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// URLs are judged by [`check`], which knows what they are for.
#[expect(clippy::unnecessary_wraps, reason = "it is one of the parsers")]
fn any(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn non_empty(text: &str) -> Option<String> {
    any(text).filter(|text| !text.is_empty())
}

fn address(text: &str) -> Option<SocketAddr> {
    parsed(text).filter(|address: &SocketAddr| address.port() != 0)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

fn networks(text: &str) -> Option<Vec<IpNet>> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parsed).collect()
}

fn share(text: &str) -> Option<f64> {
    parsed(text).filter(|share| (0.0..=1.0).contains(share))
}

fn directives(text: &str) -> Option<String> {
    text.parse::<Targets>().ok().and_then(|_| non_empty(text))
}

#[expect(clippy::ref_option, reason = "serde gives a reference")]
fn or_empty<S: Serializer>(address: &Option<SocketAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    match address {
        Some(address) => serializer.collect_str(address),
        None => serializer.serialize_str(""),
    }
}

#[expect(clippy::ref_option, reason = "serde gives a reference")]
fn or_random<S: Serializer>(seed: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match seed {
        Some(seed) => serializer.serialize_u64(*seed),
        None => serializer.serialize_str("random"),
    }
}

#[cfg(test)]
mod tests;
