//! The writes of a placement, each with its guard.

use std::collections::BTreeSet;

use sale::{Currency, Event, EventKind, OrderId, PassId, SaleId, Timestamp, ids::EventId};
use serde::Serialize;
use sqlx::Row as _;

use super::{NewOrder, Terms};
use crate::{
    StoreError,
    database::{Database, Tx, moves::rows},
    queue::LineKey,
};

/// One statement, because each would cost a journey while the items are locked. It answers how many rows were written.
const POSTGRES: &str = "WITH asked AS MATERIALIZED ( \
      SELECT r.* FROM json_to_recordset($3::json) AS r(id text, pass text, number bigint, buyer text, units bigint, \
        hash text, amount bigint, currency text, locale text, contact text, trace text, event_id text, event text) \
      WHERE EXISTS (SELECT 1 FROM sales WHERE id = $1 AND epoch = $2)), \
    lines AS MATERIALIZED ( \
      SELECT r.* FROM json_to_recordset($4::json) AS r(order_id text, item text, quantity bigint, amount bigint)), \
    counted_items AS ( \
      UPDATE items SET held = items.held + r.units \
      FROM (SELECT item, sum(quantity)::bigint AS units FROM lines GROUP BY item) AS r \
      WHERE items.sale = $1 AND items.id = r.item AND items.held + items.sold + r.units <= items.total RETURNING 1), \
    counted_buyers AS ( \
      INSERT INTO buyers (sale, buyer, units) \
      SELECT $1, buyer, sum(units)::bigint FROM asked GROUP BY buyer HAVING sum(units) <= $5 ORDER BY buyer \
      ON CONFLICT (sale, buyer) DO UPDATE SET units = buyers.units + excluded.units \
      WHERE buyers.units + excluded.units <= $5 RETURNING 1), \
    new_orders AS ( \
      INSERT INTO orders (id, sale, pass, number, buyer, state, request_hash, amount, currency, locale, contact, \
        trace, created_at, changed_at) \
      SELECT id, $1, pass, number, buyer, 'pending_payment', hash, amount, currency, locale, decode(contact, 'hex'), \
        trace, $6, $6 FROM asked ORDER BY id ON CONFLICT DO NOTHING RETURNING 1), \
    new_lines AS ( \
      INSERT INTO order_lines (order_id, sale, item, quantity, amount) \
      SELECT order_id, $1, item, quantity, amount FROM lines ON CONFLICT DO NOTHING RETURNING 1), \
    new_holds AS ( \
      INSERT INTO holds (id, order_id, sale, buyer, state, deadline, created_at) \
      SELECT id, id, $1, buyer, 'held', $7, $6 FROM asked ORDER BY id ON CONFLICT DO NOTHING RETURNING 1), \
    new_events AS ( \
      INSERT INTO outbox (event_id, kind, order_id, body, trace) \
      SELECT event_id, 'order.placed', id, event, CASE WHEN trace = '' THEN '' \
        ELSE '00-' || trace || '-' || substr(replace(event_id, '-', ''), 17) || '-01' END \
      FROM asked ON CONFLICT DO NOTHING RETURNING 1) \
    SELECT (SELECT count(*) FROM counted_items) + (SELECT count(*) FROM counted_buyers) \
      + (SELECT count(*) FROM new_orders) + (SELECT count(*) FROM new_lines) + (SELECT count(*) FROM new_holds) \
      + (SELECT count(*) FROM new_events)";

