//! What the database's own rows must say about each other, for verification.
//!
//! All checks see one moment. Each is a statement that tells the things that break it; none is the right answer.

use sale::{Event, OrderId, OrderState, PaymentState, SaleId, Timestamp, ids::PaymentId};
use sqlx::Row as _;

use super::{
    Database,
    moves::{bad, order_id},
    numbers::unsigned,
};
use crate::StoreError;

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// Which rule.
    pub what: &'static str,
    /// Whose: an order, an item, a buyer's hash.
    pub id: String,
}

/// The rules as statements that find what breaks them. `$1` is a sale, or empty for all.
const RULES: &[(&str, &str)] = &[
    (
        "item_counts",
        "SELECT i.sale || '/' || i.id FROM items i LEFT JOIN ( \
           SELECT l.sale, l.item, SUM(CASE WHEN h.state IN ('held', 'paying') THEN l.quantity ELSE 0 END) AS held, \
             SUM(CASE WHEN h.state = 'committed' THEN l.quantity ELSE 0 END) AS sold \
           FROM holds h JOIN order_lines l ON l.order_id = h.order_id GROUP BY l.sale, l.item) u \
         ON u.sale = i.sale AND u.item = i.id WHERE ($1 = '' OR i.sale = $1) \
         AND (i.held <> COALESCE(u.held, 0) OR i.sold <> COALESCE(u.sold, 0) OR i.held + i.sold > i.total)",
    ),
    (
        "buyer_counts",
        "SELECT b.sale || '/' || b.buyer FROM buyers b LEFT JOIN ( \
           SELECT h.sale, h.buyer, SUM(l.quantity) AS units FROM holds h JOIN order_lines l ON l.order_id = h.order_id \
           WHERE h.state IN ('held', 'paying', 'committed') GROUP BY h.sale, h.buyer) u \
         ON u.sale = b.sale AND u.buyer = b.buyer WHERE ($1 = '' OR b.sale = $1) AND b.units <> COALESCE(u.units, 0)",
    ),
    // A limit that the seller lowered later concerns new orders only.
    (
        "buyer_limit",
        "SELECT b.sale || '/' || b.buyer FROM buyers b JOIN sales s ON s.id = b.sale WHERE ($1 = '' OR b.sale = $1) \
         AND b.units > s.per_buyer_limit AND NOT EXISTS (SELECT 1 FROM acts a WHERE a.sale = s.id AND a.act = 'change')",
    ),
    (
        "paid_without_units",
        "SELECT o.id FROM orders o WHERE ($1 = '' OR o.sale = $1) AND o.state = 'paid' \
         AND (SELECT COUNT(*) FROM holds h WHERE h.id IN (o.id, o.id || ':2') AND h.state = 'committed') <> 1",
    ),
    (
        "units_without_paid",
        "SELECT h.id FROM holds h JOIN orders o ON o.id = h.order_id WHERE ($1 = '' OR h.sale = $1) \
         AND h.state = 'committed' AND o.state IN ('pending_payment', 'payment_processing', 'payment_unknown', \
           'payment_failed', 'expired', 'cancelled')",
    ),
    (
        "hold_without_open_order",
        "SELECT h.id FROM holds h JOIN orders o ON o.id = h.order_id WHERE ($1 = '' OR h.sale = $1) \
         AND h.state IN ('held', 'paying') \
         AND o.state NOT IN ('pending_payment', 'payment_processing', 'payment_unknown', 'needs_review')",
    ),
    (
        "open_order_without_hold",
        "SELECT o.id FROM orders o WHERE ($1 = '' OR o.sale = $1) \
         AND o.state IN ('pending_payment', 'payment_processing', 'payment_unknown') \
         AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.id IN (o.id, o.id || ':2') AND h.state IN ('held', 'paying'))",
    ),
    (
        "ended_twice",
        "SELECT y.order_id FROM order_history y JOIN orders o ON o.id = y.order_id WHERE ($1 = '' OR o.sale = $1) \
         AND y.state IN ('payment_failed', 'expired', 'cancelled') GROUP BY y.order_id HAVING COUNT(*) > 1",
    ),
    (
        "paid_twice",
        "SELECT y.order_id FROM order_history y JOIN orders o ON o.id = y.order_id WHERE ($1 = '' OR o.sale = $1) \
         AND y.state = 'paid' GROUP BY y.order_id HAVING COUNT(*) > 1",
    ),
    (
        "payment_not_followed",
        "SELECT p.id FROM payments p JOIN orders o ON o.id = p.purchase_id WHERE ($1 = '' OR o.sale = $1) \
         AND p.due_at IS NOT NULL AND p.state IN ('captured', 'declined', 'voided')",
    ),
    (
        "refund_not_owed",
        "SELECT o.id FROM orders o WHERE ($1 = '' OR o.sale = $1) AND o.state = 'refund_pending' \
         AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.order_id = o.id AND r.state = 'pending')",
    ),
    (
        "called_beyond_cursor",
        "SELECT p.sale || '/' || p.number FROM passes p JOIN sales s ON s.id = p.sale \
         WHERE ($1 = '' OR p.sale = $1) AND p.number > s.cursor",
    ),
];

