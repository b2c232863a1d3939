//! Sales and their items: what the seller made, and what the units have become.

use sale::{
    Admission, Currency, EpochNonce, Item, Money, Sale, SaleId, Text, Timestamp,
    sale::{Kind, Mode},
};
use serde_json::json;
use sqlx::{Row as _, any::AnyRow};

use super::{
    Database, Sql, Tx,
    acts::{self, Act},
    numbers::unsigned,
};
use crate::{
    StoreError,
    queue_store::{QueueKey, StockCount},
};

/// A sale with its units as the database counts them.
#[derive(Clone, Debug, PartialEq)]
pub struct StockedSale {
    pub sale: Sale,
    /// The nonce of `sale.epoch`.
    pub epoch_nonce: EpochNonce,
    /// One per item, in the order of `sale.items`.
    pub stock: Vec<StockCount>,
    /// No number above it was ever given.
    pub ceiling: u64,
    /// No number above it was ever called.
    pub cursor: u64,
}

impl StockedSale {
    /// The life of its line that counts.
    pub fn queue_key(&self) -> QueueKey {
        QueueKey { sale: self.sale.id.clone(), epoch: self.sale.epoch, nonce: self.epoch_nonce }
    }

    /// Units sold for good.
    pub fn sold(&self) -> u64 {
        self.stock.iter().map(|count| unsigned(count.sold)).fold(0, u64::saturating_add)
    }

    pub fn state(&self, now: Timestamp) -> sale::SaleState {
        self.sale.state(now, self.sold())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    Created,
    /// The id is taken.
    Exists,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// The sale as it is now.
    To(Box<StockedSale>),
    /// Somebody changed it first: this is the version now.
    OtherVersion(i64),
    /// An item would have fewer units than are held or sold.
    BelowSold(sale::ItemId),
    NotFound,
}

/// Writes a new sale and its items down.
pub async fn create(database: &Database, sale: &Sale, act: &Act) -> Result<Created, StoreError> {
    let mut tx = database.begin().await?;
    if insert(&mut tx, sale).await? == 0 {
        return Ok(Created::Exists);
    }
    insert_items(database, &mut tx, sale).await?;
    acts::record(&mut tx, &sale.id, act).await?;
    tx.commit().await?;
    Ok(Created::Created)
}

async fn insert(tx: &mut Tx, sale: &Sale) -> Result<u64, StoreError> {
    let message = sale.message.clone().unwrap_or_default();
    let result = sqlx::query(
        "INSERT INTO sales (id, kind, name_ko, name_en, message_ko, message_en, opens_at, closes_at, per_buyer_limit, \
         hold_seconds, enter_seconds, pass_seconds, mode, per_minute, max_active, overcall_permille, created_at, \
         epoch_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $17) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(sale.id.as_str())
    .bind(kind_text(sale.kind))
    .bind(sale.name.ko.as_str())
    .bind(sale.name.en.as_str())
    .bind(message.ko.as_str())
    .bind(message.en.as_str())
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
    .bind(sale.created_at.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(result.rows_affected())
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

/// One statement, so that a sale and its units are of one moment: a row for each item, or one without an item.
const SALE: &str = "SELECT s.id, s.kind, s.name_ko, s.name_en, s.message_ko, s.message_en, s.opens_at, s.closes_at, \
    s.per_buyer_limit, s.hold_seconds, s.enter_seconds, s.pass_seconds, s.mode, s.per_minute, s.max_active, \
    s.overcall_permille, s.paused, s.closing, s.closed, s.epoch, s.version, s.created_at, s.ceiling, s.cursor, \
    s.epoch_nonce, i.id, i.name_ko, i.name_en, i.amount, i.currency, i.total, i.held, i.sold \
    FROM sales s LEFT JOIN items i ON i.sale = s.id WHERE s.id = $1 ORDER BY i.position";
/// Where the columns of the item begin.
const ITEM: usize = 25;

/// One sale; `None` when there is none of that name.
pub async fn load(database: &Database, id: &SaleId) -> Result<Option<StockedSale>, StoreError> {
    read_sale(&sqlx::query(SALE).bind(id.as_str()).fetch_all(database.reader()).await?)
}

pub(super) async fn load_in(tx: &mut Tx, id: &SaleId) -> Result<Option<StockedSale>, StoreError> {
    read_sale(&sqlx::query(SALE).bind(id.as_str()).fetch_all(&mut **tx).await?)
}

/// The ids of sales, newest opening first, from after `cursor` on.
pub async fn list(database: &Database, limit: i64, cursor: Option<&SaleId>) -> Result<Vec<SaleId>, StoreError> {
    let rows = match cursor {
        None => {
            sqlx::query("SELECT id FROM sales ORDER BY opens_at DESC, id LIMIT $1")
                .bind(limit)
                .fetch_all(database.reader())
                .await?
        }
        Some(after) => {
            sqlx::query(
                "SELECT s.id FROM sales s, sales c WHERE c.id = $2 \
                 AND (s.opens_at < c.opens_at OR (s.opens_at = c.opens_at AND s.id > c.id)) \
                 ORDER BY s.opens_at DESC, s.id LIMIT $1",
            )
            .bind(limit)
            .bind(after.as_str())
            .fetch_all(database.reader())
            .await?
        }
    };
    rows.iter().map(|row| parse_id(row.try_get(0)?)).collect()
}

/// The ids of sales that are not closed, for the loops.
pub async fn running(database: &Database) -> Result<Vec<SaleId>, StoreError> {
    let rows = sqlx::query("SELECT id FROM sales WHERE closed = 0 ORDER BY id").fetch_all(database.reader()).await?;
    rows.iter().map(|row| parse_id(row.try_get(0)?)).collect()
}

/// Changes the seller's part of a sale: everything but its id, kind and items' prices, when `version` is still the one.
pub async fn change(database: &Database, sale: &Sale, version: i64, act: &Act) -> Result<Changed, StoreError> {
    let mut tx = database.begin().await?;
    let message = sale.message.clone().unwrap_or_default();
    let changed = sqlx::query(
        "UPDATE sales SET name_ko = $3, name_en = $4, message_ko = $5, message_en = $6, opens_at = $7, closes_at = $8, \
         per_buyer_limit = $9, hold_seconds = $10, enter_seconds = $11, pass_seconds = $12, mode = $13, \
         per_minute = $14, max_active = $15, overcall_permille = $16, version = version + 1 \
         WHERE id = $1 AND version = $2",
    )
    .bind(sale.id.as_str())
    .bind(version)
    .bind(sale.name.ko.as_str())
    .bind(sale.name.en.as_str())
    .bind(message.ko.as_str())
    .bind(message.en.as_str())
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
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(load_in(&mut tx, &sale.id)
            .await?
            .map_or(Changed::NotFound, |now| Changed::OtherVersion(now.sale.version)));
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
            return Ok(Changed::BelowSold(item.id.clone()));
        }
    }
    finish(tx, &sale.id, act).await
}

/// One of the seller's switches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Switch {
    Pause,
    Resume,
    Close,
    Admission(Admission),
}

/// Turns a switch; turning it twice changes nothing more.
pub async fn switch(database: &Database, id: &SaleId, switch: Switch, act: &Act) -> Result<Changed, StoreError> {
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
        return Ok(Changed::NotFound);
    }
    finish(tx, id, act).await
}

