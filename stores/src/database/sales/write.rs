//! A seller's actions on a sale: create, change, switch. Each is recorded in the audit log, in the same transaction.

use sale::{
    Admission, Sale, SaleId, Timestamp,
    sale::{Kind, Mode},
};
use serde_json::json;
use sqlx::{Any, any::AnyArguments, query::Query};

use super::{StockedSale, load_in};
use crate::{
    StoreError,
    database::{
        Database, Sql, Tx,
        audit_log::{self, AuditEntry},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    Created,
    /// A sale with this id exists already.
    Exists,
}

/// The outcome of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeOutcome {
    /// The sale as it is now.
    To(Box<StockedSale>),
    /// It was changed since the requested version; this is the current one.
    OtherVersion(i64),
    /// An item would have fewer units than are held or sold.
    BelowSold(sale::ItemId),
    NotFound,
}

/// Inserts a new sale and its items.
pub async fn create(database: &Database, sale: &Sale, entry: &AuditEntry) -> Result<CreateOutcome, StoreError> {
    let mut tx = database.begin().await?;
    if insert(&mut tx, sale).await? == 0 {
        return Ok(CreateOutcome::Exists);
    }
    insert_items(database, &mut tx, sale).await?;
    audit_log::record(&mut tx, &sale.id, entry).await?;
    tx.commit().await?;
    Ok(CreateOutcome::Created)
}

/// The columns with the terms of a kind.
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    lobby_opens_at: Option<i64>,
    entries_open_at: Option<i64>,
    entries_close_at: Option<i64>,
    purchase_window_seconds: Option<i64>,
}

impl Terms {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::OpenRun | Kind::Regular => Self::default(),
            Kind::Draw { lobby_opens_at } => {
                Self { lobby_opens_at: Some(lobby_opens_at.as_millis()), ..Self::default() }
            }
            Kind::Raffle { entries_open_at, entries_close_at, purchase_window_seconds } => Self {
                entries_open_at: Some(entries_open_at.as_millis()),
                entries_close_at: Some(entries_close_at.as_millis()),
                purchase_window_seconds: Some(purchase_window_seconds.into()),
                ..Self::default()
            },
        }
    }
}

/// A statement with the settings of a sale as its first parameters: the id, and `$2` to `$16` as [`insert`] names them.
fn with_settings<'q>(statement: &'static str, sale: &Sale) -> Query<'q, Any, AnyArguments> {
    let message = sale.message.clone().unwrap_or_default();
    sqlx::query(statement)
        .bind(sale.id.to_string())
        .bind(sale.name.ko.clone())
        .bind(sale.name.en.clone())
        .bind(message.ko)
        .bind(message.en)
        .bind(sale.opens_at.as_millis())
        .bind(sale.closes_at.map(Timestamp::as_millis))
        .bind(i64::from(sale.per_buyer_limit))
        .bind(i64::from(sale.hold_seconds))
        .bind(i64::from(sale.enter_seconds))
        .bind(i64::from(sale.pass_seconds))
        .bind(mode_text(sale.admission.mode))
        .bind(i64::from(sale.admission.per_minute))
        .bind(i64::from(sale.admission.max_active))
        .bind(permille(sale.admission.overcall))
        .bind(i64::from(sale.hidden))
}

