//! The installation of this database, and which of its processes are alive.
//!
//! A process with other keys or another public address would sign what the others refuse, and send mails that link elsewhere.
//! `serve` records both, `migrate` does not: a schema may be migrated from any machine.
//!
//! Every process renews its row (`processes.alive_until`), which expires when the process crashes. Leases would not show that:
//! an idle process holds none.

use sale::Timestamp;

use super::{Database, Sql, Tx, row::row};
use crate::StoreError;

/// How long a process counts as alive after its last renewal.
pub const ALIVE_FOR_MS: i64 = 15_000;

/// What all processes of an installation have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Derived from what a rotation of the keys keeps.
    pub keys_fingerprint: String,
    pub public_url: String,
    /// The key that this process signs tickets with.
    pub signing_key: KeyMark,
    /// All keys for tickets in the keys file.
    pub known_keys: Vec<KeyMark>,
}

/// A key without its secret: its number in the keys file, and a mark that differs for another key of the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMark {
    pub id: u32,
    pub mark: String,
}

row! {
    /// The installation of a database.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Installation {
        pub keys_fingerprint: String,
        /// The newest key that a process of the installation signs with.
        key_id: u32,
        key_mark: String,
        pub public_url: String,
        /// When the first process started.
        pub created_at: Timestamp,
    }
}

/// Whether a process fits into the installation of its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    Fits,
    /// It is the only process, so its public address is the installation's from now on; this was the one before.
    ReplacedUrl(String),
    /// Its keys belong to another installation.
    OtherKeys,
    /// Its keys file lacks the key that the others sign with: it is older than the last rotation but one, or was rotated
    /// separately.
    OldKeys,
    /// Other processes are alive under this public address.
    OtherUrl(String),
}

/// Whether other processes of the installation are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Alive,
    None,
}

/// Compares a process with the installation, and creates the installation when there is none. A process that fits counts as
/// alive from now on.
pub async fn check_in(
    database: &Database,
    process: &str,
    identity: &Identity,
    now: Timestamp,
) -> Result<Fit, StoreError> {
    let mut tx = database.begin().await?;
    insert(&mut tx, identity, now).await?;
    let Some(installation) = read_locked(database, &mut tx).await? else {
        return Err(StoreError::unexpected("database", "no row of the installation"));
    };
    // An embedded database belongs to one process.
    let others = if database.is_postgres() { others(&mut tx, process, now).await? } else { Others::None };
    let fit = fit(&installation, identity, others);
    if matches!(fit, Fit::Fits | Fit::ReplacedUrl(_)) {
        update(&mut tx, &installation, identity).await?;
        renew(&mut tx, process, now).await?;
    }
    tx.commit().await?;
    Ok(fit)
}

fn fit(installation: &Installation, identity: &Identity, others: Others) -> Fit {
    let signs = |key: &KeyMark| key.id == installation.key_id && key.mark == installation.key_mark;
    if installation.keys_fingerprint != identity.keys_fingerprint {
        Fit::OtherKeys
    } else if !identity.known_keys.iter().any(signs) {
        Fit::OldKeys
    } else if installation.public_url == identity.public_url {
        Fit::Fits
    } else if others == Others::None {
        Fit::ReplacedUrl(installation.public_url.clone())
    } else {
        Fit::OtherUrl(installation.public_url.clone())
    }
}

async fn insert(tx: &mut Tx, identity: &Identity, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO installation (id, keys_fingerprint, key_id, key_mark, public_url, created_at) \
         VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&identity.keys_fingerprint)
    .bind(i64::from(identity.signing_key.id))
    .bind(&identity.signing_key.mark)
    .bind(&identity.public_url)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Locks the row, so that two processes that start at the same time are compared one after the other.
async fn read_locked(database: &Database, tx: &mut Tx) -> Result<Option<Installation>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT keys_fingerprint, key_id, key_mark, public_url, created_at FROM installation \
                   WHERE id = 1 FOR UPDATE",
        sqlite: READ,
    };
    Ok(sqlx::query_as(database.sql(LOCK)).fetch_optional(&mut **tx).await?)
}

async fn others(tx: &mut Tx, process: &str, now: Timestamp) -> Result<Others, StoreError> {
    let row = sqlx::query("SELECT 1 FROM processes WHERE id <> $1 AND alive_until > $2 LIMIT 1")
        .bind(process)
        .bind(now.as_millis())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(if row.is_some() { Others::Alive } else { Others::None })
}

/// Records the newest signing key and the public address.
async fn update(tx: &mut Tx, before: &Installation, identity: &Identity) -> Result<(), StoreError> {
    let is_newer = identity.signing_key.id > before.key_id;
    if !is_newer && before.public_url == identity.public_url {
        return Ok(());
    }
    let own = (identity.signing_key.id, &identity.signing_key.mark);
    let (key_id, key_mark) = if is_newer { own } else { (before.key_id, &before.key_mark) };
    sqlx::query("UPDATE installation SET public_url = $1, key_id = $2, key_mark = $3 WHERE id = 1")
        .bind(&identity.public_url)
        .bind(i64::from(key_id))
        .bind(key_mark)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn renew(tx: &mut Tx, process: &str, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM processes WHERE alive_until <= $1").bind(now.as_millis()).execute(&mut **tx).await?;
    sqlx::query(
        "INSERT INTO processes (id, alive_until) VALUES ($1, $2) \
         ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until",
    )
    .bind(process)
    .bind(now.plus_millis(ALIVE_FOR_MS).as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends a process's being alive, on a clean stop.
pub async fn check_out(database: &Database, process: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM processes WHERE id = $1").bind(process).execute(database.writer()).await?;
    Ok(())
}

const READ: &str = "SELECT keys_fingerprint, key_id, key_mark, public_url, created_at FROM installation WHERE id = 1";

/// The installation that this database belongs to; `None` before the first process has served.
pub async fn read(database: &Database) -> Result<Option<Installation>, StoreError> {
    Ok(sqlx::query_as(READ).fetch_optional(database.reader()).await?)
}

/// Replaces the installation's identity by this one.
pub async fn adopt(database: &Database, identity: &Identity, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    insert(&mut tx, identity, now).await?;
    sqlx::query(
        "UPDATE installation SET keys_fingerprint = $1, key_id = $2, key_mark = $3, public_url = $4 WHERE id = 1",
    )
    .bind(&identity.keys_fingerprint)
    .bind(i64::from(identity.signing_key.id))
    .bind(&identity.signing_key.mark)
    .bind(&identity.public_url)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
