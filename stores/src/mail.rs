//! Port: outgoing mail.

pub mod mailbox;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use sale::Keys;

use self::mailbox::Mailbox;
pub use self::smtp::{Server, Smtp};
use crate::{StoreError, database::Database};

/// A mail ready to go. The same event always makes the same `message_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Without angle brackets: `{event}@{host}`.
    pub message_id: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    /// BCP 47 tag of the text's language.
    pub language: &'static str,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Accepted,
    /// The address or the mail was refused for good; trying again is no use.
    Refused,
}

#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands the mail over. An `Err` means it may or may not have gone: send it again with the same message id.
    async fn send(&self, mail: &Mail) -> Result<Sent, StoreError>;
}

/// Why an address of outgoing mail cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMailUrl {
    #[error("outgoing mail is `mailbox:`, `smtp://host:port?from=shop@example.com` or the same with `smtps`; {0}")]
    Unknown(String),
    #[error("`from` in the address of outgoing mail is not an e-mail address: {0}")]
    BadSender(String),
}

/// Where outgoing mail goes.
#[derive(Clone, Debug)]
pub enum MailUrl {
    Mailbox,
    Smtp(Box<Server>),
}

impl MailUrl {
    /// Reads `mailbox:`, `smtp://[user:password@]host[:port]` or `smtps://…`. Parameters: `from` is the sender;
    /// `tls=required` or `tls=opportunistic` asks `smtp` for STARTTLS.
    pub fn parse(text: &str) -> Result<Self, BadMailUrl> {
        if text == "mailbox:" { Ok(Self::Mailbox) } else { Server::parse(text).map(Box::new).map(Self::Smtp) }
    }
}

/// The mailer at `url`, from within a runtime. A mail server that does not answer yet is no error.
pub fn connect(url: &str, database: &Database, keys: &Keys) -> Result<Arc<dyn Mailer>, BadMailUrl> {
    Ok(match MailUrl::parse(url)? {
        MailUrl::Mailbox => Arc::new(Mailbox::new(database.clone(), keys.personal_data.clone())),
        MailUrl::Smtp(server) => Arc::new(Smtp::new(&server, Arc::clone(database.clock()))),
    })
}
