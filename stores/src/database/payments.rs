//! Attempts to pay: asked for by the buyer, carried out by the payment worker, recorded here.
//!
//! A result only moves an attempt forward. What it means for the units and the order is decided in
//! [`settle`](super::settle), apart, so that the worker that talks to the provider never touches stock.

mod pay;
mod record;
mod send;

use sale::{
    Currency, Money, OrderId, PaymentState, SaleId, Timestamp,
    ids::{PaymentId, charge_key},
    order::{Intent, VoidFor},
};
use sqlx::{Row as _, any::AnyRow};

use super::{
    Database, Sql, Tx,
    moves::{bad, list, order_id},
};
use crate::{StoreError, payments::ChargeRef};

pub use pay::{Choice, Paying, pay};
pub use record::{Answer, Recorded, Told, record};
pub use send::{Sending, claim_due, mark_sent};

/// How long who is next has for a step before somebody looks whether it was taken: the log for bringing a request to a
/// worker, the worker for its call, the log again for bringing the end to the units.
///
/// One time for all of them, because `due_at` is indexed: as long as a step leaves it alone, PostgreSQL writes the new
/// row beside the old one and no index (a heap-only tuple).
const PATIENCE_MS: i64 = 15_000;

/// An attempt as its row says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    pub id: PaymentId,
    pub order: OrderId,
    pub sale: SaleId,
    pub attempt: u32,
    pub method: String,
    pub money: Money,
    pub state: PaymentState,
    pub intent: Option<Intent>,
    pub void_for: Option<VoidFor>,
    /// Declined for good: no other attempt is allowed.
    pub last: bool,
    /// The provider's id of the charge, written down before it is confirmed: without one no money can move.
    pub provider_id: Option<String>,
    /// How often it was asked since.
    pub asked: u32,
    pub changed_at: Timestamp,
}

impl PaymentRow {
    /// The key of every call about this attempt.
    pub fn key(&self) -> String {
        charge_key(self.order, self.attempt)
    }

    /// What names the charge at the provider, once it may have been confirmed.
    pub fn charge(&self) -> Option<ChargeRef> {
        self.provider_id.clone().map(|provider_id| ChargeRef { key: self.key(), provider_id })
    }
}

/// The columns that [`read_row`] reads, in its order.
macro_rules! select_payments {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.order_id, o.sale, p.attempt, p.method, p.amount, p.currency, p.state, p.intent, p.void_for, ",
            "p.final, p.provider_id, p.asked, p.changed_at FROM payments p JOIN orders o ON o.id = p.order_id ",
            $rest
        )
    };
}

fn read_row(row: &AnyRow) -> Result<PaymentRow, StoreError> {
    Ok(PaymentRow {
        id: PaymentId::parse(row.try_get(0)?).ok_or_else(|| bad("payment id"))?,
        order: order_id(row.try_get(1)?)?,
        sale: row.try_get::<&str, _>(2)?.parse().map_err(|_| bad("sale"))?,
        attempt: u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| bad("attempt"))?,
        method: row.try_get(4)?,
        money: Money {
            amount: row.try_get(5)?,
            currency: Currency::parse(row.try_get(6)?).ok_or_else(|| bad("currency"))?,
        },
        state: PaymentState::parse(row.try_get(7)?).ok_or_else(|| bad("payment state"))?,
        intent: row.try_get::<Option<&str>, _>(8)?.and_then(Intent::parse),
        void_for: row.try_get::<Option<&str>, _>(9)?.and_then(VoidFor::parse),
        last: row.try_get::<i64, _>(10)? != 0,
        provider_id: row.try_get(11)?,
        asked: u32::try_from(row.try_get::<i64, _>(12)?).unwrap_or(u32::MAX),
        changed_at: Timestamp::from_millis(row.try_get(13)?),
    })
}

/// The attempt that a provider's key names.
pub async fn of_key(database: &Database, key: &str) -> Result<Option<PaymentRow>, StoreError> {
    let Some((order, attempt)) = sale::ids::parse_charge_key(key) else { return Ok(None) };
    Ok(of_order(database, order).await?.into_iter().find(|payment| payment.attempt == attempt))
}

/// All attempts of an order, the first one first.
pub async fn of_order(database: &Database, order: OrderId) -> Result<Vec<PaymentRow>, StoreError> {
    let rows = sqlx::query(select_payments!("WHERE p.order_id = $1 ORDER BY p.attempt"))
        .bind(order.to_string())
        .fetch_all(database.reader())
        .await?;
    rows.iter().map(read_row).collect()
}

/// The attempts of these orders that are open, the first one first.
pub async fn open_of(database: &Database, orders: &[OrderId]) -> Result<Vec<PaymentRow>, StoreError> {
    const READ: Sql = Sql {
        postgres: select_payments!(
            "WHERE p.order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
             AND p.state IN ('created', 'authorised', 'unknown') ORDER BY p.order_id, p.attempt"
        ),
        sqlite: select_payments!(
            "WHERE p.order_id IN (SELECT value FROM json_each($1)) \
             AND p.state IN ('created', 'authorised', 'unknown') ORDER BY p.order_id, p.attempt"
        ),
    };
    let rows = sqlx::query(database.sql(READ)).bind(list(orders)).fetch_all(database.reader()).await?;
    rows.iter().map(read_row).collect()
}

/// These attempts, whether open or not.
pub async fn load_all(database: &Database, ids: &[PaymentId]) -> Result<Vec<PaymentRow>, StoreError> {
    const READ: Sql = Sql {
        postgres: select_payments!("WHERE p.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"),
        sqlite: select_payments!("WHERE p.id IN (SELECT value FROM json_each($1))"),
    };
    let rows = sqlx::query(database.sql(READ)).bind(list(ids)).fetch_all(database.reader()).await?;
    rows.iter().map(read_row).collect()
}

/// How long payments of a sale take from the request to the money, in milliseconds: the median of its newest orders.
pub async fn median_ms(database: &Database, sale: &SaleId) -> Result<Option<i64>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.changed_at - p.created_at FROM \
           (SELECT id FROM orders WHERE sale = $1 ORDER BY created_at DESC, id LIMIT 200) AS o \
         JOIN payments p ON p.order_id = o.id WHERE p.state = 'captured'",
    )
    .bind(sale.as_str())
    .fetch_all(database.reader())
    .await?;
    let mut took = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    took.sort_unstable();
    Ok(took.get(took.len() / 2).copied())
}

/// All attempts of these orders, locked until the transaction ends.
pub(super) async fn lock_all(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<Vec<PaymentRow>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: select_payments!(
            "WHERE p.order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) ORDER BY p.order_id, p.attempt \
             FOR UPDATE OF p"
        ),
        sqlite: select_payments!(
            "WHERE p.order_id IN (SELECT value FROM json_each($1)) ORDER BY p.order_id, p.attempt"
        ),
    };
    let rows = sqlx::query(database.sql(LOCK)).bind(list(orders)).fetch_all(&mut **tx).await?;
    rows.iter().map(read_row).collect()
}