async fn insert(tx: &mut Tx, sale: &Sale) -> Result<u64, StoreError> {
    const INSERT: &str = "INSERT INTO sales (id, name_ko, name_en, message_ko, message_en, opens_at, closes_at, \
        per_buyer_limit, hold_seconds, enter_seconds, pass_seconds, mode, per_minute, max_active, overcall_permille, hidden, \
        kind, lobby_opens_at, entries_open_at, entries_close_at, purchase_window_seconds, owner, created_at, epoch_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $23) \
        ON CONFLICT (id) DO NOTHING";
    let terms = Terms::of(sale.kind);
    let inserted = with_settings(INSERT, sale)
        .bind(sale.kind.as_str())
        .bind(terms.lobby_opens_at)
        .bind(terms.entries_open_at)
        .bind(terms.entries_close_at)
        .bind(terms.purchase_window_seconds)
        .bind(sale.owner.as_str())
        .bind(sale.created_at.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(inserted.rows_affected())
}

async fn insert_items(database: &Database, tx: &mut Tx, sale: &Sale) -> Result<(), StoreError> {
    const INSERT: Sql = Sql {
        postgres: "INSERT INTO items (sale, id, position, name_ko, name_en, amount, currency, total) \
                   SELECT $1, r.id, r.position, r.name_ko, r.name_en, r.amount, r.currency, r.total \
                   FROM json_to_recordset($2::json) AS r(id text, position bigint, name_ko text, name_en text, \
                        amount bigint, currency text, total bigint)",
        sqlite: "INSERT INTO items (sale, id, position, name_ko, name_en, amount, currency, total) \
                 SELECT $1, value ->> 'id', value ->> 'position', value ->> 'name_ko', value ->> 'name_en', \
                        value ->> 'amount', value ->> 'currency', value ->> 'total' FROM json_each($2)",
    };
    let rows: Vec<_> = sale
        .items
        .iter()
        .enumerate()
        .map(|(position, item)| {
            json!({
                "id": item.id, "position": position, "name_ko": item.name.ko, "name_en": item.name.en,
                "amount": item.price.amount, "currency": item.price.currency, "total": item.units,
            })
        })
        .collect();
    sqlx::query(database.sql(INSERT))
        .bind(sale.id.as_str())
        .bind(serde_json::Value::from(rows).to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Changes everything of a sale but its id, kind and prices, if its version is still `version`.
pub async fn change(
    database: &Database,
    sale: &Sale,
    version: i64,
    entry: &AuditEntry,
) -> Result<ChangeOutcome, StoreError> {
    const CHANGE: &str = "UPDATE sales SET name_ko = $2, name_en = $3, message_ko = $4, message_en = $5, opens_at = $6, \
        closes_at = $7, per_buyer_limit = $8, hold_seconds = $9, enter_seconds = $10, pass_seconds = $11, mode = $12, \
        per_minute = $13, max_active = $14, overcall_permille = $15, hidden = $16, version = version + 1 \
        WHERE id = $1 AND version = $17";
    let mut tx = database.begin().await?;
    let changed = with_settings(CHANGE, sale).bind(version).execute(&mut *tx).await?;
    if changed.rows_affected() == 0 {
        return Ok(load_in(&mut tx, &sale.id)
            .await?
            .map_or(ChangeOutcome::NotFound, |now| ChangeOutcome::OtherVersion(now.sale.version)));
    }
    for item in &sale.items {
        let fits = sqlx::query(
            "UPDATE items SET name_ko = $3, name_en = $4, total = $5 WHERE sale = $1 AND id = $2 AND held + sold <= $5",
        )
        .bind(sale.id.as_str())
        .bind(item.id.as_str())
        .bind(item.name.ko.as_str())
        .bind(item.name.en.as_str())
        .bind(i64::from(item.units))
        .execute(&mut *tx)
        .await?;
        if fits.rows_affected() == 0 {
            return Ok(ChangeOutcome::BelowSold(item.id.clone()));
        }
    }
    finish(tx, &sale.id, entry).await
}

/// A change of one setting, whatever the version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Switch {
    Pause,
    Resume,
    Close,
    Admission(Admission),
}

/// Applies a switch. Applying it twice has no further effect.
pub async fn switch(
    database: &Database,
    id: &SaleId,
    switch: Switch,
    entry: &AuditEntry,
) -> Result<ChangeOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let result = match switch {
        Switch::Pause => {
            sqlx::query("UPDATE sales SET paused = 1, version = version + 1 WHERE id = $1").bind(id.as_str())
        }
        Switch::Resume => {
            sqlx::query("UPDATE sales SET paused = 0, version = version + 1 WHERE id = $1").bind(id.as_str())
        }
        Switch::Close => {
            sqlx::query("UPDATE sales SET closing = 1, version = version + 1 WHERE id = $1").bind(id.as_str())
        }
        Switch::Admission(admission) => sqlx::query(
            "UPDATE sales SET mode = $2, per_minute = $3, max_active = $4, overcall_permille = $5, version = version + 1 \
             WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(mode_text(admission.mode))
        .bind(i64::from(admission.per_minute))
        .bind(i64::from(admission.max_active))
        .bind(permille(admission.overcall)),
    }
    .execute(&mut *tx)
    .await?;
    if result.rows_affected() == 0 {
        return Ok(ChangeOutcome::NotFound);
    }
    finish(tx, id, entry).await
}

async fn finish(mut tx: Tx, id: &SaleId, entry: &AuditEntry) -> Result<ChangeOutcome, StoreError> {
    audit_log::record(&mut tx, id, entry).await?;
    let now = load_in(&mut tx, id).await?;
    tx.commit().await?;
    Ok(now.map_or(ChangeOutcome::NotFound, |sale| ChangeOutcome::To(Box::new(sale))))
}

/// Marks a sale that is closing, or past its end, as closed. No buyer is inside any more.
pub async fn mark_closed(database: &Database, id: &SaleId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sales SET closed_at = $2, version = version + 1 WHERE id = $1 AND closed_at IS NULL \
         AND (closing = 1 OR closes_at <= $2)",
    )
    .bind(id.as_str())
    .bind(now.as_millis())
    .execute(database.writer())
    .await?;
    Ok(())
}

const fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Manual => "manual",
        Mode::Auto => "auto",
    }
}

/// A share in thousandths, so that both databases store the same number. It was checked to be from 0 to 10.
#[expect(clippy::cast_possible_truncation, reason = "a checked share times 1000 fits")]
fn permille(share: f64) -> i64 {
    (share * 1000.0).round() as i64
}
