//! Reservations that travel together: one look at the sale, one script, one transaction.

use std::{collections::HashMap, sync::Arc};

use futures::future::join_all;
use sale::{HoldId, OrderId, Pass, SaleId, sale::Place};
use stores::{
    StoreError,
    database::{
        Database, holds,
        orders::{self, Order},
        passes,
        place::{self, NewOrder, Placed},
        sales::{self, StockedSale},
    },
    failpoint::{self, Point},
    gate::{End, Ending, Take, Taken},
    line::Line,
    queue::LineKey,
};

use super::{
    UnderWay,
    request::{Wanted, check},
};
use crate::Refusal;

/// One reservation on its way.
pub(super) struct Ask {
    pub(super) under_way: UnderWay,
    pub(super) wanted: Wanted,
    pub(super) contact: Option<Vec<u8>>,
    pub(super) pass: Pass,
    pub(super) trace: String,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The order, and whether this request placed it.
    Order(Box<Order>, bool),
    Refused(Refusal),
    /// The order's id was marked as never to be placed: ask with the next one.
    Marked,
}

/// Where one reservation of a batch stands.
enum Stand {
    /// The gate took the units of this order.
    Taken(NewOrder),
    Placed(Box<Order>),
    Refused(Refusal),
    Marked,
}

pub(super) struct Together {
    pub(super) database: Database,
    pub(super) line: Arc<dyn Line>,
}

impl Together {
    /// Answers a batch in its order. Sales do not wait for each other.
    pub(super) async fn carry_out(&self, asks: Vec<Ask>) -> Vec<Answer> {
        let mut of_sale: HashMap<SaleId, Vec<usize>> = HashMap::new();
        for (at, ask) in asks.iter().enumerate() {
            of_sale.entry(ask.pass.sale.clone()).or_default().push(at);
        }
        let all = of_sale.iter().map(|(sale, places)| {
            let asks: Vec<_> = places.iter().map(|at| &asks[*at]).collect();
            async move { (places, self.in_sale(sale, &asks).await) }
        });
        let mut answers = vec![Answer::Refused(Refusal::StoreUnavailable); asks.len()];
        for (places, found) in join_all(all).await {
            for (at, answer) in places.iter().zip(found) {
                answers[*at] = answer;
            }
        }
        answers
    }

    async fn in_sale(&self, id: &SaleId, asks: &[&Ask]) -> Vec<Answer> {
        let stands = match sales::load(&self.database, id).await {
            Ok(Some(sale)) => self.take_and_place(&sale, asks).await,
            Ok(None) => Ok(asks.iter().map(|_| Stand::Refused(Refusal::SaleNotFound)).collect()),
            Err(trouble) => Err(trouble),
        };
        let stands = stands.unwrap_or_else(|trouble| {
            let refusal = Refusal::from(trouble);
            asks.iter().map(|_| Stand::Refused(refusal.clone())).collect()
        });
        // What this batch placed is known; everything else is as the database has it.
        let others = asks.iter().zip(&stands).filter(|(_, stand)| !matches!(stand, Stand::Placed(_)));
        match self.orders_of(others.map(|(ask, _)| ask.under_way.id).collect()).await {
            Ok(orders) => asks.iter().zip(stands).map(|(ask, stand)| answer(ask, stand, &orders)).collect(),
            Err(trouble) => {
                let refusal = Refusal::from(trouble);
                asks.iter().map(|_| Answer::Refused(refusal.clone())).collect()
            }
        }
    }

