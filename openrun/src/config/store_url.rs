//! URLs that pick the adapter of a store.

use stores::{events::EventsUrl, mail::MailUrl, payments};
use toml::Value;
use url::Url;

use super::{
    kinds::{Kind, Rejected},
    redact,
};

/// The adapters that a URL can pick. It may hold a password, so it is printed without.
pub(super) struct StoreUrl {
    /// Whole URLs.
    words: &'static [&'static str],
    /// Schemes that need something behind them.
    schemes: &'static [&'static str],
    /// Planned, and refused until they are there.
    later: &'static [&'static str],
    expected: &'static str,
}

pub(super) const DATABASE: StoreUrl = StoreUrl {
    words: &[],
    schemes: &["sqlite:", "postgres://", "postgresql://"],
    later: &[],
    expected: "sqlite:FILE or postgres://user:password@host/database",
};

pub(super) const QUEUE: StoreUrl = StoreUrl {
    words: &["memory:"],
    schemes: &["redis://"],
    later: &["redis+cluster://", "rediss://"],
    expected: "memory: or redis://host:port",
};

pub(super) const EVENTS: StoreUrl = StoreUrl {
    words: &["local:"],
    schemes: &["kafka://"],
    later: &[],
    expected: "local: or kafka://host:port,host:port[/prefix]",
};

pub(super) const PAYMENTS: StoreUrl = StoreUrl {
    words: payments::URLS.words,
    schemes: payments::URLS.schemes,
    later: payments::URLS.later,
    expected: payments::URLS.expected,
};

pub(super) const MAIL: StoreUrl = StoreUrl {
    words: &["mailbox:"],
    schemes: &["smtp://", "smtps://"],
    later: &[],
    expected: "mailbox: or smtp://user:password@host:port?from=shop@example.com",
};

impl Kind for StoreUrl {
    type Value = String;

    fn expected(&self) -> String {
        self.expected.to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, Rejected> {
        let begins = |scheme: &&&'static str| text.starts_with(**scheme);
        let scheme = self.schemes.iter().find(begins);
        if self.words.contains(&text) || scheme.is_some_and(|scheme| is_whole(scheme, text)) {
            return Ok(text.to_owned());
        }
        Err(self.later.iter().find(begins).map_or(Rejected::Unexpected, |scheme| Rejected::NotSupportedYet(scheme)))
    }

    fn print(&self, url: &String) -> Value {
        redact(url).into()
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
