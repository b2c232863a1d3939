//! Placing orders: the group commit in which the database decides who gets units.
//!
//! One transaction with a constant number of statements for the whole batch. The items' rows are locked first and in
//! order, so what is free is known exactly and the decision is a pure function. Every write is guarded once more; when
//! one of the guards speaks after all (somebody else was faster on a buyer or a pass), nothing of the batch is kept
//! and its orders are placed one by one, so that only the ones concerned are refused.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sale::{
    BuyerId, Currency, Event, EventKind, HoldState, ItemId, Language, Money, OrderId, OrderState, PassId, SaleId,
    Timestamp,
};
use serde_json::{Value, json};
use sqlx::Row as _;

use super::{
    Database, Sql, Tx,
    moves::{bad, list, order_id, rows},
    orders::{Held, Order, OrderLine, Step},
    outbox,
};
use crate::{StoreError, queue::LineKey};

/// How often an order that is placed alone may lose a race before the buyer is told to come back.
const TRIES_ALONE: usize = 3;

/// An order whose units the gate has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    pub id: OrderId,
    pub pass: PassId,
    pub number: u64,
    pub buyer: BuyerId,
    pub lines: Vec<PricedLine>,
    pub currency: Currency,
    /// SHA-256 of the request, to tell a repeated key with another body.
    pub request_hash: String,
    pub locale: Language,
    /// The sealed e-mail address.
    pub contact: Option<Vec<u8>>,
    /// W3C trace id of the request.
    pub trace: String,
}

/// Units of one item at the price that counts for this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedLine {
    pub item: ItemId,
    pub quantity: u32,
    /// Minor units for one.
    pub amount: i64,
}

impl NewOrder {
    /// The order as its rows say it once it was placed.
    pub fn placed(self, sale: &SaleId, at: Timestamp, hold_until: Timestamp) -> Order {
        let total = Money { amount: self.amount(), currency: self.currency };
        let mut lines = self.lines;
        lines.sort_by(|one, other| one.item.cmp(&other.item));
        Order {
            id: self.id,
            sale: sale.clone(),
            pass: self.pass,
            number: self.number,
            buyer: self.buyer,
            state: OrderState::PendingPayment,
            request_hash: self.request_hash,
            total,
            locale: self.locale,
            contact: self.contact,
            trace: self.trace,
            created_at: at,
            lines: lines
                .into_iter()
                .map(|line| OrderLine { item: line.item, quantity: line.quantity, amount: line.amount })
                .collect(),
            hold: Some(Held { state: HoldState::Held, deadline: hold_until }),
            payment: None,
            history: vec![Step { state: OrderState::PendingPayment, at }],
        }
    }

    fn units(&self) -> i64 {
        self.lines.iter().map(|line| i64::from(line.quantity)).sum()
    }

