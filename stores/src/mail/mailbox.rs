//! The embedded mailbox: mails stay in the database, where the console shows them.
//!
//! Recipient, subject and text are personal data, so they are sealed; only who has the keys file reads them.

use async_trait::async_trait;
use sale::{
    Timestamp,
    keys::Ring,
    secret::{open, seal},
};
use sqlx::{Row as _, any::AnyRow};

use super::{Mail, Mailer, SendOutcome};
use crate::{StoreError, database::Database};

/// Puts mails into the table `mails`.
pub struct Mailbox {
    database: Database,
    personal_data: Ring,
}

/// A mail that lies in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMail {
    pub id: i64,
    pub message_id: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    pub at: Timestamp,
}

impl Mailbox {
    pub const fn new(database: Database, personal_data: Ring) -> Self {
        Self { database, personal_data }
    }

    /// The newest letters.
    pub async fn list(&self, limit: i64) -> Result<Vec<StoredMail>, StoreError> {
        let rows =
            sqlx::query("SELECT id, message_id, recipient, subject, body, at FROM mails ORDER BY id DESC LIMIT $1")
                .bind(limit)
                .fetch_all(self.database.reader())
                .await?;
        rows.iter().map(|row| self.read(row)).collect()
    }

    pub async fn show(&self, id: i64) -> Result<Option<StoredMail>, StoreError> {
        let row = sqlx::query("SELECT id, message_id, recipient, subject, body, at FROM mails WHERE id = $1")
            .bind(id)
            .fetch_optional(self.database.reader())
            .await?;
        row.map(|row| self.read(&row)).transpose()
    }

    fn read(&self, row: &AnyRow) -> Result<StoredMail, StoreError> {
        let message_id: String = row.try_get(1)?;
        let place = place(&message_id);
        let opened = |column| {
            open(&self.personal_data, &place, row.try_get(column)?).ok_or_else(|| {
                StoreError::unexpected("database", "a mail sealed with a key that is not in the keys file")
            })
        };
        Ok(StoredMail {
            id: row.try_get(0)?,
            to: opened(2)?,
            subject: opened(3)?,
            text: opened(4)?,
            at: Timestamp::from_millis(row.try_get(5)?),
            message_id,
        })
    }
}

#[async_trait]
impl Mailer for Mailbox {
    /// A mail that lies there already stays as it is.
    async fn send(&self, mail: &Mail) -> Result<SendOutcome, StoreError> {
        const SEND: &str = "INSERT INTO mails (message_id, recipient, subject, body, at) VALUES ($1, $2, $3, $4, $5) \
                            ON CONFLICT (message_id) DO NOTHING";
        let place = place(&mail.message_id);
        let sealed = |plain| seal(&self.personal_data, &place, plain);
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

fn place(message_id: &str) -> String {
    format!("mails:{message_id}")
}
