//! The writes of a placement, each with its guard.

use std::{
    collections::BTreeSet,
    fmt::{Display, Write as _},
};

use sale::{Currency, Event, EventKind, OrderId, PassId, SaleId, Timestamp, ids::EventId, secret::hex};
use serde::Serialize;

use super::{decide::Terms, new_order::NewOrder};
use crate::{
    StoreError,
    database::{Database, Tx, parameters},
    queue_store::QueueKey,
};

/// One statement, because each would cost a round trip while the items are locked. It returns how many rows of items and
/// buyers were updated. An id or a pass that exists already fails it, which costs less than a query for each before. Columns
/// are passed as arrays: parsing them as JSON would take a seventh of the time.
const POSTGRES: &str = "WITH requested AS MATERIALIZED ( \
      SELECT r.* FROM unnest($6::text[], $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::text[], \
        $13::bigint[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[]) \
        AS r(id, pass, number, buyer, units, held, hash, amount, currency, locale, contact, trace, event_id, event) \
      WHERE EXISTS (SELECT 1 FROM sales WHERE id = $1 AND epoch = $2 AND epoch_nonce = $27)), \
    lines AS MATERIALIZED ( \
      SELECT r.* FROM unnest($20::text[], $21::bigint[], $22::text[], $23::text[], $24::text[], $25::bigint[], $26::bigint[]) \
        AS r(order_id, line_no, item, name_ko, name_en, quantity, unit_amount)), \
    counted_items AS ( \
      UPDATE items SET held = items.held + r.units \
      FROM (SELECT item, sum(quantity)::bigint AS units FROM lines GROUP BY item) AS r \
      WHERE items.sale = $1 AND items.id = r.item AND items.held + items.sold + r.units <= items.total RETURNING 1), \
    counted_buyers AS ( \
      INSERT INTO buyers (sale, buyer, units) \
      SELECT $1, buyer, sum(units)::bigint FROM requested GROUP BY buyer HAVING sum(units) <= $3 ORDER BY buyer \
      ON CONFLICT (sale, buyer) DO UPDATE SET units = buyers.units + excluded.units \
      WHERE buyers.units + excluded.units <= $3 RETURNING 1), \
    new_orders AS ( \
      INSERT INTO orders (id, purchase_id, sale, pass, number, buyer, state, request_hash, amount, currency, locale, contact, \
        trace, created_at, changed_at) \
      SELECT id, id, $1, pass, number, buyer, 'reserved', hash, amount, currency, locale, \
        decode(nullif(contact, ''), 'hex'), trace, $4, $4 FROM requested), \
    new_lines AS ( \
      INSERT INTO order_lines (order_id, line_no, sale, item, name_ko, name_en, quantity, unit_amount) \
      SELECT order_id, line_no, $1, item, name_ko, name_en, quantity, unit_amount FROM lines), \
    new_holds AS ( \
      INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at) \
      SELECT id, 1, $1, buyer, 'held', held, $5, $4 FROM requested), \
    new_events AS ( \
      INSERT INTO outbox (event_id, kind, order_id, body, trace) \
      SELECT event_id, 'order.placed', id, event, CASE WHEN trace = '' THEN '' \
        ELSE '00-' || trace || '-' || substr(replace(event_id, '-', ''), 17) || '-01' END FROM requested) \
    SELECT (SELECT count(*) FROM counted_items) + (SELECT count(*) FROM counted_buyers)";

