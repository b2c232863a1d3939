//! Consistency: rules between the rows of this database, for verification.
//!
//! Each rule is a statement that selects its violations. All of them read one snapshot of the database.

use sale::{Event, SaleId, Timestamp};

use super::{
    Database, outbox,
    row::{column, corrupt, row},
    sql::{Sql, sql},
};
use crate::StoreError;

/// A row that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub rule: &'static str,
    /// Of the order, item, hold or payment that breaks it.
    pub id: String,
}

/// The rules by name, with statements that select the ids of violations. `$1` is a sale, or empty for all.
const RULES: &[(&str, Sql)] = &[
    (
        "item_counts",
        sql!(
            "SELECT i.sale || '/' || i.id AS id FROM items i LEFT JOIN ( \
               SELECT l.sale, l.item, SUM(CASE WHEN l.state IN @live THEN l.quantity ELSE 0 END) AS held, \
                 SUM(CASE WHEN l.state = 'committed' THEN l.quantity ELSE 0 END) AS sold \
               FROM hold_lines l GROUP BY l.sale, l.item) u \
             ON u.sale = i.sale AND u.item = i.id WHERE ($1 = '' OR i.sale = $1) \
             AND (i.held <> COALESCE(u.held, 0) OR i.sold <> COALESCE(u.sold, 0) OR i.held + i.sold > i.total)"
        ),
    ),
    (
        "buyer_counts",
        sql!(
            "SELECT b.sale || '/' || b.buyer AS id FROM buyers b LEFT JOIN ( \
               SELECT sale, buyer, SUM(quantity) AS units FROM hold_lines \
               WHERE state IN @counted GROUP BY sale, buyer) u \
             ON u.sale = b.sale AND u.buyer = b.buyer WHERE ($1 = '' OR b.sale = $1) AND b.units <> COALESCE(u.units, 0)"
        ),
    ),
    // A limit that the seller lowered later concerns new orders only.
    (
        "buyer_limit",
        sql!(
            "SELECT b.sale || '/' || b.buyer AS id FROM buyers b JOIN sales s ON s.id = b.sale WHERE ($1 = '' OR b.sale = $1) \
             AND b.units > s.per_buyer_limit AND NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.sale = s.id AND a.action = 'change')"
        ),
    ),
    (
        "order_amount",
        sql!(
            "SELECT o.id FROM orders o WHERE ($1 = '' OR o.sale = $1) AND o.amount <> ( \
               SELECT COALESCE(SUM(l.quantity * l.unit_amount), 0) FROM order_lines l WHERE l.order_id = o.id)"
        ),
    ),
    (
        "held_otherwise_than_ordered",
        sql!(
            "SELECT h.order_id || ':' || h.n AS id FROM ( \
               SELECT order_id, n, SUM(quantity) AS units FROM hold_lines WHERE ($1 = '' OR sale = $1) \
                 AND state IN @counted GROUP BY order_id, n) h \
             WHERE h.units <> (SELECT COALESCE(SUM(l.quantity), 0) FROM order_lines l \
               WHERE l.order_id = h.order_id AND l.kind = 'item')"
        ),
    ),
    (
        "paid_without_units",
        sql!(
            "SELECT o.id FROM orders o WHERE ($1 = '' OR o.sale = $1) AND o.state = 'sold' \
             AND (SELECT COUNT(*) FROM holds h WHERE h.order_id = o.id AND h.state = 'committed') <> 1"
        ),
    ),
    (
        "units_without_paid",
        sql!(
            "SELECT h.order_id || ':' || h.n AS id FROM holds h JOIN orders o ON o.id = h.order_id WHERE ($1 = '' OR h.sale = $1) \
             AND h.state = 'committed' AND o.state <> 'sold'"
        ),
    ),
    (
        "hold_without_open_order",
        sql!(
            "SELECT h.order_id || ':' || h.n AS id FROM holds h JOIN orders o ON o.id = h.order_id WHERE ($1 = '' OR h.sale = $1) \
             AND h.state IN @live AND o.state <> 'reserved'"
        ),
    ),
    (
        "open_order_without_hold",
        sql!(
            "SELECT o.id FROM orders o WHERE ($1 = '' OR o.sale = $1) \
             AND o.state = 'reserved' \
             AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.order_id = o.id AND h.state IN @live)"
        ),
    ),
    (
        "ended_twice",
        sql!(
            "SELECT y.order_id AS id FROM order_history y JOIN orders o ON o.id = y.order_id WHERE ($1 = '' OR o.sale = $1) \
             AND y.state IN ('payment_failed', 'expired', 'cancelled') GROUP BY y.order_id HAVING COUNT(*) > 1"
        ),
    ),
    (
        "paid_twice",
        sql!(
            "SELECT y.order_id AS id FROM order_history y JOIN orders o ON o.id = y.order_id WHERE ($1 = '' OR o.sale = $1) \
             AND y.state = 'paid' GROUP BY y.order_id HAVING COUNT(*) > 1"
        ),
    ),
    (
        "payment_not_followed",
        sql!(
            "SELECT p.id FROM payments p JOIN orders o ON o.id = p.purchase_id WHERE ($1 = '' OR o.sale = $1) \
             AND p.due_at IS NOT NULL AND p.state IN @ended"
        ),
    ),
    (
        "refund_not_owed",
        sql!(
            "SELECT o.id FROM orders o WHERE ($1 = '' OR o.sale = $1) AND o.financial_state = 'refund_pending' \
             AND NOT EXISTS (SELECT 1 FROM refunds r JOIN payments p ON p.id = r.payment_id \
               WHERE p.purchase_id = o.id AND r.state = 'pending')"
        ),
    ),
    (
        "move_without_payment",
        sql!(
            "SELECT m.payment_id AS id FROM money_moves m JOIN orders o ON o.id = m.purchase_id WHERE ($1 = '' OR o.sale = $1) \
             AND NOT EXISTS (SELECT 1 FROM payments p WHERE p.id = m.payment_id)"
        ),
    ),
    (
        "refund_lines",
        sql!(
            "SELECT r.id FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN orders o ON o.id = p.purchase_id \
             WHERE ($1 = '' OR o.sale = $1) \
             AND r.amount <> (SELECT COALESCE(SUM(l.amount), 0) FROM refund_lines l WHERE l.refund_id = r.id)"
        ),
    ),
    (
        "called_beyond_cursor",
        sql!(
            "SELECT p.sale || '/' || p.number AS id FROM passes p JOIN sales s ON s.id = p.sale \
             WHERE ($1 = '' OR p.sale = $1) AND p.number > s.called_up_to"
        ),
    ),
];

