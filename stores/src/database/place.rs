//! Placing orders: the group commit in which the database decides who gets units.
//!
//! One transaction with a constant number of statements for the whole batch, whose writes are guarded: what must not be
//! is not written, and then nothing of the transaction is kept. The gate was asked before, so usually all orders can be
//! placed and no guard speaks: they are written without a look at what is there. When one speaks, the batch is looked at.
//! The items' rows are locked first and in order, so what is free is known exactly and the decision is a pure function.
//! When a guard speaks even then (somebody else was faster on a buyer or a pass), the orders are placed one by one, so
//! that only the ones concerned are refused.

mod write;

use std::collections::{BTreeSet, HashMap, HashSet};

use sale::{
    BuyerId, Currency, HoldState, ItemId, Language, Money, OrderId, OrderState, PassId, SaleId, Text, Timestamp,
    ids::PurchaseId,
    order::{Fulfilment, LineKind},
};
use sqlx::Row as _;

use self::write::write;
use super::{
    Database, Sql, Tx,
    orders::{Held, Order, OrderLine, Step},
    parameters,
    row::{corrupt_row, order_id},
};
use crate::{StoreError, queue_store::QueueKey};

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

/// Units of one item, by the name and at the price that count for this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedLine {
    pub item: ItemId,
    pub name: Text,
    pub quantity: u32,
    /// Minor units for one.
    pub unit_amount: i64,
}

