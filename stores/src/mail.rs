//! Port: outgoing mail.

pub mod mailbox;

use std::sync::Arc;

use async_trait::async_trait;
use sale::Keys;

use self::mailbox::Mailbox;
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
    #[error("outgoing mail is `mailbox:` or `smtp://host:port?from=shop@example.com`, not this address: {0}")]
    Unknown(String),
}

/// The mailer at `url`. A mail server that does not answer yet is no error.
pub fn connect(url: &str, database: &Database, keys: &Keys) -> Result<Arc<dyn Mailer>, BadMailUrl> {
    if url == "mailbox:" {
        return Ok(Arc::new(Mailbox::new(database.clone(), keys.personal_data.clone())));
    }
    Err(BadMailUrl::Unknown(url.to_owned()))
}