/// Everything that breaks a rule of one sale, or of all.
pub async fn broken(database: &Database, sale: Option<&SaleId>) -> Result<Vec<Broken>, StoreError> {
    let (mut found, mut tx) = (Vec::new(), database.read_whole().await?);
    for (what, statement) in RULES {
        let rows = sqlx::query(*statement).bind(sale.map_or("", SaleId::as_str)).fetch_all(&mut *tx).await?;
        for row in &rows {
            found.push(Broken { what, id: row.try_get(0)? });
        }
    }
    Ok(found)
}

/// How many rows there are to compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub orders: u64,
    pub holds: u64,
    pub payments: u64,
}

pub async fn count(database: &Database, sale: Option<&SaleId>) -> Result<Counted, StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM orders WHERE $1 = '' OR sale = $1), \
           (SELECT COUNT(*) FROM holds WHERE $1 = '' OR sale = $1), \
           (SELECT COUNT(*) FROM payments p JOIN orders o ON o.id = p.purchase_id WHERE $1 = '' OR o.sale = $1)",
    )
    .bind(sale.map_or("", SaleId::as_str))
    .fetch_one(&mut *database.read_whole().await?)
    .await?;
    Ok(Counted {
        orders: unsigned(row.try_get(0)?),
        holds: unsigned(row.try_get(1)?),
        payments: unsigned(row.try_get(2)?),
    })
}

/// An attempt that the provider may know about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub payment: PaymentId,
    pub order: OrderId,
    pub provider_id: String,
    pub amount: i64,
    pub currency: String,
    pub state: PaymentState,
    pub order_state: OrderState,
}

/// Attempts that were sent, by order, from after `after` on.
pub async fn sent(
    database: &Database,
    sale: Option<&SaleId>,
    after: Option<OrderId>,
    limit: i64,
) -> Result<Vec<Sent>, StoreError> {
    let rows = sqlx::query(
        "SELECT p.id, p.purchase_id, p.provider_id, p.amount, p.currency, p.state, o.state FROM payments p \
         JOIN orders o ON o.id = p.purchase_id WHERE ($1 = '' OR o.sale = $1) AND p.sent_at IS NOT NULL AND p.purchase_id IN ( \
           SELECT q.id FROM orders q WHERE ($1 = '' OR q.sale = $1) AND q.id > $2 \
           AND EXISTS (SELECT 1 FROM payments s WHERE s.purchase_id = q.id AND s.sent_at IS NOT NULL) \
           ORDER BY q.id LIMIT $3) ORDER BY p.purchase_id, p.attempt",
    )
    .bind(sale.map_or("", SaleId::as_str))
    .bind(after.map_or_else(String::new, |after| after.to_string()))
    .bind(limit)
    .fetch_all(database.reader())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Sent {
                payment: PaymentId::parse(row.try_get(0)?).ok_or_else(|| bad("payment id"))?,
                order: order_id(row.try_get(1)?)?,
                provider_id: row.try_get(2)?,
                amount: row.try_get(3)?,
                currency: row.try_get(4)?,
                state: PaymentState::parse(row.try_get(5)?).ok_or_else(|| bad("payment state"))?,
                order_state: OrderState::parse(row.try_get(6)?).ok_or_else(|| bad("order state"))?,
            })
        })
        .collect()
}

/// Events written before `before` that are not safe on the log, oldest first.
pub async fn unpublished(database: &Database, before: Timestamp, limit: i64) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query("SELECT body FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT $1")
        .bind(limit)
        .fetch_all(database.reader())
        .await?;
    let mut old = Vec::new();
    for row in &rows {
        let event = Event::parse(row.try_get::<&str, _>(0)?.as_bytes()).ok_or_else(|| bad("event"))?;
        if event.at <= before {
            old.push(event);
        }
    }
    Ok(old)
}

/// The ids of the holds of a sale that live.
pub async fn live_holds(database: &Database, sale: &SaleId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT id FROM holds WHERE sale = $1 AND state IN ('held', 'paying') ORDER BY id")
        .bind(sale.as_str())
        .fetch_all(database.reader())
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
