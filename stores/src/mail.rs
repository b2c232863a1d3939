//! Port: outgoing mail.
//!
//! Adapters: SMTP, and a mailbox in the database; `OPENRUN_MAIL_URL` selects one ([`connect`]). Both pass the contract tests
//! of `stores/tests/mail.rs`, which are integration tests because one runs against a server.

pub mod mailbox;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use lettre::Address;
use sale::Keys;

use self::mailbox::Mailbox;
pub use self::smtp::{SmtpMailer, SmtpServer};
use crate::{StoreError, database::Database};

/// A mail to send. The same event always has the same `message_id`.
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

/// The outcome of sending a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    Accepted,
    /// The address or the mail was rejected permanently; a retry cannot succeed.
    Rejected,
}

#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands the mail over.
    ///
    /// # Errors
    /// The mail may or may not be sent; send it again with the same message id.
    async fn send(&self, mail: &Mail) -> Result<SendOutcome, StoreError>;
}

/// RFC 5321 allows no longer address, in bytes.
const LONGEST_ADDRESS: usize = 254;

/// Whether a mail can be sent to this address. It need not exist.
pub fn is_address(text: &str) -> bool {
    text.len() <= LONGEST_ADDRESS && text.parse::<Address>().is_ok()
}

/// An address of outgoing mail that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailUrlError {
    #[error("outgoing mail is `mailbox:`, `smtp://host:port?from=shop@example.com` or the same with `smtps`; {0}")]
    Unknown(String),
    #[error("`from` in the address of outgoing mail is not an e-mail address: {0}")]
    BadSender(String),
}

/// Where outgoing mail goes.
#[derive(Clone, Debug)]
pub enum MailUrl {
    Mailbox,
    Smtp(Box<SmtpServer>),
}

impl MailUrl {
    /// Parses `mailbox:`, `smtp://[user:password@]host[:port]` or `smtps://…`. Parameters: `from` is the sender;
    /// `tls=required` or `tls=opportunistic` requests STARTTLS with `smtp`.
    pub fn parse(text: &str) -> Result<Self, MailUrlError> {
        if text == "mailbox:" { Ok(Self::Mailbox) } else { SmtpServer::parse(text).map(Box::new).map(Self::Smtp) }
    }
}

/// The mailer at `url`; call it within a runtime. An unreachable mail server is no error here.
///
/// # Errors
/// When no adapter can use `url`.
pub fn connect(url: &str, database: &Database, keys: &Keys) -> Result<Arc<dyn Mailer>, MailUrlError> {
    Ok(match MailUrl::parse(url)? {
        MailUrl::Mailbox => Arc::new(Mailbox::new(database.clone(), keys.personal_data.clone())),
        MailUrl::Smtp(server) => Arc::new(SmtpMailer::new(&server, Arc::clone(database.clock()))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_the_mailer_takes() {
        for good in ["buyer@example.com", "a.b+sale@mail.example.co.kr", "구매자@한국.example", "root@localhost"] {
            assert!(is_address(good), "{good}");
        }
        let longest = format!("{}@{}.example", "a".repeat(64), "b.".repeat(90).trim_end_matches('.'));
        assert!(is_address(&longest) && longest.len() <= LONGEST_ADDRESS, "{longest}");
        let too_long = format!("{}@{}.example", "a".repeat(64), "b.".repeat(92).trim_end_matches('.'));
        for bad in
            ["", "nobody", "@example.com", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: c@d", "A <a@b>", "a@b,c@d", &too_long]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
