//! The mails of an installation without a mail server.

use axum::{Router, extract::State, response::Response, routing::get};
use http::{HeaderMap, StatusCode, Uri};
use sale::Language;
use stores::mail::mailbox::{Letter, Mailbox};
use web::{
    Code,
    pages::console::{MailPage, MailRow, MailboxPage},
};

use super::{
    super::{Shop, asked::Path, sellers::authority, store_trouble},
    Desk,
};

/// Mails that the list shows.
const MAILS: i64 = 100;

pub(super) fn routes() -> Router<Shop> {
    Router::new().route("/console/mailbox", get(mailbox)).route("/console/mailbox/{id}", get(mail))
}

async fn mailbox(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        authority(&shop, &headers).await?;
        let mails = letters(&shop).list(MAILS).await.map_err(|fault| store_trouble(&fault))?;
        let shell = desk.shell();
        let nonce = shell.nonce.clone();
        let html = MailboxPage { shell, mails: mails.iter().map(mail_row).collect() }.render();
        Ok(desk.page(&nonce, StatusCode::OK, html))
    };
    desk.finish(answered.await)
}

async fn mail(State(shop): State<Shop>, Path(id): Path<i64>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        authority(&shop, &headers).await?;
        let found = letters(&shop).show(id).await.map_err(|fault| store_trouble(&fault))?.ok_or(Code::NotFound)?;
        let shell = desk.shell();
        let nonce = shell.nonce.clone();
        let language = language_of(&found.text).tag().to_owned();
        let html = MailPage { shell, mail: mail_row(&found), language, text: found.text }.render();
        Ok(desk.page(&nonce, StatusCode::OK, html))
    };
    desk.finish(answered.await)
}

fn letters(shop: &Shop) -> Mailbox {
    Mailbox::new(shop.database.clone(), shop.keys.personal_data.clone())
}

/// A mail with Hangul in it was written for a reader of Korean.
fn language_of(text: &str) -> Language {
    if text.chars().any(|letter| ('가'..='힣').contains(&letter)) { Language::Ko } else { Language::En }
}

fn mail_row(mail: &Letter) -> MailRow {
    MailRow { id: mail.id.to_string(), to: mail.to.clone(), subject: mail.subject.clone(), at: mail.at }
}
