//! Values that cannot stand together, and values that should not.

use std::net::SocketAddr;

use super::{Config, ConfigError};

/// Everything that is impossible together in this configuration.
pub fn check(config: &Config) -> Vec<ConfigError> {
    let mut errors = shared_by_processes(config);
    errors.extend(beside_each_other(config));
    errors
}

/// What is possible and dangerous, in sentences.
pub fn warnings(config: &Config) -> Vec<ConfigError> {
    let mut warnings = Vec::new();
    if !config.public_url.is_https() && !config.public_url.is_loopback() {
        warnings.push(ConfigError::new(
            "OPENRUN_PUBLIC_URL",
            format!("is {}: over http anybody on the way can take a buyer's place; use https", config.public_url),
        ));
    }
    if config.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        warnings.push(ConfigError::new(
            "OPENRUN_TRUSTED_PROXIES",
            "trusts every address: anybody can pretend to come from any network; name only your proxies",
        ));
    }
    if is_postgres(config) && config.queue_url == "memory:" {
        warnings.push(ConfigError::new(
            "OPENRUN_QUEUE_URL",
            "is memory: beside PostgreSQL: run one process only, or use redis://… for more",
        ));
    }
    warnings
}

fn is_postgres(config: &Config) -> bool {
    config.database_url.starts_with("postgres")
}

/// Stores that only one process can see, where `--role` says that there are several.
fn shared_by_processes(config: &Config) -> Vec<ConfigError> {
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
            ConfigError::new(variable, problem)
        })
        .collect()
}

fn beside_each_other(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    if config.runs_every_role() && is_postgres(config) && config.events_url == "local:" {
        errors.push(ConfigError::new(
            "OPENRUN_EVENTS_URL",
            "is local:, which goes with sqlite: only; with PostgreSQL use kafka://host:port",
        ));
    }
    if config.payments_url == "sandbox:" && config.public_url.is_https() && !config.allow_sandbox {
        errors.push(ConfigError::new(
            "OPENRUN_PAYMENTS_URL",
            format!(
                "is sandbox:, which charges nobody, but OPENRUN_PUBLIC_URL is {}; for a rehearsal set \
                 OPENRUN_ALLOW_SANDBOX=1",
                config.public_url
            ),
        ));
    }
    if config.ops_listen.is_some_and(|ops| collide(ops, config.listen)) {
        errors.push(ConfigError::new(
            "OPENRUN_OPS_LISTEN",
            format!(
                "takes the port {} of OPENRUN_LISTEN; give it a port of its own, or leave it empty",
                config.listen.port()
            ),
        ));
    }
    if let Err(fault) = config.sandbox.settings().validate() {
        let about = "OPENRUN_SANDBOX_DECLINE_SHARE, _LEAVE_SHARE and _TIMEOUT_SHARE";
        errors.push(ConfigError::new(about, fault.to_string()));
    }
    errors
}

/// Whether two listeners would want the same socket.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}