async fn finish(mut tx: Tx, id: &SaleId, act: &Act) -> Result<Changed, StoreError> {
    acts::record(&mut tx, id, act).await?;
    let now = load_in(&mut tx, id).await?;
    tx.commit().await?;
    Ok(now.map_or(Changed::NotFound, |sale| Changed::To(Box::new(sale))))
}

/// Marks a sale that is closing, or past its end, as closed: nobody is inside any more.
pub async fn mark_closed(database: &Database, id: &SaleId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE sales SET closed = 1, version = version + 1 WHERE id = $1 AND closed = 0 \
         AND (closing = 1 OR closes_at <= $2)",
    )
    .bind(id.as_str())
    .bind(now.as_millis())
    .execute(database.writer())
    .await?;
    Ok(())
}

fn read_sale(rows: &[AnyRow]) -> Result<Option<StockedSale>, StoreError> {
    let Some(row) = rows.first() else { return Ok(None) };
    let small = |at: usize| -> Result<u32, StoreError> {
        u32::try_from(row.try_get::<i64, _>(at)?).map_err(|_| bad("a number out of range"))
    };
    let flag = |at: usize| -> Result<bool, StoreError> { Ok(row.try_get::<i64, _>(at)? != 0) };
    let message = Text { ko: row.try_get(4)?, en: row.try_get(5)? };
    let items = rows.iter().filter_map(|row| read_item(row).transpose()).collect::<Result<Vec<_>, _>>()?;
    let (items, stock) = items.into_iter().unzip();
    Ok(Some(StockedSale {
        sale: Sale {
            id: parse_id(row.try_get(0)?)?,
            kind: parse_kind(row.try_get(1)?)?,
            name: Text { ko: row.try_get(2)?, en: row.try_get(3)? },
            message: (message != Text::default()).then_some(message),
            opens_at: Timestamp::from_millis(row.try_get(6)?),
            closes_at: row.try_get::<Option<i64>, _>(7)?.map(Timestamp::from_millis),
            items,
            per_buyer_limit: small(8)?,
            hold_seconds: small(9)?,
            enter_seconds: small(10)?,
            pass_seconds: small(11)?,
            admission: Admission {
                mode: if row.try_get::<&str, _>(12)? == "auto" { Mode::Auto } else { Mode::Manual },
                per_minute: small(13)?,
                max_active: small(14)?,
                overcall: f64::from(small(15)?) / 1000.0,
            },
            paused: flag(16)?,
            closing: flag(17)?,
            closed: flag(18)?,
            epoch: row.try_get(19)?,
            version: row.try_get(20)?,
            created_at: Timestamp::from_millis(row.try_get(21)?),
        },
        stock,
        ceiling: unsigned(row.try_get(22)?),
        cursor: unsigned(row.try_get(23)?),
        epoch_nonce: EpochNonce::from_bits(row.try_get(24)?),
    }))
}

