//! Port: outgoing mail.

use async_trait::async_trait;

use crate::StoreError;

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