    async fn orders_of(&self, ids: Vec<OrderId>) -> Result<HashMap<OrderId, Order>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(orders::read(&self.database, &ids).await?.into_iter().map(|order| (order.id, order)).collect())
    }

    async fn take_and_place(&self, sale: &StockedSale, asks: &[&Ask]) -> Result<Vec<Stand>, StoreError> {
        let now = self.database.now();
        let line = LineKey { sale: sale.sale.id.clone(), epoch: sale.sale.epoch };
        let mut known: Vec<_> = asks.iter().map(|ask| ask.pass.clone()).collect();
        passes::renew(&self.database, &mut known, now).await?;
        let mut stands: Vec<_> = asks
            .iter()
            .zip(&known)
            .map(|(ask, pass)| match check(sale, pass, &ask.wanted, now) {
                Ok((lines, currency)) => Stand::Taken(NewOrder {
                    id: ask.under_way.id,
                    pass: ask.pass.id,
                    number: ask.pass.number,
                    buyer: ask.pass.buyer,
                    lines,
                    currency,
                    request_hash: ask.wanted.hash(),
                    locale: ask.wanted.locale,
                    contact: ask.contact.clone(),
                    trace: ask.trace.clone(),
                }),
                Err(refusal) => Stand::Refused(refusal),
            })
            .collect();
        self.take(&line, sale.sale.per_buyer_limit, &mut stands).await?;
        self.place(&line, &mut stands).await?;
        Ok(stands)
    }

    /// Asks the gate for the units of everything that is left.
    async fn take(&self, line: &LineKey, limit: u32, stands: &mut [Stand]) -> Result<(), StoreError> {
        let takes: Vec<_> = taken(stands).map(|order| take_of(order, limit)).collect();
        if takes.is_empty() {
            return Ok(());
        }
        let mut answers = self.line.take(line, &takes, self.database.now()).await?.into_iter();
        for stand in stands.iter_mut().filter(|stand| matches!(stand, Stand::Taken(_))) {
            match answers.next() {
                Some(Taken::Taken) => {}
                Some(Taken::Ended) => *stand = Stand::Marked,
                Some(Taken::PassUsed { hold }) => {
                    *stand = Stand::Refused(Refusal::PassUsed { order: hold.map(|hold| hold.order) });
                }
                Some(Taken::SoldOut) => *stand = Stand::Refused(Refusal::SoldOut),
                Some(Taken::LimitReached) => *stand = Stand::Refused(Refusal::LimitReached),
                None => return Err(StoreError::unexpected("queue store", "fewer answers than asks")),
            }
        }
        Ok(())
    }

    /// Places what the gate took. What the database refuses for good goes back.
    async fn place(&self, line: &LineKey, stands: &mut [Stand]) -> Result<(), StoreError> {
        let orders: Vec<_> = taken(stands).cloned().collect();
        if orders.is_empty() {
            return Ok(());
        }
        failpoint::reached(Point::UnitsTaken);
        let answers = place::place(&self.database, line, &orders).await?;
        failpoint::reached(Point::OrderCommitted);
        let mut back = Vec::new();
        let left = stands.iter_mut().filter(|stand| matches!(stand, Stand::Taken(_)));
        for ((stand, order), placed) in left.zip(&orders).zip(answers) {
            let hold = HoldId::of(order.id);
            *stand = match placed {
                Placed::Placed { at, hold_until } => {
                    Stand::Placed(Box::new(order.clone().placed(&line.sale, at, hold_until)))
                }
                // The answer comes from the order that is there.
                Placed::Existing | Placed::KeyReused => Stand::Marked,
                Placed::PassUsed { order } => {
                    back.push(End { hold, ending: Ending::Released });
                    Stand::Refused(Refusal::PassUsed { order: Some(order) })
                }
                Placed::OutOfStock => {
                    back.push(End { hold, ending: Ending::NeverPlaced });
                    Stand::Refused(Refusal::SoldOut)
                }
                Placed::LimitReached => {
                    back.push(End { hold, ending: Ending::NeverPlaced });
                    Stand::Refused(Refusal::LimitReached)
                }
                Placed::Ended => {
                    back.push(End { hold, ending: Ending::NeverPlaced });
                    Stand::Marked
                }
                // What was taken in a life that is over is nowhere any more.
                Placed::EpochMoved => Stand::Refused(Refusal::StoreUnavailable),
            };
        }
        if let Err(trouble) = self.give_back(line, &back).await {
            tracing::info!(sale = %line.sale, "units of refused orders are left to the reconciler: {trouble}");
        }
        Ok(())
    }

    /// Gives the units of refused orders back, those first marked as never to be placed. One that cannot be marked was
    /// placed by the same request in another process meanwhile.
    async fn give_back(&self, line: &LineKey, back: &[End]) -> Result<(), StoreError> {
        if back.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = back.iter().map(|end| end.hold).collect();
        let marked = holds::bury(&self.database, &line.sale, &ids, self.database.now()).await?;
        let ends: Vec<_> = back.iter().filter(|end| marked.contains(&end.hold)).copied().collect();
        self.line.end(line, &ends).await
    }
}

fn taken(stands: &[Stand]) -> impl Iterator<Item = &NewOrder> {
    stands.iter().filter_map(|stand| if let Stand::Taken(order) = stand { Some(order) } else { None })
}

fn take_of(order: &NewOrder, limit: u32) -> Take {
    let lines = order.lines.iter();
    Take {
        hold: HoldId::of(order.id),
        place: Place { buyer: order.buyer, number: order.number },
        lines: lines.map(|line| sale::sale::Line { item: line.item.clone(), quantity: line.quantity }).collect(),
        limit,
    }
}

/// An order that is there answers for itself, whatever was said on the way: a retry finds it even when the sale has
/// closed or a store is away.
fn answer(ask: &Ask, stand: Stand, orders: &HashMap<OrderId, Order>) -> Answer {
    match (orders.get(&ask.under_way.id), stand) {
        (_, Stand::Placed(order)) => Answer::Order(order, true),
        (Some(order), _) if order.request_hash != ask.wanted.hash() => Answer::Refused(Refusal::KeyReused),
        (Some(order), _) => Answer::Order(Box::new(order.clone()), false),
        (None, Stand::Refused(refusal)) => Answer::Refused(refusal),
        (None, Stand::Marked) => Answer::Marked,
        (None, Stand::Taken(_)) => Answer::Refused(Refusal::StoreUnavailable),
    }
}