fn read_item(row: &AnyRow) -> Result<Option<(Item, StockCount)>, StoreError> {
    let Some(id) = row.try_get::<Option<&str>, _>(ITEM)? else { return Ok(None) };
    let (total, held, sold): (i64, i64, i64) = (row.try_get(ITEM + 5)?, row.try_get(ITEM + 6)?, row.try_get(ITEM + 7)?);
    let item = Item {
        id: id.parse().map_err(|_| bad("an item id"))?,
        name: Text { ko: row.try_get(ITEM + 1)?, en: row.try_get(ITEM + 2)? },
        price: Money {
            amount: row.try_get(ITEM + 3)?,
            currency: Currency::parse(row.try_get(ITEM + 4)?).ok_or_else(|| bad("a currency"))?,
        },
        units: u32::try_from(total).map_err(|_| bad("units"))?,
    };
    let count = StockCount { item: item.id.clone(), free: total.saturating_sub(held).saturating_sub(sold), held, sold };
    Ok(Some((item, count)))
}

fn parse_id(text: &str) -> Result<SaleId, StoreError> {
    text.parse().map_err(|_| bad("a sale id"))
}

fn parse_kind(text: &str) -> Result<Kind, StoreError> {
    match text {
        "open_run" => Ok(Kind::OpenRun),
        "draw" => Ok(Kind::Draw),
        "raffle" => Ok(Kind::Raffle),
        _ => Err(bad("a kind")),
    }
}

const fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::OpenRun => "open_run",
        Kind::Draw => "draw",
        Kind::Raffle => "raffle",
    }
}

const fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::Manual => "manual",
        Mode::Auto => "auto",
    }
}

/// The share is kept in thousandths, so that both databases count alike; it is checked to lie within 0 to 10.
#[expect(clippy::cast_possible_truncation, reason = "a checked share times 1000 fits")]
fn permille(share: f64) -> i64 {
    (share * 1000.0).round() as i64
}

fn bad(what: &str) -> StoreError {
    StoreError::unexpected("database", format!("a sale with {what} that it should not have"))
}

/// Units of all items as the database counts them, for a sale that is known to exist.
pub async fn stock(database: &Database, id: &SaleId) -> Result<Vec<StockCount>, StoreError> {
    Ok(load(database, id).await?.map(|known| known.stock).unwrap_or_default())
}

/// The instant at which the epoch of a sale began.
pub async fn epoch_began(database: &Database, id: &SaleId) -> Result<Timestamp, StoreError> {
    let row =
        sqlx::query("SELECT epoch_at FROM sales WHERE id = $1").bind(id.as_str()).fetch_one(database.reader()).await?;
    Ok(Timestamp::from_millis(row.try_get(0)?))
}

/// Units that a buyer holds or has bought, on average over those who have any; `None` before the first.
pub async fn units_per_buyer(database: &Database, id: &SaleId) -> Result<Option<f64>, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*), CAST(COALESCE(SUM(units), 0) AS BIGINT) FROM buyers WHERE sale = $1 AND units > 0",
    )
    .bind(id.as_str())
    .fetch_one(database.reader())
    .await?;
    let (buyers, units): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let ratio = |buyers: u32| f64::from(u32::try_from(units).unwrap_or(u32::MAX)) / f64::from(buyers);
    Ok(u32::try_from(buyers).ok().filter(|buyers| *buyers > 0).map(ratio))
}