/// The violations of one sale, or of all.
pub async fn violations(database: &Database, sale: Option<&SaleId>) -> Result<Vec<Violation>, StoreError> {
    let (mut found, mut tx) = (Vec::new(), database.read_whole().await?);
    for (rule, statement) in RULES {
        let rows =
            sqlx::query(database.sql(*statement)).bind(sale.map_or("", SaleId::as_str)).fetch_all(&mut *tx).await?;
        let ids: Vec<String> = column(&rows, "id")?;
        found.extend(ids.into_iter().map(|id| Violation { rule, id }));
    }
    Ok(found)
}

row! {
    /// How many rows were compared.
    #[derive(Clone, Copy, PartialEq, Eq)]
    pub struct RowCounts {
        pub orders: u64,
        pub holds: u64,
        pub payments: u64,
    }
}

pub async fn count_rows(database: &Database, sale: Option<&SaleId>) -> Result<RowCounts, StoreError> {
    const COUNT: &str = "SELECT (SELECT COUNT(*) FROM orders WHERE $1 = '' OR sale = $1) AS orders, \
           (SELECT COUNT(*) FROM holds WHERE $1 = '' OR sale = $1) AS holds, \
           (SELECT COUNT(*) FROM payments p JOIN orders o ON o.id = p.purchase_id WHERE $1 = '' OR o.sale = $1) AS payments";
    let mut tx = database.read_whole().await?;
    Ok(sqlx::query_as(COUNT).bind(sale.map_or("", SaleId::as_str)).fetch_one(&mut *tx).await?)
}

/// Events written before `before` that are not safe on the log, oldest first.
pub async fn unpublished(database: &Database, before: Timestamp, limit: i64) -> Result<Vec<Event>, StoreError> {
    let rows = outbox::unpublished(database, limit).await?;
    let events =
        rows.iter().map(|(_, record)| Event::parse(record.body.as_bytes()).ok_or_else(|| corrupt("body").into()));
    let events = events.collect::<Result<Vec<_>, StoreError>>()?;
    Ok(events.into_iter().filter(|event| event.at <= before).collect())
}

/// The ids of the live holds of a sale.
pub async fn live_holds(database: &Database, sale: &SaleId) -> Result<Vec<String>, StoreError> {
    const READ: Sql =
        sql!("SELECT order_id || ':' || n AS id FROM holds WHERE sale = $1 AND state IN @live ORDER BY order_id, n");
    let rows = sqlx::query(database.sql(READ)).bind(sale.as_str()).fetch_all(database.reader()).await?;
    Ok(column(&rows, "id")?)
}
