//! Placing orders: the group commit in which the database decides who gets units.
//!
//! One transaction with a constant number of statements places a whole batch. Its writes are guarded: a write that would
//! break a rule is refused, and the transaction is rolled back.
//!
//! 1. The gate has reserved the units before, so usually every order can be placed: they are written without reading what
//!    exists.
//! 2. When a guard refuses that, the items are locked in order and what exists is read, so that free units are known exactly
//!    and the decision is a pure function.
//! 3. When a guard refuses even then, because a concurrent transaction was faster on a buyer or a pass, the orders are placed
//!    one by one, so that only those in conflict are refused.

mod decide;
mod new_order;
mod read;
mod write;

pub use self::{
    decide::PlaceOutcome,
    new_order::{NewOrder, PricedLine},
};
use self::{
    decide::{Availability, decide},
    read::{existing, is_current, lock_buyers, lock_items},
    write::write,
};
use super::Database;
use crate::{StoreError, queue_store::QueueKey};

/// How often an order that is placed alone may lose a race before the request fails.
const ATTEMPTS: usize = 3;

/// Places orders of one sale, whose units the gate has reserved in the epoch of `key`.
pub async fn place(database: &Database, key: &QueueKey, orders: &[NewOrder]) -> Result<Vec<PlaceOutcome>, StoreError> {
    if let Some(placed) = place_unchecked(database, key, orders).await? {
        return Ok(vec![placed; orders.len()]);
    }
    if let Some(outcomes) = place_checked(database, key, orders).await? {
        return Ok(outcomes);
    }
    let mut outcomes = Vec::with_capacity(orders.len());
    for order in orders {
        outcomes.push(place_one(database, key, order).await?);
    }
    Ok(outcomes)
}

async fn place_one(database: &Database, key: &QueueKey, order: &NewOrder) -> Result<PlaceOutcome, StoreError> {
    for _ in 0..ATTEMPTS {
        if let Some(outcomes) = place_checked(database, key, std::slice::from_ref(order)).await? {
            return outcomes
                .first()
                .copied()
                .ok_or_else(|| StoreError::unexpected("database", "an order without an outcome"));
        }
    }
    Err(StoreError::unexpected("database", "an order that lost every race"))
}

/// Places all of them without reading what exists, because the gate has counted them. Returns `None` when a guard refused a
/// write, and nothing is kept.
async fn place_unchecked(
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

/// Reads what exists and places the orders that can be placed. Returns `None` when a guard refused a write even then, and
/// nothing is kept.
async fn place_checked(
    database: &Database,
    key: &QueueKey,
    orders: &[NewOrder],
) -> Result<Option<Vec<PlaceOutcome>>, StoreError> {
    let mut tx = database.begin().await?;
    let Some((free, terms)) = lock_items(database, &mut tx, key, orders).await? else {
        return Ok(Some(vec![PlaceOutcome::OutOfStock; orders.len()]));
    };
    if !is_current(&mut tx, key).await? {
        return Ok(Some(vec![PlaceOutcome::EpochMoved; orders.len()]));
    }
    let existing = existing(database, &mut tx, orders).await?;
    let bought = lock_buyers(database, &mut tx, key, orders).await?;
    let now = database.now();
    let placed = terms.placed(now);
    let outcomes = decide(orders, &existing, Availability { free, bought, limit: terms.limit }, placed);
    let accepted: Vec<_> =
        orders.iter().zip(&outcomes).filter_map(|(order, outcome)| (*outcome == placed).then_some(order)).collect();
    if accepted.is_empty() {
        return Ok(Some(outcomes));
    }
    if !write(database, &mut tx, key, &accepted, (terms, now)).await? {
        return Ok(None);
    }
    database.commit(tx).await?;
    Ok(Some(outcomes))
}
