//! The kinds of values: how each is read, what it is expected to be, and how it is printed.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use ipnet::IpNet;
use toml::Value;
use tracing_subscriber::filter::Targets;

use super::PublicUrl;

/// A kind of value, with its bounds.
pub(super) trait Kind {
    type Value;

    /// Completes "expected …".
    fn expected(&self) -> String;

    /// Reads the text of a variable, or of a value in a file written as a variable would have it.
    fn parse(&self, text: &str) -> Result<Self::Value, Rejected>;

    /// The value as `config print` shows it, without secrets.
    fn print(&self, value: &Self::Value) -> Value;
}

/// Why a text is no value of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// It is not what is expected.
    Unexpected,
    /// It names something that is planned.
    NotSupportedYet(&'static str),
}

/// An address to listen on.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn expected(&self) -> String {
        "an IP address and a port from 1 to 65535, like 0.0.0.0:8080".to_owned()
    }

    fn parse(&self, text: &str) -> Result<SocketAddr, Rejected> {
        accept(text, |address: &SocketAddr| address.port() != 0)
    }

    fn print(&self, address: &SocketAddr) -> Value {
        address.to_string().into()
    }
}

/// Another kind, or nothing.
pub(super) struct OrEmpty<K>(pub(super) K);

impl<K: Kind> Kind for OrEmpty<K> {
    type Value = Option<K::Value>;

    fn expected(&self) -> String {
        format!("empty or {}", self.0.expected())
    }

    fn parse(&self, text: &str) -> Result<Self::Value, Rejected> {
        if text.is_empty() { Ok(None) } else { self.0.parse(text).map(Some) }
    }

    fn print(&self, value: &Self::Value) -> Value {
        value.as_ref().map_or_else(|| "".into(), |value| self.0.print(value))
    }
}

/// How browsers reach the installation.
pub(super) struct Origin;

impl Kind for Origin {
    type Value = PublicUrl;

    fn expected(&self) -> String {
        "http:// or https:// with a host, and nothing behind it".to_owned()
    }

    fn parse(&self, text: &str) -> Result<PublicUrl, Rejected> {
        accept(text, |_| true)
    }

    fn print(&self, url: &PublicUrl) -> Value {
        url.to_string().into()
    }
}

/// A path; the text says what it leads to.
pub(super) struct NonEmptyPath(pub(super) &'static str);

impl Kind for NonEmptyPath {
    type Value = PathBuf;

    fn expected(&self) -> String {
        self.0.to_owned()
    }

    fn parse(&self, text: &str) -> Result<PathBuf, Rejected> {
        accept(text, |_| !text.is_empty())
    }

    fn print(&self, path: &PathBuf) -> Value {
        path.display().to_string().into()
    }
}

pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn expected(&self) -> String {
        "1 (true) or 0 (false)".to_owned()
    }

    fn parse(&self, text: &str) -> Result<bool, Rejected> {
        match text {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err(Rejected::Unexpected),
        }
    }

    fn print(&self, is_on: &bool) -> Value {
        (*is_on).into()
    }
}

pub(super) struct Networks;

impl Kind for Networks {
    type Value = Vec<IpNet>;

    fn expected(&self) -> String {
        "networks like 10.0.0.0/8, separated by commas".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Vec<IpNet>, Rejected> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| accept(part, |_| true)).collect()
    }

    fn print(&self, networks: &Vec<IpNet>) -> Value {
        networks.iter().map(ToString::to_string).collect::<Vec<_>>().into()
    }
}

/// A whole number from 0 to `most`.
pub(super) struct Whole {
    /// Empty, or " of milliseconds".
    pub(super) unit: &'static str,
    /// What 0 means, when it means something of its own: " (no limit)".
    pub(super) zero: &'static str,
    pub(super) most: u32,
}

impl Kind for Whole {
    type Value = u32;

    fn expected(&self) -> String {
        let Self { unit, zero, most } = self;
        format!("a whole number{unit} from 0{zero} to {most}")
    }

    fn parse(&self, text: &str) -> Result<u32, Rejected> {
        accept(text, |number| *number <= self.most)
    }

    fn print(&self, number: &u32) -> Value {
        i64::from(*number).into()
    }
}

/// A part of a whole.
pub(super) struct Share;

impl Kind for Share {
    type Value = f64;

    fn expected(&self) -> String {
        "a share from 0 to 1".to_owned()
    }

    fn parse(&self, text: &str) -> Result<f64, Rejected> {
        accept(text, |share| (0.0..=1.0).contains(share))
    }

    fn print(&self, share: &f64) -> Value {
        (*share).into()
    }
}

/// What makes random choices repeatable; `None` is another seed at every start.
pub(super) struct Seed;

impl Kind for Seed {
    type Value = Option<u64>;

    fn expected(&self) -> String {
        // TOML has no larger whole numbers.
        format!("random or a whole number from 0 to {}", i64::MAX)
    }

    fn parse(&self, text: &str) -> Result<Option<u64>, Rejected> {
        match text {
            "random" => Ok(None),
            _ => accept(text, |seed: &u64| i64::try_from(*seed).is_ok()).map(Some),
        }
    }

    fn print(&self, seed: &Option<u64>) -> Value {
        match seed.map(i64::try_from) {
            Some(Ok(seed)) => seed.into(),
            _ => "random".into(),
        }
    }
}

/// Directives for the log's filter.
pub(super) struct Directives;

impl Kind for Directives {
    type Value = String;

    fn expected(&self) -> String {
        "error, warn, info, debug, trace or directives like info,stores=debug".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, Rejected> {
        accept(text, |_: &Targets| !text.is_empty()).map(|_| text.to_owned())
    }

    fn print(&self, directives: &String) -> Value {
        directives.as_str().into()
    }
}

/// The value that `text` stands for, when it is `within` the bounds.
fn accept<T: FromStr>(text: &str, within: impl Fn(&T) -> bool) -> Result<T, Rejected> {
    text.parse().ok().filter(within).ok_or(Rejected::Unexpected)
}