/// The same writes one after another: SQLite is in this process, and it has no statement that does several.
const SQLITE: [&str; 6] = [
    "UPDATE items SET held = held + r.units \
     FROM (SELECT value ->> 'item' AS item, sum(value ->> 'quantity') AS units FROM json_each($4) GROUP BY 1) AS r \
     WHERE items.sale = $1 AND items.id = r.item AND items.held + items.sold + r.units <= items.total",
    "INSERT INTO buyers (sale, buyer, units) \
     SELECT $1, value ->> 'buyer', sum(value ->> 'units') FROM json_each($3) \
     GROUP BY value ->> 'buyer' HAVING sum(value ->> 'units') <= $5 \
     ON CONFLICT (sale, buyer) DO UPDATE SET units = buyers.units + excluded.units \
     WHERE buyers.units + excluded.units <= $5",
    "INSERT INTO orders (id, purchase_id, sale, pass, number, buyer, state, request_hash, amount, currency, locale, contact, \
       trace, created_at, changed_at) \
     SELECT value ->> 'id', value ->> 'id', $1, value ->> 'pass', value ->> 'number', value ->> 'buyer', 'reserved', \
       value ->> 'hash', value ->> 'amount', value ->> 'currency', value ->> 'locale', unhex(value ->> 'contact'), \
       value ->> 'trace', $6, $6 FROM json_each($3) \
     WHERE EXISTS (SELECT 1 FROM sales WHERE id = $1 AND epoch = $2 AND epoch_nonce = $8) ON CONFLICT DO NOTHING",
    "INSERT INTO order_lines (order_id, line_no, sale, item, name_ko, name_en, quantity, unit_amount) \
     SELECT value ->> 'order_id', value ->> 'line_no', $1, value ->> 'item', value ->> 'name_ko', value ->> 'name_en', \
       value ->> 'quantity', value ->> 'unit_amount' FROM json_each($4) WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at) \
     SELECT value ->> 'id', 1, $1, value ->> 'buyer', 'held', value ->> 'held', $7, $6 FROM json_each($3) \
     WHERE true ON CONFLICT DO NOTHING",
    "INSERT INTO outbox (event_id, kind, order_id, body, trace) \
     SELECT value ->> 'event_id', 'order.placed', value ->> 'id', value ->> 'event', \
       CASE WHEN value ->> 'trace' = '' THEN '' ELSE '00-' || (value ->> 'trace') || '-' \
         || substr(replace(value ->> 'event_id', '-', ''), 17) || '-01' END \
     FROM json_each($3)",
];

/// Counts the units against items and buyers and writes orders, lines, holds and their events. Returns false when a guard
/// refused a write: the sale is in another epoch, an item has too few units, a buyer would have too many, or an id or a pass
/// exists already. Then the transaction must not be committed.
pub(super) async fn write(
    database: &Database,
    tx: &mut Tx,
    key: &QueueKey,
    orders: &[&NewOrder],
    (terms, now): (Terms, Timestamp),
) -> Result<bool, StoreError> {
    let mut rows: Vec<_> = orders.iter().map(|order| OrderRow::of(order, &key.sale, now)).collect();
    // In key order, as every transaction locks them.
    rows.sort_unstable_by_key(|row| row.id);
    let lines: Vec<_> = orders.iter().flat_map(|order| LineRow::of(order)).collect();
    let batch = Batch { key, rows, lines, limit: terms.limit, now, hold_until: terms.hold_until(now) };
    if database.is_postgres() { batch.write_to_postgres(tx).await } else { batch.write_to_sqlite(tx).await }
}

/// What is written together.
struct Batch<'a> {
    key: &'a QueueKey,
    rows: Vec<OrderRow<'a>>,
    lines: Vec<LineRow<'a>>,
    limit: i64,
    now: Timestamp,
    hold_until: Timestamp,
}

