//! The decision of a placement, from what was read under locks.

use std::collections::{HashMap, HashSet};

use sale::{BuyerId, ItemId, OrderId, PassId, Timestamp};

use super::new_order::NewOrder;

/// The outcome of placing an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceOutcome {
    /// Placed at `at`, with its units held until `hold_until`.
    Placed {
        at: Timestamp,
        hold_until: Timestamp,
    },
    /// Placed earlier by the same request.
    Existing,
    /// The same key was used by another request.
    KeyReused,
    /// The pass was used for this other order.
    PassUsed {
        order: OrderId,
    },
    /// The gate that reserved the units is of an earlier epoch.
    EpochMoved,
    OutOfStock,
    LimitReached,
    /// The hold was freed in the gate before it was placed; this id must never be placed.
    Ended,
}

/// Terms of the sale that every order of it is placed under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Units that one buyer may have.
    pub(super) limit: i64,
    pub(super) hold_seconds: i64,
}

impl Terms {
    pub(super) const fn hold_until(self, now: Timestamp) -> Timestamp {
        now.plus_seconds(self.hold_seconds)
    }

    pub(super) const fn placed(self, now: Timestamp) -> PlaceOutcome {
        PlaceOutcome::Placed { at: now, hold_until: self.hold_until(now) }
    }
}

/// Orders that exist already, and holds that must never be placed.
#[derive(Debug, Default)]
pub(super) struct Existing {
    /// The hashes of the requests that placed them.
    pub(super) by_id: HashMap<OrderId, String>,
    pub(super) by_pass: HashMap<PassId, OrderId>,
    pub(super) never_placed: HashSet<OrderId>,
}

/// The units that can still be bought.
#[derive(Debug)]
pub(super) struct Availability {
    /// Free units of each item.
    pub(super) free: HashMap<ItemId, i64>,
    /// Units that each buyer holds or has bought.
    pub(super) bought: HashMap<BuyerId, i64>,
    /// Units that one buyer may have.
    pub(super) limit: i64,
}

/// Decides on a batch in its order, as if each order came alone. `placed` is the outcome of those that can be placed.
pub(super) fn decide(
    orders: &[NewOrder],
    existing: &Existing,
    mut available: Availability,
    placed: PlaceOutcome,
) -> Vec<PlaceOutcome> {
    let mut by_id: HashMap<OrderId, &str> = existing.by_id.iter().map(|(id, hash)| (*id, hash.as_str())).collect();
    let mut by_pass = existing.by_pass.clone();
    let mut outcomes = Vec::with_capacity(orders.len());
    for order in orders {
        let bought = available.bought.entry(order.buyer).or_default();
        let outcome = if let Some(hash) = by_id.get(&order.id) {
            if *hash == order.request_hash { PlaceOutcome::Existing } else { PlaceOutcome::KeyReused }
        } else if let Some(other) = by_pass.get(&order.pass) {
            PlaceOutcome::PassUsed { order: *other }
        } else if existing.never_placed.contains(&order.id) {
            PlaceOutcome::Ended
        } else if bought.saturating_add(order.units()) > available.limit {
            PlaceOutcome::LimitReached
        } else if order
            .lines
            .iter()
            .any(|line| available.free.get(&line.item).is_none_or(|free| *free < i64::from(line.quantity)))
        {
            PlaceOutcome::OutOfStock
        } else {
            *bought = bought.saturating_add(order.units());
            for line in &order.lines {
                if let Some(free) = available.free.get_mut(&line.item) {
                    *free = free.saturating_sub(i64::from(line.quantity));
                }
            }
            by_id.insert(order.id, &order.request_hash);
            by_pass.insert(order.pass, order.id);
            placed
        };
        outcomes.push(outcome);
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use sale::{Currency, Language, Text};

    use super::*;
    use crate::database::place::PricedLine;

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
        let available = |free| Availability {
            free: HashMap::from([("pair".parse().unwrap(), free)]),
            bought: HashMap::new(),
            limit: 2,
        };
        let (first, other_key, same_buyer) = (order(1, 1, 1, 1), order(2, 1, 1, 1), order(3, 3, 1, 2));
        let reused = NewOrder { request_hash: "other".to_owned(), ..first.clone() };
        let orders =
            [first.clone(), first.clone(), reused, other_key, same_buyer, order(4, 4, 4, 2), order(5, 5, 5, 1)];
        assert_eq!(
            decide(&orders, &Existing::default(), available(2), placed),
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
        let marked = Existing { never_placed: HashSet::from([first.id]), ..Existing::default() };
        assert_eq!(decide(&[first], &marked, available(2), placed), [PlaceOutcome::Ended]);
    }
}
