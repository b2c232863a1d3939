//! Every key of the configuration, declared once.
//!
//! A declaration gives the key its documentation, type, default, bounds and way of printing (its [kind](super::kinds)).
//! From it follow the variable's name, the layers, the sentences about a wrong value and `config print`; and a test
//! holds `default.toml` against it.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use stores::payments::{ProviderSettings, SandboxSettings};

use super::{
    PublicUrl,
    declare::section,
    kinds::{Address, Directives, Networks, NonEmptyPath, OrEmpty, Origin, Seed, Share, Switch, Whole},
    role::Role,
    store_url::{DATABASE, EVENTS, MAIL, PAYMENTS, QUEUE},
};

section! {
    /// The configuration of one process. `Debug` and `to_toml` hide secrets.
    pub struct Config {
        keys "" {
            /// The address and port to serve on. In production 0.0.0.0:8080.
            listen: SocketAddr = "127.0.0.1:8080", Address;

            /// How browsers reach this installation: scheme and host, no path. Its scheme decides the name of the
            /// session cookie and whether it is Secure.
            public_url: PublicUrl = "http://localhost:8080", Origin;

            /// An address of its own for health and metrics, for every role, such as 0.0.0.0:9090.
            /// Empty: /metrics on the main address, for this machine alone: loopback peers, and no request that a
            /// proxy forwarded.
            ops_listen: Option<SocketAddr> = "", OrEmpty(Address);

            /// The folder of the embedded database and the keys. DATA_DIR below stands for it.
            data_dir: PathBuf = "./data", NonEmptyPath("a folder");

            /// Orders, stock, payments and passes: sqlite:FILE or postgres://user:password@host/database.
            database_url: String = "sqlite:DATA_DIR/openrun.db", DATABASE;

            /// The line and the stock gate: memory: (this process) or redis://host:port.
            queue_url: String = "memory:", QUEUE;

            /// The event log: local: (in the database) or kafka://host:port,host:port, with /PREFIX where several
            /// installations share the brokers.
            events_url: String = "local:", EVENTS;

            /// The payment provider: sandbox: (a test, nothing is charged).
            payments_url: String = "sandbox:", PAYMENTS;

            /// Set to true to use the sandbox with an https public_url, for a rehearsal.
            allow_sandbox: bool = "false", Switch;

            /// Where mails go: mailbox: (shown in the console) or smtp://user:password@host:port?from=ADDRESS.
            mail_url: String = "mailbox:", MAIL;

            /// What signs tickets, passes and tokens and hides personal data. Shared by all processes of an
            /// installation. The embedded mode makes it at the first start; elsewhere `openrun keys init` does.
            keys_file: PathBuf = "DATA_DIR/keys.json", NonEmptyPath("a file");

            /// The networks (CIDR) of proxies whose X-Forwarded-For is believed.
            /// In the environment separated by commas.
            trusted_proxies: Vec<IpNet> = "", Networks;

            /// How many may join a sale per minute from one network (a /24 of IPv4, a /56 of IPv6), 0 to 1000000; 0 is
            /// no limit. Above it the answer is 429 with Retry-After, never a block. The default lets a mobile
            /// carrier's shared address through, behind which many buyers come, and stops a machine that joins without
            /// end.
            joins_per_network_per_minute: u32 = "6000", Whole { unit: "", zero: " (no limit)", most: 1_000_000 };

            /// What is logged to stderr: error, warn, info, debug or trace, or directives such as "info,stores=debug".
            /// "info,access=off" leaves out the lines about requests.
            log: String = "info", Directives;
        }
        sections {
            sandbox: Sandbox,
        }
        flags {
            /// From the flags only, so that one file serves every process of an installation.
            roles: BTreeSet<Role>,
        }
    }
}

section! {
    /// How the sandbox: behaves.
    pub struct Sandbox {
        keys "sandbox." {
            /// How long it takes to answer, 0 to 60000 milliseconds. The default is about what a card payment takes.
            latency_ms: u32 = "300", Whole { unit: " of milliseconds", zero: "", most: 60_000 };

            /// How many charges it works on at the same time in one process, 0 to 10000; 0 is any number. Others are
            /// answered when it comes to them, as by a provider that is the narrowest place of a sale.
            at_once: u32 = "0", Whole { unit: "", zero: "", most: 10_000 };

            /// Of the payments with the method sandbox_random, the shares (0 to 1, together at most 1) that are
            /// declined, that the buyer walks away from, and that are charged without an answer. By default every
            /// payment succeeds.
            decline_share: f64 = "0", Share;
            leave_share: f64 = "0", Share;
            timeout_share: f64 = "0", Share;

            /// A whole number makes its choices repeatable.
            seed: Option<u64> = "random", Seed;
        }
        sections {}
        flags {}
    }
}

impl Config {
    /// The settings of the payment providers, as their adapters take them.
    pub fn payment_providers(&self) -> ProviderSettings {
        ProviderSettings { sandbox: self.sandbox.settings() }
    }
}

impl Sandbox {
    /// As the adapter takes them; it says what is possible together.
    pub fn settings(&self) -> SandboxSettings {
        SandboxSettings {
            latency_ms: self.latency_ms,
            at_once: self.at_once,
            decline_share: self.decline_share,
            leave_share: self.leave_share,
            timeout_share: self.timeout_share,
            seed: self.seed.unwrap_or_else(rand::random),
        }
    }
}
