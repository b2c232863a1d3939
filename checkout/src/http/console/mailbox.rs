//! The mails of an installation without a mail server.

use axum::response::Response;
use http::StatusCode;
use sale::Language;
use stores::mail::mailbox::{Mailbox, StoredMail};
use web::{
    ApiError, ErrorCode,
    pages::console::{MailPage, MailRow, MailboxPage},
};

use super::super::{
    AppState,
    access::Seller,
    extract::{PageRequest, Path},
};

/// Mails that the list shows.
const MAILS: i64 = 100;

pub async fn list(_: Seller, page: PageRequest) -> Result<Response, ApiError> {
    let mails = mailbox(&page.app).list(MAILS).await?;
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    let html = MailboxPage { layout, mails: mails.iter().map(mail_row).collect() }.render();
    Ok(page.page(&nonce, StatusCode::OK, html))
}

pub async fn show(_: Seller, page: PageRequest, Path(id): Path<i64>) -> Result<Response, ApiError> {
    let found = mailbox(&page.app).show(id).await?.ok_or(ErrorCode::NotFound)?;
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    let language = language_of(&found.text).tag().to_owned();
    let html = MailPage { layout, mail: mail_row(&found), language, text: found.text }.render();
    Ok(page.page(&nonce, StatusCode::OK, html))
}

fn mailbox(app: &AppState) -> Mailbox {
    Mailbox::new(app.database.clone(), app.keys.personal_data.clone())
}

/// A mail with Hangul in it was written for a reader of Korean.
fn language_of(text: &str) -> Language {
    if text.chars().any(|letter| ('가'..='힣').contains(&letter)) { Language::Ko } else { Language::En }
}

fn mail_row(mail: &StoredMail) -> MailRow {
    MailRow { id: mail.id.to_string(), to: mail.to.clone(), subject: mail.subject.clone(), at: mail.at }
}