    fn amount(&self) -> i64 {
        let of = |line: &PricedLine| line.amount.saturating_mul(i64::from(line.quantity));
        self.lines.iter().map(of).fold(0, i64::saturating_add)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// At this moment, with its units held until then.
    Placed {
        at: Timestamp,
        hold_until: Timestamp,
    },
    /// Placed before by the same request.
    Existing,
    /// The same key came with another request.
    KeyReused,
    /// The pass bought this other order.
    PassUsed {
        order: OrderId,
    },
    /// The caller's gate is of a life that is over.
    EpochMoved,
    OutOfStock,
    LimitReached,
    /// The hold was freed in the gate before it came here; this id must never be placed.
    Ended,
}

/// Places the orders of one sale whose units were taken in the life `line.epoch`.
pub async fn place(database: &Database, line: &LineKey, orders: &[NewOrder]) -> Result<Vec<Placed>, StoreError> {
    if let Some(answers) = place_together(database, line, orders).await? {
        return Ok(answers);
    }
    let mut answers = Vec::with_capacity(orders.len());
    for order in orders {
        answers.push(place_alone(database, line, order).await?);
    }
    Ok(answers)
}

async fn place_alone(database: &Database, line: &LineKey, order: &NewOrder) -> Result<Placed, StoreError> {
    for _ in 0..TRIES_ALONE {
        if let Some(answers) = place_together(database, line, std::slice::from_ref(order)).await? {
            return answers.first().copied().ok_or_else(|| bad("count of answers"));
        }
    }
    Err(StoreError::unexpected("database", "an order that lost every race"))
}

/// `None` when a guard refused a write and nothing was kept.
async fn place_together(
    database: &Database,
    line: &LineKey,
    orders: &[NewOrder],
) -> Result<Option<Vec<Placed>>, StoreError> {
    let mut tx = database.begin().await?;
    let free = lock_items(database, &mut tx, line, orders).await?;
    let Some((limit, hold_seconds)) = terms(&mut tx, line).await? else {
        return Ok(Some(vec![Placed::EpochMoved; orders.len()]));
    };
    let known = known(database, &mut tx, orders).await?;
    let bought = lock_buyers(database, &mut tx, line, orders).await?;
    let now = database.now();
    let placed = Placed::Placed { at: now, hold_until: now.plus_seconds(hold_seconds) };
    let answers = decide(orders, &known, State { free, bought, limit }, placed);
    let accepted: Vec<_> =
        orders.iter().zip(&answers).filter_map(|(order, answer)| (*answer == placed).then_some(order)).collect();
    if accepted.is_empty() {
        return Ok(Some(answers));
    }
    if !(count_buyers(database, &mut tx, line, &accepted, limit).await?
        && count_items(database, &mut tx, line, &accepted).await?
        && insert(database, &mut tx, line, &accepted, (now, now.plus_seconds(hold_seconds))).await?)
    {
        return Ok(None);
    }
    let events: Vec<_> =
        accepted.iter().map(|order| Event::about(EventKind::OrderPlaced, &line.sale, order.id, now, 0)).collect();
    outbox::append(database, &mut tx, &events).await?;
    database.commit(tx).await?;
    Ok(Some(answers))
}

/// Orders that are there already, and holds that must never be placed.
#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<OrderId, String>,
    by_pass: HashMap<PassId, OrderId>,
    freed: HashSet<OrderId>,
}

/// What is left to give.
#[derive(Debug)]
struct State {
    free: HashMap<ItemId, i64>,
    bought: HashMap<BuyerId, i64>,
    limit: i64,
}

/// Goes through the batch in its order, as if each order came alone. `placed` is the answer to those that can be placed.
fn decide(orders: &[NewOrder], known: &Known, mut state: State, placed: Placed) -> Vec<Placed> {
    let mut by_id: HashMap<OrderId, &str> = known.by_id.iter().map(|(id, hash)| (*id, hash.as_str())).collect();
    let mut by_pass = known.by_pass.clone();
    let mut answers = Vec::with_capacity(orders.len());
    for order in orders {
        let bought = state.bought.entry(order.buyer).or_default();
        let answer = if let Some(hash) = by_id.get(&order.id) {
            if *hash == order.request_hash { Placed::Existing } else { Placed::KeyReused }
        } else if let Some(other) = by_pass.get(&order.pass) {
            Placed::PassUsed { order: *other }
        } else if known.freed.contains(&order.id) {
            Placed::Ended
        } else if bought.saturating_add(order.units()) > state.limit {
            Placed::LimitReached
        } else if order
            .lines
            .iter()
            .any(|line| state.free.get(&line.item).is_none_or(|n| *n < i64::from(line.quantity)))
        {
            Placed::OutOfStock
        } else {
            *bought = bought.saturating_add(order.units());
            for line in &order.lines {
                if let Some(free) = state.free.get_mut(&line.item) {
                    *free = free.saturating_sub(i64::from(line.quantity));
                }
            }
            by_id.insert(order.id, &order.request_hash);
            by_pass.insert(order.pass, order.id);
            placed
        };
        answers.push(answer);
    }
    answers
}

/// Locks the wanted items and tells how many units of each are free.
async fn lock_items(
    database: &Database,
    tx: &mut Tx,
    line: &LineKey,
    orders: &[NewOrder],
) -> Result<HashMap<ItemId, i64>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT id, total - held - sold FROM items WHERE sale = $1 \
                   AND id IN (SELECT json_array_elements_text($2::json)) ORDER BY id FOR UPDATE",
        sqlite: "SELECT id, total - held - sold FROM items WHERE sale = $1 \
                 AND id IN (SELECT value FROM json_each($2)) ORDER BY id",
    };
    let wanted: BTreeSet<_> = orders.iter().flat_map(|order| &order.lines).map(|line| line.item.as_str()).collect();
    let found =
        sqlx::query(database.sql(LOCK)).bind(line.sale.as_str()).bind(list(wanted)).fetch_all(&mut **tx).await?;
    found
        .iter()
        .map(|row| Ok((row.try_get::<&str, _>(0)?.parse().map_err(|_| bad("item"))?, row.try_get(1)?)))
        .collect()
}

