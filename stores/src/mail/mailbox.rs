//! The embedded mailbox: mails stay in the database, where the console shows them.
//!
//! Recipient, subject and text are personal data, so they are sealed with a key of the keys file.

use async_trait::async_trait;
use sale::{
    Timestamp,
    keys::Ring,
    secret::{open, seal},
};

use super::{Mail, Mailer, SendOutcome};
use crate::{
    StoreError,
    database::{Database, row::row},
};

/// Stores mails in the table `mails`.
pub struct Mailbox {
    database: Database,
    personal_data: Ring,
}

/// A mail in the mailbox, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMail {
    pub id: i64,
    pub message_id: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub at: Timestamp,
}

row! {
    struct SealedMail {
        id: i64,
        message_id: String,
        recipient: Vec<u8>,
        subject: Vec<u8>,
        body: Vec<u8>,
        at: Timestamp,
    }
}

impl Mailbox {
    pub const fn new(database: Database, personal_data: Ring) -> Self {
        Self { database, personal_data }
    }

    /// The newest mails, at most `limit`.
    pub async fn list(&self, limit: i64) -> Result<Vec<StoredMail>, StoreError> {
        const LIST: &str = "SELECT id, message_id, recipient, subject, body, at FROM mails ORDER BY id DESC LIMIT $1";
        let rows: Vec<SealedMail> = sqlx::query_as(LIST).bind(limit).fetch_all(self.database.reader()).await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    pub async fn show(&self, id: i64) -> Result<Option<StoredMail>, StoreError> {
        const READ: &str = "SELECT id, message_id, recipient, subject, body, at FROM mails WHERE id = $1";
        let row: Option<SealedMail> = sqlx::query_as(READ).bind(id).fetch_optional(self.database.reader()).await?;
        row.map(|row| self.open(row)).transpose()
    }

    fn open(&self, row: SealedMail) -> Result<StoredMail, StoreError> {
        let context = context(&row.message_id);
        let opened = |sealed: &[u8]| {
            open(&self.personal_data, &context, sealed).ok_or_else(|| {
                StoreError::unexpected("database", "a mail sealed with a key that is not in the keys file")
            })
        };
        Ok(StoredMail {
            id: row.id,
            to: opened(&row.recipient)?,
            subject: opened(&row.subject)?,
            text: opened(&row.body)?,
            at: row.at,
            message_id: row.message_id,
        })
    }
}

#[async_trait]
impl Mailer for Mailbox {
    /// Does nothing for a message id that is stored already.
    async fn send(&self, mail: &Mail) -> Result<SendOutcome, StoreError> {
        const SEND: &str = "INSERT INTO mails (message_id, recipient, subject, body, at) VALUES ($1, $2, $3, $4, $5) \
                            ON CONFLICT (message_id) DO NOTHING";
        let context = context(&mail.message_id);
        let sealed = |plain| seal(&self.personal_data, &context, plain);
        sqlx::query(SEND)
            .bind(&mail.message_id)
            .bind(sealed(&mail.to))
            .bind(sealed(&mail.subject))
            .bind(sealed(&mail.text))
            .bind(self.database.now().as_millis())
            .execute(self.database.writer())
            .await?;
        Ok(SendOutcome::Accepted)
    }
}

/// What a mail is sealed for: its row.
fn context(message_id: &str) -> String {
    format!("mails:{message_id}")
}
