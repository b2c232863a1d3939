//! `/console/mailbox`: the mails of an installation without a mail server.

use askama::Template;
use sale::Timestamp;

use crate::{Layout, assets, pages::rendered};

/// The list of mails.
#[derive(Clone, Debug, Template)]
#[template(path = "console/mailbox.html")]
pub struct MailboxPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Newest first.
    pub mails: Vec<MailRow>,
}

/// One mail in the list.
#[derive(Clone, Debug)]
pub struct MailRow {
    /// Its id.
    pub id: String,
    /// Whom it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// When.
    pub at: Timestamp,
}

/// One mail.
#[derive(Clone, Debug, Template)]
#[template(path = "console/mail.html")]
pub struct MailPage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Its head.
    pub mail: MailRow,
    /// Its language as a BCP 47 tag; it may differ from the page's.
    pub language: String,
    /// Its plain text.
    pub text: String,
}

impl MailboxPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }
}

impl MailPage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }
}