/// The limit per buyer and the seconds of a hold; `None` when the sale is in another epoch. Read after the items are
/// locked: whoever raises the epoch locks them too, so it cannot rise before this transaction ends.
async fn terms(tx: &mut Tx, line: &LineKey) -> Result<Option<(i64, i64)>, StoreError> {
    let row = sqlx::query("SELECT per_buyer_limit, hold_seconds FROM sales WHERE id = $1 AND epoch = $2")
        .bind(line.sale.as_str())
        .bind(line.epoch)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

async fn known(database: &Database, tx: &mut Tx, orders: &[NewOrder]) -> Result<Known, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT id, pass, request_hash FROM orders WHERE id IN (SELECT json_array_elements_text($1::json)) \
                   UNION ALL \
                   SELECT id, pass, request_hash FROM orders WHERE pass IN (SELECT json_array_elements_text($2::json)) \
                   UNION ALL \
                   SELECT h.id, '', '' FROM holds h WHERE h.id IN (SELECT json_array_elements_text($1::json)) \
                   AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = h.order_id)",
        sqlite: "SELECT id, pass, request_hash FROM orders WHERE id IN (SELECT value FROM json_each($1)) \
                 UNION ALL \
                 SELECT id, pass, request_hash FROM orders WHERE pass IN (SELECT value FROM json_each($2)) \
                 UNION ALL \
                 SELECT h.id, '', '' FROM holds h WHERE h.id IN (SELECT value FROM json_each($1)) \
                 AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = h.order_id)",
    };
    let found = sqlx::query(database.sql(READ))
        .bind(list(orders.iter().map(|order| order.id)))
        .bind(list(orders.iter().map(|order| order.pass)))
        .fetch_all(&mut **tx)
        .await?;
    let mut known = Known::default();
    for row in &found {
        let id = order_id(row.try_get(0)?)?;
        match PassId::parse(row.try_get(1)?) {
            Some(pass) => {
                known.by_id.insert(id, row.try_get(2)?);
                known.by_pass.insert(pass, id);
            }
            None => {
                known.freed.insert(id);
            }
        }
    }
    Ok(known)
}

async fn lock_buyers(
    database: &Database,
    tx: &mut Tx,
    line: &LineKey,
    orders: &[NewOrder],
) -> Result<HashMap<BuyerId, i64>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT buyer, units FROM buyers WHERE sale = $1 \
                   AND buyer IN (SELECT json_array_elements_text($2::json)) ORDER BY buyer FOR UPDATE",
        sqlite: "SELECT buyer, units FROM buyers WHERE sale = $1 AND buyer IN (SELECT value FROM json_each($2))",
    };
    let found = sqlx::query(database.sql(LOCK))
        .bind(line.sale.as_str())
        .bind(list(orders.iter().map(|order| order.buyer)))
        .fetch_all(&mut **tx)
        .await?;
    found
        .iter()
        .map(|row| Ok((BuyerId::parse(row.try_get(0)?).ok_or_else(|| bad("buyer"))?, row.try_get(1)?)))
        .collect()
}

/// Counts the units against each buyer's limit; false when one of them has too many by now.
async fn count_buyers(
    database: &Database,
    tx: &mut Tx,
    line: &LineKey,
    accepted: &[&NewOrder],
    limit: i64,
) -> Result<bool, StoreError> {
    const COUNT: Sql = Sql {
        postgres: "INSERT INTO buyers (sale, buyer, units) SELECT $1, r.buyer, r.units \
                   FROM json_to_recordset($2::json) AS r(buyer text, units bigint) \
                   WHERE r.units <= $3 ORDER BY r.buyer \
                   ON CONFLICT (sale, buyer) DO UPDATE SET units = buyers.units + excluded.units \
                   WHERE buyers.units + excluded.units <= $3",
        sqlite: "INSERT INTO buyers (sale, buyer, units) SELECT $1, value ->> 'buyer', value ->> 'units' \
                 FROM json_each($2) WHERE value ->> 'units' <= $3 \
                 ON CONFLICT (sale, buyer) DO UPDATE SET units = buyers.units + excluded.units \
                 WHERE buyers.units + excluded.units <= $3",
    };
    let mut units: BTreeMap<BuyerId, i64> = BTreeMap::new();
    for order in accepted {
        *units.entry(order.buyer).or_default() += order.units();
    }
    let asked: Vec<Value> =
        units.iter().map(|(buyer, units)| json!({"buyer": buyer.to_string(), "units": units})).collect();
    let counted = sqlx::query(database.sql(COUNT))
        .bind(line.sale.as_str())
        .bind(rows(&asked))
        .bind(limit)
        .execute(&mut **tx)
        .await?;
    Ok(counted.rows_affected() == units.len() as u64)
}