impl NewOrder {
    /// The order as its rows say it once it was placed.
    pub fn placed(self, sale: &SaleId, at: Timestamp, hold_until: Timestamp) -> Order {
        let total = Money { amount: self.amount(), currency: self.currency };
        Order {
            id: self.id,
            purchase: PurchaseId::of(self.id),
            sale: sale.clone(),
            pass: Some(self.pass),
            number: Some(self.number),
            buyer: self.buyer,
            state: OrderState::PendingPayment,
            fulfilment: Fulfilment::None,
            request_hash: self.request_hash,
            total,
            locale: self.locale,
            contact: self.contact,
            trace: self.trace,
            created_at: at,
            lines: self
                .lines
                .into_iter()
                .map(|line| OrderLine {
                    kind: LineKind::Item,
                    item: Some(line.item),
                    name: line.name,
                    quantity: line.quantity,
                    unit_amount: line.unit_amount,
                })
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
        let of = |line: &PricedLine| line.unit_amount.saturating_mul(i64::from(line.quantity));
        self.lines.iter().map(of).fold(0, i64::saturating_add)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceOutcome {
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

/// Places the orders of one sale whose units were taken in the epoch `key.epoch`.
pub async fn place(database: &Database, key: &QueueKey, orders: &[NewOrder]) -> Result<Vec<PlaceOutcome>, StoreError> {
    if let Some(placed) = place_as_taken(database, key, orders).await? {
        return Ok(vec![placed; orders.len()]);
    }
    if let Some(answers) = place_together(database, key, orders).await? {
        return Ok(answers);
    }
    let mut answers = Vec::with_capacity(orders.len());
    for order in orders {
        answers.push(place_alone(database, key, order).await?);
    }
    Ok(answers)
}

async fn place_alone(database: &Database, key: &QueueKey, order: &NewOrder) -> Result<PlaceOutcome, StoreError> {
    for _ in 0..TRIES_ALONE {
        if let Some(answers) = place_together(database, key, std::slice::from_ref(order)).await? {
            return answers.first().copied().ok_or_else(|| corrupt_row("count of answers"));
        }
    }
    Err(StoreError::unexpected("database", "an order that lost every race"))
}

/// Places all of them, as the gate said; `None` when a guard refused a write and nothing was kept.
async fn place_as_taken(
    database: &Database,
    key: &QueueKey,
    orders: &[NewOrder],
) -> Result<Option<PlaceOutcome>, StoreError> {
    let mut tx = database.begin().await?;
    let Some((_, terms)) = lock_items(database, &mut tx, key, orders).await? else { return Ok(None) };
    let now = database.now();
    let all: Vec<_> = orders.iter().collect();
    if !write(database, &mut tx, key, &all, (terms, now)).await? {
        return Ok(None);
    }
    database.commit(tx).await?;
    Ok(Some(terms.placed(now)))
}

/// Looks first and places what can be placed; `None` when a guard refused a write and nothing was kept.
async fn place_together(
    database: &Database,
    key: &QueueKey,
    orders: &[NewOrder],
) -> Result<Option<Vec<PlaceOutcome>>, StoreError> {
    let mut tx = database.begin().await?;
    let Some((free, terms)) = lock_items(database, &mut tx, key, orders).await? else {
        return Ok(Some(vec![PlaceOutcome::OutOfStock; orders.len()]));
    };
    if !is_alive(&mut tx, key).await? {
        return Ok(Some(vec![PlaceOutcome::EpochMoved; orders.len()]));
    }
    let known = known(database, &mut tx, orders).await?;
    let bought = lock_buyers(database, &mut tx, key, orders).await?;
    let now = database.now();
    let placed = terms.placed(now);
    let answers = decide(orders, &known, State { free, bought, limit: terms.limit }, placed);
    let accepted: Vec<_> =
        orders.iter().zip(&answers).filter_map(|(order, answer)| (*answer == placed).then_some(order)).collect();
    if accepted.is_empty() {
        return Ok(Some(answers));
    }
    if !write(database, &mut tx, key, &accepted, (terms, now)).await? {
        return Ok(None);
    }
    database.commit(tx).await?;
    Ok(Some(answers))
}

/// What the sale says about every order of it.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// Units that one buyer may have.
    limit: i64,
    hold_seconds: i64,
}

impl Terms {
    const fn hold_until(self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.hold_seconds)
    }

    const fn placed(self, now: Timestamp) -> PlaceOutcome {
        PlaceOutcome::Placed { at: now, hold_until: self.hold_until(now) }
    }
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
fn decide(orders: &[NewOrder], known: &Known, mut state: State, placed: PlaceOutcome) -> Vec<PlaceOutcome> {
    let mut by_id: HashMap<OrderId, &str> = known.by_id.iter().map(|(id, hash)| (*id, hash.as_str())).collect();
    let mut by_pass = known.by_pass.clone();
    let mut answers = Vec::with_capacity(orders.len());
    for order in orders {
        let bought = state.bought.entry(order.buyer).or_default();
        let answer = if let Some(hash) = by_id.get(&order.id) {
            if *hash == order.request_hash { PlaceOutcome::Existing } else { PlaceOutcome::KeyReused }
        } else if let Some(other) = by_pass.get(&order.pass) {
            PlaceOutcome::PassUsed { order: *other }
        } else if known.freed.contains(&order.id) {
            PlaceOutcome::Ended
        } else if bought.saturating_add(order.units()) > state.limit {
            PlaceOutcome::LimitReached
        } else if order
            .lines
            .iter()
            .any(|line| state.free.get(&line.item).is_none_or(|n| *n < i64::from(line.quantity)))
        {
            PlaceOutcome::OutOfStock
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

/// Locks the wanted items and tells how many units of each are free, and the terms of the sale; `None` when it has none
/// of them.
async fn lock_items(
    database: &Database,
    tx: &mut Tx,
    key: &QueueKey,
    orders: &[NewOrder],
) -> Result<Option<(HashMap<ItemId, i64>, Terms)>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT i.id, i.total - i.held - i.sold, s.per_buyer_limit, s.hold_seconds \
                   FROM items i JOIN sales s ON s.id = i.sale WHERE i.sale = $1 \
                   AND i.id = ANY (ARRAY(SELECT json_array_elements_text($2::json))) ORDER BY i.id FOR UPDATE OF i",
        sqlite: "SELECT i.id, i.total - i.held - i.sold, s.per_buyer_limit, s.hold_seconds \
                 FROM items i JOIN sales s ON s.id = i.sale WHERE i.sale = $1 \
                 AND i.id IN (SELECT value FROM json_each($2)) ORDER BY i.id",
    };
    let wanted: BTreeSet<_> = orders.iter().flat_map(|order| &order.lines).map(|line| line.item.as_str()).collect();
    let found = sqlx::query(database.sql(LOCK))
        .bind(key.sale.as_str())
        .bind(parameters::list(wanted))
        .fetch_all(&mut **tx)
        .await?;
    let Some(first) = found.first() else { return Ok(None) };
    let terms = Terms { limit: first.try_get(2)?, hold_seconds: first.try_get(3)? };
    let free = found
        .iter()
        .map(|row| Ok((row.try_get::<&str, _>(0)?.parse().map_err(|_| corrupt_row("item"))?, row.try_get(1)?)))
        .collect::<Result<_, StoreError>>()?;
    Ok(Some((free, terms)))
}

/// Whether the sale is still in the epoch of the caller's gate. Read after the items are locked: whoever raises the epoch
/// locks them too, so it cannot rise before this transaction ends.
async fn is_alive(tx: &mut Tx, key: &QueueKey) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM sales WHERE id = $1 AND epoch = $2")
        .bind(key.sale.as_str())
        .bind(key.epoch)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

async fn known(database: &Database, tx: &mut Tx, orders: &[NewOrder]) -> Result<Known, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT id, pass, request_hash FROM orders WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
                   UNION ALL \
                   SELECT id, pass, request_hash FROM orders WHERE pass = ANY (ARRAY(SELECT json_array_elements_text($2::json))) \
                   UNION ALL \
                   SELECT order_id, '', '' FROM holds \
                   WHERE order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND n = 1 AND buyer = ''",
        sqlite: "SELECT id, pass, request_hash FROM orders WHERE id IN (SELECT value FROM json_each($1)) \
                 UNION ALL \
                 SELECT id, pass, request_hash FROM orders WHERE pass IN (SELECT value FROM json_each($2)) \
                 UNION ALL \
                 SELECT order_id, '', '' FROM holds \
                 WHERE order_id IN (SELECT value FROM json_each($1)) AND n = 1 AND buyer = ''",
    };
    let found = sqlx::query(database.sql(READ))
        .bind(parameters::list(orders.iter().map(|order| order.id)))
        .bind(parameters::list(orders.iter().map(|order| order.pass)))
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
    key: &QueueKey,
    orders: &[NewOrder],
) -> Result<HashMap<BuyerId, i64>, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT buyer, units FROM buyers WHERE sale = $1 \
                   AND buyer = ANY (ARRAY(SELECT json_array_elements_text($2::json))) ORDER BY buyer FOR UPDATE",
        sqlite: "SELECT buyer, units FROM buyers WHERE sale = $1 AND buyer IN (SELECT value FROM json_each($2))",
    };
    let found = sqlx::query(database.sql(LOCK))
        .bind(key.sale.as_str())
        .bind(parameters::list(orders.iter().map(|order| order.buyer)))
        .fetch_all(&mut **tx)
        .await?;
    found
        .iter()
        .map(|row| Ok((BuyerId::parse(row.try_get(0)?).ok_or_else(|| corrupt_row("buyer"))?, row.try_get(1)?)))
        .collect()
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
            lines: vec![PricedLine { item: "pair".parse().unwrap(), name: Text::default(), quantity, unit_amount: 5 }],
            currency: Currency::parse("KRW").unwrap(),
            request_hash: quantity.to_string(),
            locale: Language::Ko,
            contact: None,
            trace: String::new(),
        }
    }

    #[test]
    fn a_batch_is_decided_as_if_its_orders_came_one_by_one() {
        let placed = PlaceOutcome::Placed { at: Timestamp::from_millis(1), hold_until: Timestamp::from_millis(2) };
        let state =
            |free| State { free: HashMap::from([("pair".parse().unwrap(), free)]), bought: HashMap::new(), limit: 2 };
        let (first, other_key, same_buyer) = (order(1, 1, 1, 1), order(2, 1, 1, 1), order(3, 3, 1, 2));
        let reused = NewOrder { request_hash: "other".to_owned(), ..first.clone() };
        let asks = [first.clone(), first.clone(), reused, other_key, same_buyer, order(4, 4, 4, 2), order(5, 5, 5, 1)];
        assert_eq!(
            decide(&asks, &Known::default(), state(2), placed),
            [
                placed,
                PlaceOutcome::Existing,
                PlaceOutcome::KeyReused,
                PlaceOutcome::PassUsed { order: first.id },
                PlaceOutcome::LimitReached,
                PlaceOutcome::OutOfStock,
                placed,
            ]
        );
        let freed = Known { freed: HashSet::from([first.id]), ..Known::default() };
        assert_eq!(decide(&[first], &freed, state(2), placed), [PlaceOutcome::Ended]);
    }
}