impl Batch<'_> {
    async fn write_to_postgres(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let (rows, lines) = (&self.rows, &self.lines);
        let statement = sqlx::query_scalar::<_, i64>(POSTGRES)
            .bind(self.key.sale.as_str())
            .bind(self.key.epoch)
            .bind(self.limit)
            .bind(self.now.as_millis())
            .bind(self.hold_until.as_millis())
            .bind(column(rows, |row| row.id))
            .bind(column(rows, |row| row.pass))
            .bind(column(rows, |row| row.number))
            .bind(column(rows, |row| &row.buyer))
            .bind(column(rows, |row| row.units))
            .bind(column(rows, |row| &row.held))
            .bind(column(rows, |row| row.hash))
            .bind(column(rows, |row| row.amount))
            .bind(column(rows, |row| row.currency))
            .bind(column(rows, |row| row.locale))
            .bind(column(rows, |row| row.contact.as_deref().unwrap_or_default()))
            .bind(column(rows, |row| row.trace))
            .bind(column(rows, |row| row.event_id))
            .bind(column(rows, |row| &row.event))
            .bind(column(lines, |line| line.order_id))
            .bind(column(lines, |line| line.line_no))
            .bind(column(lines, |line| line.item))
            .bind(column(lines, |line| line.name_ko))
            .bind(column(lines, |line| line.name_en))
            .bind(column(lines, |line| line.quantity))
            .bind(column(lines, |line| line.unit_amount))
            .bind(self.key.nonce.as_bits());
        match statement.fetch_one(&mut **tx).await {
            Ok(counted) => Ok(u64::try_from(counted) == Ok(self.counted())),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn write_to_sqlite(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let (order_rows, line_rows) = (parameters::rows(&self.rows), parameters::rows(&self.lines));
        let mut written = 0;
        for statement in SQLITE {
            let statement = sqlx::query(statement)
                .bind(self.key.sale.as_str())
                .bind(self.key.epoch)
                .bind(&order_rows)
                .bind(&line_rows)
                .bind(self.limit)
                .bind(self.now.as_millis())
                .bind(self.hold_until.as_millis())
                .bind(self.key.nonce.as_bits());
            written += statement.execute(&mut **tx).await?.rows_affected();
        }
        Ok(written == self.counted() + (self.lines.len() + 3 * self.rows.len()) as u64)
    }

    /// How many rows of items and buyers are updated when no guard refuses.
    fn counted(&self) -> u64 {
        let items: BTreeSet<_> = self.lines.iter().map(|line| line.item).collect();
        let buyers: BTreeSet<_> = self.rows.iter().map(|row| &row.buyer).collect();
        (items.len() + buyers.len()) as u64
    }
}

/// A column as one parameter, in the array syntax of PostgreSQL.
fn column<'r, Row, Value: Display>(rows: &'r [Row], value: impl Fn(&'r Row) -> Value) -> String {
    let mut text = String::with_capacity(2 + rows.len() * 40);
    text.push('{');
    let mut one = String::new();
    for (at, row) in rows.iter().enumerate() {
        text.push_str(if at == 0 { "\"" } else { "\",\"" });
        one.clear();
        // Writing to a String cannot fail.
        write!(one, "{}", value(row)).unwrap_or_default();
        let mut written = 0;
        for (special, _) in one.match_indices(['"', '\\']) {
            text.push_str(&one[written..special]);
            text.push('\\');
            written = special;
        }
        text.push_str(&one[written..]);
    }
    text.push_str(if rows.is_empty() { "}" } else { "\"}" });
    text
}

/// The row of an order that the statements read.
#[derive(Serialize)]
struct OrderRow<'a> {
    id: OrderId,
    pass: PassId,
    number: u64,
    buyer: String,
    /// The sum over all items.
    units: i64,
    /// Of each item, as JSON.
    held: String,
    hash: &'a str,
    amount: i64,
    currency: Currency,
    locale: &'static str,
    /// In hexadecimal, because JSON has no bytes.
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
            held: parameters::units(order.lines.iter().map(|line| (&line.item, line.quantity))),
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
    line_no: u32,
    item: &'a str,
    name_ko: &'a str,
    name_en: &'a str,
    quantity: u32,
    unit_amount: i64,
}

impl<'a> LineRow<'a> {
    fn of(order: &'a NewOrder) -> impl Iterator<Item = Self> {
        (1..).zip(&order.lines).map(|(line_no, line)| Self {
            order_id: order.id,
            line_no,
            item: line.item.as_str(),
            name_ko: &line.name.ko,
            name_en: &line.name.en,
            quantity: line.quantity,
            unit_amount: line.unit_amount,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_an_array_whatever_stands_in_it() {
        let texts = [r#"{"a":"b\c"}"#, "", "NULL", r"\", "x,y}", "\""];
        let written = r#"{"{\"a\":\"b\\c\"}","","NULL","\\","x,y}","\""}"#;
        assert_eq!(column(&texts, |text| *text), written);
        assert_eq!(column(&[0; 0], |n| *n), "{}");
        assert_eq!(column(&[1, -2], |n| *n), r#"{"1","-2"}"#);
    }
}