/// Holds the units of each item; false when one has too few.
async fn count_items(
    database: &Database,
    tx: &mut Tx,
    line: &LineKey,
    accepted: &[&NewOrder],
) -> Result<bool, StoreError> {
    const COUNT: Sql = Sql {
        postgres: "UPDATE items SET held = held + r.units FROM json_to_recordset($2::json) AS r(item text, units bigint) \
                   WHERE items.sale = $1 AND items.id = r.item AND items.held + items.sold + r.units <= items.total",
        sqlite: "UPDATE items SET held = held + r.units \
                 FROM (SELECT value ->> 'item' AS item, value ->> 'units' AS units FROM json_each($2)) AS r \
                 WHERE items.sale = $1 AND items.id = r.item AND items.held + items.sold + r.units <= items.total",
    };
    let mut units: BTreeMap<&ItemId, i64> = BTreeMap::new();
    for line in accepted.iter().flat_map(|order| &order.lines) {
        *units.entry(&line.item).or_default() += i64::from(line.quantity);
    }
    let asked: Vec<Value> = units.iter().map(|(item, units)| json!({"item": item, "units": units})).collect();
    let counted =
        sqlx::query(database.sql(COUNT)).bind(line.sale.as_str()).bind(rows(&asked)).execute(&mut **tx).await?;
    Ok(counted.rows_affected() == units.len() as u64)
}

/// Writes orders, lines, holds and the first step of their histories; false when an id or a pass is taken after all.
async fn insert(
    database: &Database,
    tx: &mut Tx,
    line: &LineKey,
    accepted: &[&NewOrder],
    (now, deadline): (Timestamp, Timestamp),
) -> Result<bool, StoreError> {
    const ORDERS: Sql = Sql {
        postgres: "INSERT INTO orders (id, sale, pass, number, buyer, state, request_hash, amount, currency, locale, \
                     contact, trace, created_at, changed_at) \
                   SELECT r.id, $1, r.pass, r.number, r.buyer, $3, r.hash, r.amount, r.currency, r.locale, \
                     decode(r.contact, 'hex'), r.trace, $4, $4 \
                   FROM json_to_recordset($2::json) AS r(id text, pass text, number bigint, buyer text, hash text, \
                     amount bigint, currency text, locale text, contact text, trace text) ORDER BY r.id \
                   ON CONFLICT DO NOTHING",
        sqlite: "INSERT INTO orders (id, sale, pass, number, buyer, state, request_hash, amount, currency, locale, \
                   contact, trace, created_at, changed_at) \
                 SELECT value ->> 'id', $1, value ->> 'pass', value ->> 'number', value ->> 'buyer', $3, \
                   value ->> 'hash', value ->> 'amount', value ->> 'currency', value ->> 'locale', \
                   unhex(value ->> 'contact'), value ->> 'trace', $4, $4 FROM json_each($2) WHERE true \
                 ON CONFLICT DO NOTHING",
    };
    const LINES: Sql = Sql {
        postgres: "INSERT INTO order_lines (order_id, sale, item, quantity, amount) \
                   SELECT r.order_id, $1, r.item, r.quantity, r.amount \
                   FROM json_to_recordset($2::json) AS r(order_id text, item text, quantity bigint, amount bigint)",
        sqlite: "INSERT INTO order_lines (order_id, sale, item, quantity, amount) \
                 SELECT value ->> 'order_id', $1, value ->> 'item', value ->> 'quantity', value ->> 'amount' \
                 FROM json_each($2)",
    };
    const HOLDS: Sql = Sql {
        postgres: "INSERT INTO holds (id, order_id, sale, buyer, state, deadline, created_at) \
                   SELECT r.id, r.id, $1, r.buyer, $3, $5, $4 \
                   FROM json_to_recordset($2::json) AS r(id text, buyer text) ORDER BY r.id ON CONFLICT DO NOTHING",
        sqlite: "INSERT INTO holds (id, order_id, sale, buyer, state, deadline, created_at) \
                 SELECT value ->> 'id', value ->> 'id', $1, value ->> 'buyer', $3, $5, $4 FROM json_each($2) \
                 WHERE true ON CONFLICT DO NOTHING",
    };
    const HISTORY: Sql = Sql {
        postgres: "INSERT INTO order_history (order_id, nth, state, at) \
                   SELECT r.id, 1, $2, $3 FROM json_to_recordset($1::json) AS r(id text)",
        sqlite: "INSERT INTO order_history (order_id, nth, state, at) \
                 SELECT value ->> 'id', 1, $2, $3 FROM json_each($1)",
    };
    let order_rows = rows(&accepted.iter().map(|order| order_row(order)).collect::<Vec<_>>());
    let inserted = sqlx::query(database.sql(ORDERS))
        .bind(line.sale.as_str())
        .bind(order_rows.as_str())
        .bind(OrderState::PendingPayment.as_str())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    if inserted.rows_affected() != accepted.len() as u64 {
        return Ok(false);
    }
    let line_rows: Vec<_> = accepted.iter().flat_map(|order| line_rows(order)).collect();
    sqlx::query(database.sql(LINES)).bind(line.sale.as_str()).bind(rows(&line_rows)).execute(&mut **tx).await?;
    let held = sqlx::query(database.sql(HOLDS))
        .bind(line.sale.as_str())
        .bind(order_rows.as_str())
        .bind(HoldState::Held.as_str())
        .bind(now.as_millis())
        .bind(deadline.as_millis())
        .execute(&mut **tx)
        .await?;
    sqlx::query(database.sql(HISTORY))
        .bind(order_rows.as_str())
        .bind(OrderState::PendingPayment.as_str())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(held.rows_affected() == accepted.len() as u64)
}

