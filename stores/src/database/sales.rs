//! Sales and their items, with the counts of units.

mod write;

use sale::{
    Admission, Currency, EpochNonce, Item, ItemId, Money, Sale, SaleId, Text, Timestamp,
    sale::{Kind, Mode},
};
use sqlx::{FromRow as _, any::AnyRow};

pub use self::write::{ChangeOutcome, CreateOutcome, Switch, change, create, mark_closed, switch};
use super::{
    Database, Tx,
    row::{corrupt, row, unsigned},
};
use crate::{
    StoreError,
    queue_store::{QueueKey, StockCount},
};

/// A sale with the counts of its units.
#[derive(Clone, Debug, PartialEq)]
pub struct StockedSale {
    pub sale: Sale,
    /// The nonce of `sale.epoch`.
    pub epoch_nonce: EpochNonce,
    /// One per item, in the order of `sale.items`.
    pub stock: Vec<StockCount>,
    /// No number above it was ever given.
    pub allocated_up_to: u64,
    /// No number above it was ever called.
    pub called_up_to: u64,
}

impl StockedSale {
    /// The current epoch of its queue.
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

/// One statement, so that a sale and its counts are of one moment: a row per item, or one without an item.
const SALE: &str = "SELECT s.id, s.kind, s.lobby_opens_at, s.entries_open_at, s.entries_close_at, \
    s.purchase_window_seconds, s.name_ko, s.name_en, s.message_ko, s.message_en, s.opens_at, s.closes_at, \
    s.per_buyer_limit, s.hold_seconds, s.enter_seconds, s.pass_seconds, s.mode, s.per_minute, s.max_active, \
    s.overcall_permille, s.paused, s.closing, s.closed_at, s.hidden, s.owner, s.epoch, s.epoch_nonce, s.version, \
    s.created_at, s.allocated_up_to, s.called_up_to, i.id AS item, i.name_ko AS item_ko, i.name_en AS item_en, i.amount, i.currency, \
    i.total, i.held, i.sold \
    FROM sales s LEFT JOIN items i ON i.sale = s.id WHERE s.id = $1 ORDER BY i.position";

row! {
    struct SaleRow {
        id: SaleId,
        kind: String,
        lobby_opens_at: Option<Timestamp>,
        entries_open_at: Option<Timestamp>,
        entries_close_at: Option<Timestamp>,
        purchase_window_seconds: Option<u32>,
        name_ko: String,
        name_en: String,
        message_ko: String,
        message_en: String,
        opens_at: Timestamp,
        closes_at: Option<Timestamp>,
        per_buyer_limit: u32,
        hold_seconds: u32,
        enter_seconds: u32,
        pass_seconds: u32,
        mode: String,
        per_minute: u32,
        max_active: u32,
        overcall_permille: u32,
        paused: bool,
        closing: bool,
        closed_at: Option<Timestamp>,
        hidden: bool,
        owner: String,
        epoch: i64,
        epoch_nonce: i64,
        version: i64,
        created_at: Timestamp,
        allocated_up_to: u64,
        called_up_to: u64,
    }
}

row! {
    struct ItemRow {
        item: ItemId,
        item_ko: String,
        item_en: String,
        amount: i64,
        currency: Currency,
        total: u32,
        held: i64,
        sold: i64,
    }
}

row! {
    struct IdRow {
        id: SaleId,
    }
}

/// A sale by its id.
pub async fn load(database: &Database, id: &SaleId) -> Result<Option<StockedSale>, StoreError> {
    read_sale(&sqlx::query(SALE).bind(id.as_str()).fetch_all(database.reader()).await?)
}

pub(super) async fn load_in(tx: &mut Tx, id: &SaleId) -> Result<Option<StockedSale>, StoreError> {
    read_sale(&sqlx::query(SALE).bind(id.as_str()).fetch_all(&mut **tx).await?)
}

/// The ids of the sales that are not hidden, latest opening first, after the sale `cursor`.
pub async fn list(database: &Database, limit: i64, cursor: Option<&SaleId>) -> Result<Vec<SaleId>, StoreError> {
    list_up_to(database, 0, limit, cursor).await
}

/// The same including hidden sales.
pub async fn list_all(database: &Database, limit: i64) -> Result<Vec<SaleId>, StoreError> {
    list_up_to(database, 1, limit, None).await
}

async fn list_up_to(
    database: &Database,
    hidden: i64,
    limit: i64,
    cursor: Option<&SaleId>,
) -> Result<Vec<SaleId>, StoreError> {
    const FIRST: &str = "SELECT id FROM sales WHERE hidden <= $1 ORDER BY opens_at DESC, id LIMIT $2";
    const AFTER: &str = "SELECT s.id FROM sales s, sales c WHERE s.hidden <= $1 AND c.id = $3 \
        AND (s.opens_at < c.opens_at OR (s.opens_at = c.opens_at AND s.id > c.id)) \
        ORDER BY s.opens_at DESC, s.id LIMIT $2";
    let rows: Vec<IdRow> = match cursor {
        None => sqlx::query_as(FIRST).bind(hidden).bind(limit).fetch_all(database.reader()).await?,
        Some(after) => {
            let page = sqlx::query_as(AFTER).bind(hidden).bind(limit).bind(after.as_str());
            page.fetch_all(database.reader()).await?
        }
    };
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The ids of sales that are not closed.
pub async fn running(database: &Database) -> Result<Vec<SaleId>, StoreError> {
    let rows: Vec<IdRow> =
        sqlx::query_as("SELECT id FROM sales WHERE closed_at IS NULL ORDER BY id").fetch_all(database.reader()).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn read_sale(rows: &[AnyRow]) -> Result<Option<StockedSale>, StoreError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let has_items = sqlx::Row::try_get::<Option<&str>, _>(first, "item")?.is_some();
    let items = if has_items { rows } else { &[] };
    let items: Vec<ItemRow> = items.iter().map(ItemRow::from_row).collect::<Result<_, _>>()?;
    let row = SaleRow::from_row(first)?;
    let kind = kind_of(&row)?;
    let message = Text { ko: row.message_ko, en: row.message_en };
    Ok(Some(StockedSale {
        stock: items.iter().map(stock_count).collect(),
        allocated_up_to: row.allocated_up_to,
        called_up_to: row.called_up_to,
        epoch_nonce: EpochNonce::from_bits(row.epoch_nonce),
        sale: Sale {
            id: row.id,
            kind,
            name: Text { ko: row.name_ko, en: row.name_en },
            message: (message != Text::default()).then_some(message),
            opens_at: row.opens_at,
            closes_at: row.closes_at,
            items: items.into_iter().map(item).collect(),
            per_buyer_limit: row.per_buyer_limit,
            hold_seconds: row.hold_seconds,
            enter_seconds: row.enter_seconds,
            pass_seconds: row.pass_seconds,
            admission: Admission {
                mode: if row.mode == "auto" { Mode::Auto } else { Mode::Manual },
                per_minute: row.per_minute,
                max_active: row.max_active,
                overcall: f64::from(row.overcall_permille) / 1000.0,
            },
            paused: row.paused,
            closing: row.closing,
            closed_at: row.closed_at,
            hidden: row.hidden,
            owner: row.owner,
            epoch: row.epoch,
            version: row.version,
            created_at: row.created_at,
        },
    }))
}

fn stock_count(row: &ItemRow) -> StockCount {
    let free = i64::from(row.total).saturating_sub(row.held).saturating_sub(row.sold);
    StockCount { item: row.item.clone(), free, held: row.held, sold: row.sold }
}

fn item(row: ItemRow) -> Item {
    Item {
        id: row.item,
        name: Text { ko: row.item_ko, en: row.item_en },
        price: Money { amount: row.amount, currency: row.currency },
        units: row.total,
    }
}

fn kind_of(row: &SaleRow) -> Result<Kind, StoreError> {
    let terms = || match row.kind.as_str() {
        "open_run" => Some(Kind::OpenRun),
        "draw" => Some(Kind::Draw { lobby_opens_at: row.lobby_opens_at? }),
        "raffle" => Some(Kind::Raffle {
            entries_open_at: row.entries_open_at?,
            entries_close_at: row.entries_close_at?,
            purchase_window_seconds: row.purchase_window_seconds?,
        }),
        "regular" => Some(Kind::Regular),
        _ => None,
    };
    Ok(terms().ok_or_else(|| corrupt("kind"))?)
}

/// The counts of units of a sale's items; empty when there is no such sale.
pub async fn stock(database: &Database, id: &SaleId) -> Result<Vec<StockCount>, StoreError> {
    Ok(load(database, id).await?.map(|known| known.stock).unwrap_or_default())
}

/// When the epoch of a sale began.
pub async fn epoch_began(database: &Database, id: &SaleId) -> Result<Timestamp, StoreError> {
    let began = sqlx::query_scalar("SELECT epoch_at FROM sales WHERE id = $1").bind(id.as_str());
    Ok(Timestamp::from_millis(began.fetch_one(database.reader()).await?))
}

row! {
    struct BuyerCounts {
        buyers: u32,
        units: u32,
    }
}

/// The average units of a buyer who holds or has bought any; `None` when there is no such buyer.
pub async fn units_per_buyer(database: &Database, id: &SaleId) -> Result<Option<f64>, StoreError> {
    const COUNT: &str = "SELECT COUNT(*) AS buyers, CAST(COALESCE(SUM(units), 0) AS BIGINT) AS units \
        FROM buyers WHERE sale = $1 AND units > 0";
    let counts: BuyerCounts = sqlx::query_as(COUNT).bind(id.as_str()).fetch_one(database.reader()).await?;
    Ok((counts.buyers > 0).then(|| f64::from(counts.units) / f64::from(counts.buyers)))
}
