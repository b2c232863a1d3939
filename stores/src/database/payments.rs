//! Attempts to pay: requested by the buyer, carried out by the payment worker, recorded here.
//!
//! A result only moves an attempt forward. Its effect on units and order is decided in [`settle`](super::settle), so the
//! worker that calls the provider never touches stock.

mod pay;
mod record;
mod relevance;
mod send;

use sale::{
    Currency, Money, OrderId, PaymentState, SaleId, Timestamp,
    ids::{PaymentId, charge_key},
    order::{Intent, VoidFor},
};

use super::{
    Database, Tx, parameters,
    row::row,
    sql::{Sql, sql},
};
use crate::{StoreError, charge::ChargeRef};

pub use pay::{PayOutcome, PayRequest, pay, pay_alone};
pub use record::{ChargeOutcome, ChargeReport, Recorded, record};
pub use send::{Sending, claim_due, mark_sent};

/// The time limit of each step of an attempt, after which it is polled: for the log to deliver the request to a worker, for
/// the worker to call the provider, and for the log to deliver the result to the stock worker.
///
/// It is the same for all steps, because `due_at` is indexed: while a step leaves it unchanged, PostgreSQL updates no index
/// (a heap-only tuple).
const STEP_TIMEOUT_MS: i64 = 15_000;

/// A row of `payments`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRow {
    pub id: PaymentId,
    /// The purchase that is paid for, which has the id of its only order.
    pub order: OrderId,
    pub sale: SaleId,
    pub attempt: u32,
    pub method: String,
    pub money: Money,
    /// Captured by the provider, in minor units.
    pub captured: i64,
    pub state: PaymentState,
    pub intent: Option<Intent>,
    pub void_for: Option<VoidFor>,
    /// Declined for good: no further attempt is allowed.
    pub last: bool,
    /// The provider's id of the charge, committed before it is confirmed: without one no money can move.
    pub provider_id: Option<String>,
    /// How often it was polled since its last progress.
    pub polls: u32,
    /// Whether its order needs review by a person.
    pub needs_review: bool,
    pub changed_at: Timestamp,
}

impl PaymentRow {
    /// The key of every call to the provider for this attempt.
    pub fn key(&self) -> String {
        charge_key(self.order, self.attempt)
    }

    /// The charge at the provider, once it may have been confirmed.
    pub fn charge(&self) -> Option<ChargeRef> {
        self.provider_id.clone().map(|provider_id| ChargeRef { key: self.key(), provider_id })
    }
}

row! {
    struct Columns {
        id: PaymentId,
        purchase_id: OrderId,
        sale: SaleId,
        attempt: u32,
        method: String,
        amount: i64,
        currency: Currency,
        captured_amount: i64,
        state: PaymentState,
        intent: Option<String>,
        void_for: Option<String>,
        last: bool,
        provider_id: Option<String>,
        polls: u32,
        needs_review: bool,
        changed_at: Timestamp,
    }
}

macro_rules! select_payments {
    ($rest:literal) => {
        sql!(concat!(
            "SELECT p.id, p.purchase_id, o.sale, p.attempt, p.method, p.amount, p.currency, p.captured_amount, p.state, ",
            "p.intent, p.void_for, p.last, p.provider_id, p.polls, ",
            "(CASE o.financial_state WHEN 'needs_review' THEN 1 ELSE 0 END) AS needs_review, p.changed_at FROM payments p ",
            "JOIN orders o ON o.id = p.purchase_id ",
            $rest
        ))
    };
}

impl From<Columns> for PaymentRow {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            order: row.purchase_id,
            sale: row.sale,
            attempt: row.attempt,
            method: row.method,
            money: Money { amount: row.amount, currency: row.currency },
            captured: row.captured_amount,
            state: row.state,
            intent: row.intent.as_deref().and_then(Intent::parse),
            void_for: row.void_for.as_deref().and_then(VoidFor::parse),
            last: row.last,
            provider_id: row.provider_id,
            polls: row.polls,
            needs_review: row.needs_review,
            changed_at: row.changed_at,
        }
    }
}

fn read(rows: Vec<Columns>) -> Vec<PaymentRow> {
    rows.into_iter().map(PaymentRow::from).collect()
}

/// The attempt with this key.
pub async fn of_key(database: &Database, key: &str) -> Result<Option<PaymentRow>, StoreError> {
    let Some((order, attempt)) = sale::ids::parse_charge_key(key) else { return Ok(None) };
    Ok(of_order(database, order).await?.into_iter().find(|payment| payment.attempt == attempt))
}

/// All attempts of an order, the first one first.
pub async fn of_order(database: &Database, order: OrderId) -> Result<Vec<PaymentRow>, StoreError> {
    const READ: Sql = select_payments!("WHERE p.purchase_id = $1 ORDER BY p.attempt");
    let rows = sqlx::query_as(database.sql(READ)).bind(order.to_string()).fetch_all(database.reader()).await?;
    Ok(read(rows))
}

/// The open attempts of these orders, the first one first.
pub async fn open_of(database: &Database, orders: &[OrderId]) -> Result<Vec<PaymentRow>, StoreError> {
    const READ: Sql =
        select_payments!("WHERE p.purchase_id @in($1) AND p.state IN @open ORDER BY p.purchase_id, p.attempt");
    let rows = sqlx::query_as(database.sql(READ)).bind(parameters::list(orders)).fetch_all(database.reader()).await?;
    Ok(read(rows))
}

/// These attempts, whether open or not.
pub async fn load_all(database: &Database, ids: &[PaymentId]) -> Result<Vec<PaymentRow>, StoreError> {
    const READ: Sql = select_payments!("WHERE p.id @in($1)");
    let rows = sqlx::query_as(database.sql(READ)).bind(parameters::list(ids)).fetch_all(database.reader()).await?;
    Ok(read(rows))
}

/// How long payments of a sale take from the request to the capture, in milliseconds: the median of its newest orders.
pub async fn median_ms(database: &Database, sale: &SaleId) -> Result<Option<i64>, StoreError> {
    let mut took: Vec<i64> = sqlx::query_scalar(
        "SELECT p.changed_at - p.created_at FROM \
           (SELECT id FROM orders WHERE sale = $1 ORDER BY created_at DESC, id LIMIT 200) AS o \
         JOIN payments p ON p.purchase_id = o.id WHERE p.state = 'captured'",
    )
    .bind(sale.as_str())
    .fetch_all(database.reader())
    .await?;
    took.sort_unstable();
    Ok(took.get(took.len() / 2).copied())
}

/// All attempts of these orders, locked until the transaction ends.
pub(super) async fn lock_all(
    database: &Database,
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<Vec<PaymentRow>, StoreError> {
    const LOCK: Sql = select_payments!("WHERE p.purchase_id @in($1) ORDER BY p.purchase_id, p.attempt @lock(p)");
    let rows = sqlx::query_as(database.sql(LOCK)).bind(parameters::list(orders)).fetch_all(&mut **tx).await?;
    Ok(read(rows))
}
