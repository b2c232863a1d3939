//! What cannot be together, and what should not.

use std::net::SocketAddr;

use stores::{events::EventsUrl, mail::MailUrl};
use url::Url;

use super::{Config, Fault, redact};

/// The adapters that a URL can pick.
struct Choice<'a> {
    variable: &'static str,
    url: &'a str,
    /// Whole URLs, and schemes that need something behind them.
    words: &'static [&'static str],
    schemes: &'static [&'static str],
    /// Planned, and refused until they are there.
    later: &'static [&'static str],
    expected: &'static str,
    default: &'static str,
}

/// Everything that is impossible in this configuration.
pub fn check(config: &Config) -> Vec<Fault> {
    let mut faults: Vec<Fault> = choices(config).iter().filter_map(Choice::fault).collect();
    faults.extend(shared_by_processes(config));
    faults.extend(beside_each_other(config));
    faults
}

/// What is possible and dangerous, in sentences.
pub fn warnings(config: &Config) -> Vec<Fault> {
    let mut warnings = Vec::new();
    if !config.public_url.is_https() && !config.public_url.is_loopback() {
        warnings.push(Fault::new(
            "OPENRUN_PUBLIC_URL",
            format!("is {}: over http anybody on the way can take a buyer's place; use https", config.public_url),
        ));
    }
    if config.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        warnings.push(Fault::new(
            "OPENRUN_TRUSTED_PROXIES",
            "trusts every address: anybody can pretend to come from any network; name only your proxies",
        ));
    }
    if is_postgres(config) && config.queue_url == "memory:" {
        warnings.push(Fault::new(
            "OPENRUN_QUEUE_URL",
            "is memory: beside PostgreSQL: run one process only, or use redis://… for more",
        ));
    }
    warnings
}

fn choices(config: &Config) -> [Choice<'_>; 5] {
    [
        Choice {
            variable: "OPENRUN_DATABASE_URL",
            url: &config.database_url,
            words: &[],
            schemes: &["sqlite:", "postgres://", "postgresql://"],
            later: &[],
            expected: "sqlite:FILE or postgres://user:password@host/database",
            default: "sqlite:DATA_DIR/openrun.db",
        },
        Choice {
            variable: "OPENRUN_QUEUE_URL",
            url: &config.queue_url,
            words: &["memory:"],
            schemes: &["redis://"],
            later: &["redis+cluster://", "rediss://"],
            expected: "memory: or redis://host:port",
            default: "memory:",
        },
        Choice {
            variable: "OPENRUN_EVENTS_URL",
            url: &config.events_url,
            words: &["local:"],
            schemes: &["kafka://"],
            later: &[],
            expected: "local: or kafka://host:port,host:port[/prefix]",
            default: "local:",
        },
        Choice {
            variable: "OPENRUN_PAYMENTS_URL",
            url: &config.payments_url,
            words: &["sandbox:"],
            schemes: &[],
            later: &["stripe:"],
            expected: "sandbox:",
            default: "sandbox:",
        },
        Choice {
            variable: "OPENRUN_MAIL_URL",
            url: &config.mail_url,
            words: &["mailbox:"],
            schemes: &["smtp://", "smtps://"],
            later: &[],
            expected: "mailbox: or smtp://user:password@host:port?from=shop@example.com",
            default: "mailbox:",
        },
    ]
}

impl Choice<'_> {
    fn fault(&self) -> Option<Fault> {
        let Self { url, expected, default, .. } = self;
        if self.words.contains(url) || self.scheme().is_some_and(|scheme| is_whole(scheme, url)) {
            return None;
        }
        let problem = if url.is_empty() {
            format!("is empty; expected {expected} (default {default:?})")
        } else if let Some(scheme) = self.later.iter().find(|scheme| url.starts_with(**scheme)) {
            format!("names {scheme}, which is not supported yet; expected {expected} (default {default:?})")
        } else {
            format!("is {:?}; expected {expected} (default {default:?})", redact(url))
        };
        Some(Fault::new(self.variable, problem))
    }

    fn scheme(&self) -> Option<&'static str> {
        self.schemes.iter().find(|scheme| self.url.starts_with(**scheme)).copied()
    }
}

/// Whether `url` has behind its scheme what the adapter needs.
fn is_whole(scheme: &str, url: &str) -> bool {
    let rest = &url[scheme.len()..];
    match scheme {
        // The adapter adds parameters of its own, and every connection to :memory: is another database.
        "sqlite:" => {
            !rest.trim_start_matches('/').is_empty() && !rest.contains(['?', '#']) && !rest.ends_with(":memory:")
        }
        "kafka://" => EventsUrl::parse(url).is_ok(),
        "smtp://" | "smtps://" => has_host(url) && MailUrl::parse(url).is_ok(),
        "postgres://" | "postgresql://" => Url::parse(url).is_ok(),
        _ => has_host(url),
    }
}

fn has_host(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()))
}

fn is_postgres(config: &Config) -> bool {
    config.database_url.starts_with("postgres")
}

/// Stores that only one process can see, where `--role` says that there are several.
fn shared_by_processes(config: &Config) -> Vec<Fault> {
    if config.runs_every_role() {
        return Vec::new();
    }
    let stores = [
        (
            config.database_url.starts_with("sqlite:"),
            "OPENRUN_DATABASE_URL",
            "is sqlite:, which one process at a time may write to",
            "postgres://…",
        ),
        (config.queue_url == "memory:", "OPENRUN_QUEUE_URL", "is memory:, which no other process can see", "redis://…"),
        (config.events_url == "local:", "OPENRUN_EVENTS_URL", "is local:, which no other process follows", "kafka://…"),
    ];
    let alone = stores.into_iter().filter(|(is_alone, ..)| *is_alone);
    alone
        .map(|(_, variable, why, remedy)| {
            let problem = format!("{why}, but --role leaves roles to other processes; use {remedy}, or run all roles");
            Fault::new(variable, problem)
        })
        .collect()
}

fn beside_each_other(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    if config.runs_every_role() && is_postgres(config) && config.events_url == "local:" {
        faults.push(Fault::new(
            "OPENRUN_EVENTS_URL",
            "is local:, which goes with sqlite: only; with PostgreSQL use kafka://host:port",
        ));
    }
    if config.payments_url == "sandbox:" && config.public_url.is_https() && !config.allow_sandbox {
        faults.push(Fault::new(
            "OPENRUN_PAYMENTS_URL",
            format!(
                "is sandbox:, which charges nobody, but OPENRUN_PUBLIC_URL is {}; for a rehearsal set \
                 OPENRUN_ALLOW_SANDBOX=1",
                config.public_url
            ),
        ));
    }
    if config.ops_listen.is_some_and(|ops| collide(ops, config.listen)) {
        faults.push(Fault::new(
            "OPENRUN_OPS_LISTEN",
            format!(
                "takes the port {} of OPENRUN_LISTEN; give it a port of its own, or leave it empty",
                config.listen.port()
            ),
        ));
    }
    let sandbox = &config.sandbox;
    let sum = sandbox.decline_share + sandbox.leave_share + sandbox.timeout_share;
    // A little more than 1 is what adding tenths gives.
    if sum > 1.0 + 1e-9 {
        faults.push(Fault::new(
            "OPENRUN_SANDBOX_DECLINE_SHARE, _LEAVE_SHARE and _TIMEOUT_SHARE",
            format!("come to {sum} together; expected at most 1 (default 0 each)"),
        ));
    }
    faults
}

/// Whether two listeners would want the same socket.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}
