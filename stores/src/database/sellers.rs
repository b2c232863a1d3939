//! Sellers, their one-time sign-in links and their sessions. Addresses are sealed and found by a blind index; links and
//! sessions are stored as hashes of their secrets.

use sale::{Timestamp, token::Authority};

use super::{Database, row::row};
use crate::StoreError;

row! {
    /// A person who may use the console.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Seller {
        /// The blind index of the address.
        pub email_hash: String,
        pub authority: Authority,
    }
}

/// Adds a seller. Does nothing when there is one with this address.
pub async fn add(database: &Database, seller: &Seller, email: &[u8], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sellers (email_hash, email, authority, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (email_hash) DO NOTHING",
    )
    .bind(seller.email_hash.as_str())
    .bind(email)
    .bind(seller.authority.as_str())
    .bind(now.as_millis())
    .execute(database.writer())
    .await?;
    Ok(())
}

/// Stores a link that signs a seller in once.
pub async fn add_link(
    database: &Database,
    hash: &str,
    email_hash: &str,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO sign_in_links (hash, email_hash, expires_at) VALUES ($1, $2, $3)")
        .bind(hash)
        .bind(email_hash)
        .bind(expires_at.as_millis())
        .execute(database.writer())
        .await?;
    Ok(())
}

/// Whether a link can still be used.
pub async fn is_link_valid(database: &Database, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM sign_in_links WHERE hash = $1 AND used_at IS NULL AND expires_at > $2")
        .bind(hash)
        .bind(now.as_millis())
        .fetch_optional(database.reader())
        .await?;
    Ok(row.is_some())
}

/// Uses a link and begins a session, in one transaction. Returns false when the link is used, expired or unknown.
pub async fn sign_in(
    database: &Database,
    link: &str,
    session: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = database.begin().await?;
    let used: Option<String> = sqlx::query_scalar(
        "UPDATE sign_in_links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND expires_at > $2 \
         RETURNING email_hash",
    )
    .bind(link)
    .bind(now.as_millis())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(email_hash) = used else { return Ok(false) };
    sqlx::query("INSERT INTO console_sessions (hash, email_hash, expires_at) VALUES ($1, $2, $3)")
        .bind(session)
        .bind(email_hash)
        .bind(until.as_millis())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

/// The seller whose session it is; `None` when it has expired or is unknown.
pub async fn of_session(database: &Database, session: &str, now: Timestamp) -> Result<Option<Seller>, StoreError> {
    let seller = sqlx::query_as(
        "SELECT s.email_hash, s.authority FROM console_sessions c JOIN sellers s ON s.email_hash = c.email_hash \
         WHERE c.hash = $1 AND c.expires_at > $2",
    );
    Ok(seller.bind(session).bind(now.as_millis()).fetch_optional(database.reader()).await?)
}

/// Ends a session.
pub async fn sign_out(database: &Database, session: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM console_sessions WHERE hash = $1").bind(session).execute(database.writer()).await?;
    Ok(())
}
