//! Who may use the console: sellers, their one-time sign-in links, their sessions. Addresses are sealed and found by a
//! blind index; links and sessions are kept as hashes of their secrets.

use sale::{Timestamp, token::Authority};

use super::{Database, row::row};
use crate::StoreError;

row! {
    /// A seller as the console needs one.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Seller {
        /// The blind index of the address.
        pub email_hash: String,
        pub authority: Authority,
    }
}

/// Adds a seller, or leaves the known one as it is.
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

/// Writes down a link that signs a seller in once.
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

/// Whether a link would still sign in.
pub async fn is_link_good(database: &Database, hash: &str, now: Timestamp) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM sign_in_links WHERE hash = $1 AND used_at IS NULL AND expires_at > $2")
        .bind(hash)
        .bind(now.as_millis())
        .fetch_optional(database.reader())
        .await?;
    Ok(row.is_some())
}

/// Uses a link for a session, both or neither; `false` when the link was used, is too old or never was.
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

/// Whose session it is.
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