fn order_row(order: &NewOrder) -> Value {
    json!({
        "id": order.id, "pass": order.pass, "number": order.number, "buyer": order.buyer.to_string(),
        "hash": order.request_hash, "amount": order.amount(), "currency": order.currency,
        "locale": order.locale.tag(), "contact": order.contact.as_deref().map(hex), "trace": order.trace,
    })
}

fn line_rows(order: &NewOrder) -> impl Iterator<Item = Value> + '_ {
    order
        .lines
        .iter()
        .map(|line| json!({"order_id": order.id, "item": line.item, "quantity": line.quantity, "amount": line.amount}))
}

/// JSON has no bytes: they travel as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(n: u8, pass: u8, buyer: u8, quantity: u32) -> NewOrder {
        NewOrder {
            id: OrderId::derive(Timestamp::from_millis(1), &[&[n]]),
            pass: PassId::derive(Timestamp::from_millis(1), &[&[pass]]),
            number: u64::from(n),
            buyer: BuyerId::from_bytes([buyer; 16]),
            lines: vec![PricedLine { item: "pair".parse().unwrap(), quantity, amount: 5 }],
            currency: Currency::parse("KRW").unwrap(),
            request_hash: quantity.to_string(),
            locale: Language::Ko,
            contact: None,
            trace: String::new(),
        }
    }

    #[test]
    fn a_batch_is_decided_as_if_its_orders_came_one_by_one() {
        let placed = Placed::Placed { at: Timestamp::from_millis(1), hold_until: Timestamp::from_millis(2) };
        let state =
            |free| State { free: HashMap::from([("pair".parse().unwrap(), free)]), bought: HashMap::new(), limit: 2 };
        let (first, other_key, same_buyer) = (order(1, 1, 1, 1), order(2, 1, 1, 1), order(3, 3, 1, 2));
        let reused = NewOrder { request_hash: "other".to_owned(), ..first.clone() };
        let asks = [first.clone(), first.clone(), reused, other_key, same_buyer, order(4, 4, 4, 2), order(5, 5, 5, 1)];
        assert_eq!(
            decide(&asks, &Known::default(), state(2), placed),
            [
                placed,
                Placed::Existing,
                Placed::KeyReused,
                Placed::PassUsed { order: first.id },
                Placed::LimitReached,
                Placed::OutOfStock,
                placed,
            ]
        );
        let freed = Known { freed: HashSet::from([first.id]), ..Known::default() };
        assert_eq!(decide(&[first], &freed, state(2), placed), [Placed::Ended]);
    }
}