/// The same writes one after another, with the same parameters: SQLite is no journey away, and it cannot do several in
/// one statement.
const SQLITE: [&str; 6] = [
    "UPDATE items SET held = held + r.units \
     FROM (SELECT value ->> 'item' AS item, sum(value ->> 'quantity') AS units FROM json_each($4) GROUP BY 1) AS r \
     WHERE items.sale = $1 AND items.id = r.item AND items.held + items.sold + r.units <= items.total",
    "INSERT INTO buyers (sale, buyer, units) \
     SELECT $1, value ->> 'buyer', sum(value ->> 'units') FROM json_each($3) \
     GROUP BY value ->> 'buyer' HAVING sum(value ->> 'units') <= $5 \
     ON CONFLICT (sale, buyer) DO UPDATE SET units = buyers.units + excluded.units \
     WHERE buyers.units + excluded.units <= $5",
    "INSERT INTO orders (id, sale, pass, number, buyer, state, request_hash, amount, currency, locale, contact, \
       trace, created_at, changed_at) \
     SELECT value ->> 'id', $1, value ->> 'pass', value ->> 'number', value ->> 'buyer', 'pending_payment', \
       value ->> 'hash', value ->> 'amount', value ->> 'currency', value ->> 'locale', unhex(value ->> 'contact'), \
       value ->> 'trace', $6, $6 FROM json_each($3) \
     WHERE EXISTS (SELECT 1 FROM sales WHERE id = $1 AND epoch = $2) ON CONFLICT DO NOTHING",
    "INSERT INTO order_lines (order_id, sale, item, quantity, amount) \
     SELECT value ->> 'order_id', $1, value ->> 'item', value ->> 'quantity', value ->> 'amount' \
     FROM json_each($4) WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO holds (id, order_id, sale, buyer, state, deadline, created_at) \
     SELECT value ->> 'id', value ->> 'id', $1, value ->> 'buyer', 'held', $7, $6 FROM json_each($3) \
     WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO outbox (event_id, kind, order_id, body, trace) \
     SELECT value ->> 'event_id', 'order.placed', value ->> 'id', value ->> 'event', \
       CASE WHEN value ->> 'trace' = '' THEN '' ELSE '00-' || (value ->> 'trace') || '-' \
         || substr(replace(value ->> 'event_id', '-', ''), 17) || '-01' END \
     FROM json_each($3) WHERE true ON CONFLICT DO NOTHING",
];

/// Counts the units against items and buyers and writes orders, lines, holds and their events. False when a guard spoke:
/// the epoch is another one, an item has too few units, a buyer would have too many, or an id or a pass is taken. Then
/// the transaction must not be committed.
pub(super) async fn write(
    database: &Database,
    tx: &mut Tx,
    line: &LineKey,
    orders: &[&NewOrder],
    (terms, now): (Terms, Timestamp),
) -> Result<bool, StoreError> {
    let order_rows = rows(&orders.iter().map(|order| OrderRow::of(order, &line.sale, now)).collect::<Vec<_>>());
    let lines: Vec<_> = orders.iter().flat_map(|order| LineRow::of(order)).collect();
    let line_rows = rows(&lines);
    let bound = |statement| {
        sqlx::query(statement)
            .bind(line.sale.as_str())
            .bind(line.epoch)
            .bind(&order_rows)
            .bind(&line_rows)
            .bind(terms.limit)
            .bind(now.as_millis())
            .bind(terms.hold_until(now).as_millis())
    };
    let mut written = 0;
    if database.is_postgres() {
        written += u64::try_from(bound(POSTGRES).fetch_one(&mut **tx).await?.try_get::<i64, _>(0)?).unwrap_or(0);
    } else {
        for statement in SQLITE {
            written += bound(statement).execute(&mut **tx).await?.rows_affected();
        }
    }
    let items: BTreeSet<_> = lines.iter().map(|line| line.item).collect();
    let buyers: BTreeSet<_> = orders.iter().map(|order| order.buyer).collect();
    Ok(written == (items.len() + buyers.len() + lines.len() + 3 * orders.len()) as u64)
}

/// An order as the statements read it.
#[derive(Serialize)]
struct OrderRow<'a> {
    id: OrderId,
    pass: PassId,
    number: u64,
    buyer: String,
    units: i64,
    hash: &'a str,
    amount: i64,
    currency: Currency,
    locale: &'static str,
    /// JSON has no bytes: they travel as hexadecimal digits.
    contact: Option<String>,
    trace: &'a str,
    event_id: EventId,
    event: String,
}

impl<'a> OrderRow<'a> {
    fn of(order: &'a NewOrder, sale: &SaleId, now: Timestamp) -> Self {
        let event = Event::about(EventKind::OrderPlaced, sale, order.id, now, 0);
        Self {
            id: order.id,
            pass: order.pass,
            number: order.number,
            buyer: order.buyer.to_string(),
            units: order.units(),
            hash: &order.request_hash,
            amount: order.amount(),
            currency: order.currency,
            locale: order.locale.tag(),
            contact: order.contact.as_deref().map(hex),
            trace: &order.trace,
            event_id: event.id,
            event: event.to_json(),
        }
    }
}

#[derive(Serialize)]
struct LineRow<'a> {
    order_id: OrderId,
    item: &'a str,
    quantity: u32,
    amount: i64,
}

impl<'a> LineRow<'a> {
    fn of(order: &'a NewOrder) -> impl Iterator<Item = Self> {
        let lines = order.lines.iter();
        lines.map(|line| Self {
            order_id: order.id,
            item: line.item.as_str(),
            quantity: line.quantity,
            amount: line.amount,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
