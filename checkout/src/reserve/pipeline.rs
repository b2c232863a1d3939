//! Reservations that travel together: to the gate with one look at the sale and one script, then into the database with
//! one transaction. While that is committed, the next ones go through the gate.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use futures::future::join_all;
use sale::{HoldId, OrderId, Pass, SaleId, sale::Place};
use stores::{
    StoreError,
    batch::{BatchError, Batcher},
    database::{
        Database, holds,
        orders::{self, Order},
        passes,
        place::{self, NewOrder, PlaceOutcome},
        sales,
    },
    failpoint::{self, Point},
    queue_store::{HoldEnd, HoldEnding, QueueKey, Reservation, ReservationOutcome, SaleQueueStore},
};
use tokio_util::task::TaskTracker;

use super::{
    MOST_UNDER_WAY,
    request::{ValidatedRequest, check},
};
use crate::CheckoutError;

/// One reservation on its way.
pub(super) struct Ask {
    pub(super) id: OrderId,
    pub(super) wanted: ValidatedRequest,
    pub(super) hash: String,
    pub(super) contact: Option<Vec<u8>>,
    pub(super) pass: Pass,
    pub(super) trace: String,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The order, and whether this request placed it.
    Order(Box<Order>, bool),
    Refused(CheckoutError),
    /// The order's id was marked as never to be placed: ask with the next one.
    Marked,
}

/// Where a reservation stands.
#[derive(Clone, Debug)]
enum ReserveStage {
    /// The gate took the units of this order, in this life.
    Taken(QueueKey, Box<NewOrder>),
    Placed(Box<Order>),
    Refused(CheckoutError),
    Marked,
}

impl From<StoreError> for ReserveStage {
    fn from(trouble: StoreError) -> Self {
        Self::Refused(CheckoutError::from(trouble))
    }
}

/// The steps of a reservation, each of which carries together what waits for it.
pub(super) struct ReservePipeline {
    take: Batcher<Ask, ReserveStage>,
    place: Batcher<(QueueKey, NewOrder), ReserveStage>,
    find: Batcher<OrderId, Option<Order>>,
}

impl ReservePipeline {
    pub(super) fn new(database: Database, queue: Arc<dyn SaleQueueStore>, tracker: &TaskTracker) -> Self {
        let stores = Arc::new(Stores { database: database.clone(), queue });
        let gate = Arc::clone(&stores);
        let take = Batcher::new("reserve_take", tracker, MOST_UNDER_WAY, move |asks: Vec<Ask>| {
            let gate = Arc::clone(&gate);
            Box::pin(async move {
                Ok(apart(asks, |ask| ask.pass.sale.clone(), |sale, asks| gate.take_in(sale, asks)).await)
            })
        });
        let place = Batcher::new("reserve_place", tracker, MOST_UNDER_WAY, move |taken: Vec<(QueueKey, NewOrder)>| {
            let stores = Arc::clone(&stores);
            Box::pin(async move {
                let key_of = |(key, _): &(QueueKey, NewOrder)| key.clone();
                Ok(apart(taken, key_of, |key, taken| {
                    stores.place_in(key, taken.into_iter().map(|(_, order)| order).collect())
                })
                .await)
            })
        });
        let find = Batcher::new("reserve_find", tracker, MOST_UNDER_WAY, move |ids: Vec<OrderId>| {
            let database = database.clone();
            Box::pin(async move {
                let found = orders::read(&database, &ids).await?;
                let found: HashMap<_, _> = found.into_iter().map(|order| (order.id, order)).collect();
                Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
            })
        });
        Self { take, place, find }
    }

    /// Carries one reservation through all steps. Once begun it must not be dropped: what the gate took is placed or given
    /// back here.
    pub(super) async fn carry_out(&self, ask: Ask) -> Result<Answer, BatchError> {
        let (id, hash) = (ask.id, ask.hash.clone());
        let stand = match self.take.submit(ask).await? {
            ReserveStage::Taken(key, order) => self.place.submit((key, *order)).await?,
            stand => stand,
        };
        // What was placed is known; everything else is as the database has it.
        match stand {
            ReserveStage::Placed(order) => Ok(Answer::Order(order, true)),
            stand => Ok(answer(self.find.submit(id).await?, stand, &hash)),
        }
    }
}

/// Answers a batch in its order, what has the same key together. The keys do not wait for each other.
async fn apart<Key: Eq + Hash, Ask, Answer, Answers: Future<Output = Vec<Answer>>>(
    asks: Vec<Ask>,
    key: impl Fn(&Ask) -> Key,
    run: impl Fn(Key, Vec<Ask>) -> Answers,
) -> Vec<Answer> {
    let mut alike: HashMap<Key, (Vec<usize>, Vec<Ask>)> = HashMap::new();
    for (at, ask) in asks.into_iter().enumerate() {
        let (places, asks) = alike.entry(key(&ask)).or_default();
        places.push(at);
        asks.push(ask);
    }
    let all = alike.into_iter().map(|(key, (places, asks))| {
        let answers = run(key, asks);
        async move { places.into_iter().zip(answers.await) }
    });
    let mut answers: Vec<_> = join_all(all).await.into_iter().flatten().collect();
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

struct Stores {
    database: Database,
    queue: Arc<dyn SaleQueueStore>,
}

impl Stores {
    async fn take_in(&self, sale: SaleId, asks: Vec<Ask>) -> Vec<ReserveStage> {
        let count = asks.len();
        self.take(&sale, asks).await.unwrap_or_else(|trouble| vec![ReserveStage::from(trouble); count])
    }

    /// Asks the gate for the units of everything that the sale allows.
    async fn take(&self, sale: &SaleId, asks: Vec<Ask>) -> Result<Vec<ReserveStage>, StoreError> {
        let Some(sale) = sales::load(&self.database, sale).await? else {
            return Ok(vec![ReserveStage::Refused(CheckoutError::SaleNotFound); asks.len()]);
        };
        let now = self.database.now();
        let key = sale.queue_key();
        let mut passes: Vec<_> = asks.iter().map(|ask| ask.pass.clone()).collect();
        passes::renew(&self.database, &mut passes, now).await?;
        let allowed = asks.into_iter().zip(&passes).map(|(ask, pass)| {
            let (lines, currency) = check(&sale, pass, &ask.wanted, now)?;
            Ok(NewOrder {
                id: ask.id,
                pass: ask.pass.id,
                number: ask.pass.number,
                buyer: ask.pass.buyer,
                lines,
                currency,
                request_hash: ask.hash,
                locale: ask.wanted.locale,
                contact: ask.contact,
                trace: ask.trace,
            })
        });
        let allowed: Vec<Result<NewOrder, CheckoutError>> = allowed.collect();
        let takes: Vec<_> = allowed.iter().flatten().map(|order| take_of(order, sale.sale.per_buyer_limit)).collect();
        let taken = if takes.is_empty() { Vec::new() } else { self.queue.reserve(&key, &takes, now).await? };
        let mut taken = taken.into_iter();
        let stands = allowed.into_iter().map(|order| match order {
            Ok(order) => taken.next().map(|taken| stand(taken, &key, order)),
            Err(refusal) => Some(ReserveStage::Refused(refusal)),
        });
        let stands: Option<Vec<_>> = stands.collect();
        stands.ok_or_else(|| StoreError::unexpected("queue store", "fewer answers than asks"))
    }

    /// Places what the gate took. What the database refuses for good goes back.
    async fn place_in(&self, key: QueueKey, orders: Vec<NewOrder>) -> Vec<ReserveStage> {
        failpoint::reached(Point::UnitsTaken);
        let placed = match place::place(&self.database, &key, &orders).await {
            Ok(placed) => placed,
            Err(trouble) => return vec![ReserveStage::from(trouble); orders.len()],
        };
        failpoint::reached(Point::OrderCommitted);
        let back: Vec<_> = orders.iter().zip(&placed).filter_map(|(order, placed)| give_back(order, placed)).collect();
        if let Err(trouble) = self.give_back(&key, &back).await {
            tracing::info!(sale = %key.sale, "units of refused orders are left to the reconciler: {trouble}");
        }
        let stands = orders.into_iter().zip(placed).map(|(order, placed)| match placed {
            PlaceOutcome::Placed { at, hold_until } => {
                ReserveStage::Placed(Box::new(order.placed(&key.sale, at, hold_until)))
            }
            // The answer comes from the order that is there.
            PlaceOutcome::Existing | PlaceOutcome::KeyReused | PlaceOutcome::Ended => ReserveStage::Marked,
            PlaceOutcome::PassUsed { order } => ReserveStage::Refused(CheckoutError::PassUsed { order: Some(order) }),
            PlaceOutcome::OutOfStock => ReserveStage::Refused(CheckoutError::SoldOut),
            PlaceOutcome::LimitReached => ReserveStage::Refused(CheckoutError::LimitReached),
            // What was taken in a life that is over is nowhere any more.
            PlaceOutcome::EpochMoved => ReserveStage::Refused(CheckoutError::StoreUnavailable),
        });
        stands.collect()
    }

    /// Gives the units of refused orders back, those first marked as never to be placed. One that cannot be marked was
    /// placed by the same request in another process meanwhile.
    async fn give_back(&self, key: &QueueKey, back: &[HoldEnd]) -> Result<(), StoreError> {
        if back.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = back.iter().map(|end| end.hold).collect();
        let marked = holds::mark_never_placed(&self.database, &key.sale, &ids, self.database.now()).await?;
        let ends: Vec<_> = back.iter().filter(|end| marked.contains(&end.hold)).copied().collect();
        self.queue.end_holds(key, &ends).await
    }
}

/// What an order stands at after the gate has answered.
fn stand(taken: ReservationOutcome, key: &QueueKey, order: NewOrder) -> ReserveStage {
    match taken {
        ReservationOutcome::Reserved => ReserveStage::Taken(key.clone(), Box::new(order)),
        ReservationOutcome::HoldEnded => ReserveStage::Marked,
        ReservationOutcome::PassUsed { hold } => {
            ReserveStage::Refused(CheckoutError::PassUsed { order: hold.map(|hold| hold.order) })
        }
        ReservationOutcome::PassExpired => ReserveStage::Refused(CheckoutError::PassExpired),
        ReservationOutcome::SoldOut => ReserveStage::Refused(CheckoutError::SoldOut),
        ReservationOutcome::LimitReached => ReserveStage::Refused(CheckoutError::LimitReached),
    }
}

/// How the gate has to end the hold of an order that was not placed; `None` when it keeps its units, or never had any.
fn give_back(order: &NewOrder, placed: &PlaceOutcome) -> Option<HoldEnd> {
    let ending = match placed {
        PlaceOutcome::PassUsed { .. } => HoldEnding::Released,
        PlaceOutcome::OutOfStock | PlaceOutcome::LimitReached | PlaceOutcome::Ended => HoldEnding::NeverPlaced,
        PlaceOutcome::Placed { .. } | PlaceOutcome::Existing | PlaceOutcome::KeyReused | PlaceOutcome::EpochMoved => {
            return None;
        }
    };
    Some(HoldEnd { hold: HoldId::first(order.id), ending })
}

fn take_of(order: &NewOrder, limit: u32) -> Reservation {
    let lines = order.lines.iter();
    Reservation {
        hold: HoldId::first(order.id),
        place: Place { buyer: order.buyer, number: order.number },
        lines: lines.map(|line| sale::sale::Line { item: line.item.clone(), quantity: line.quantity }).collect(),
        limit,
    }
}

/// An order that is there answers for itself, whatever was said on the way: a retry finds it even when the sale has
/// closed or a store is away.
fn answer(there: Option<Order>, stand: ReserveStage, hash: &str) -> Answer {
    match (there, stand) {
        (_, ReserveStage::Placed(order)) => Answer::Order(order, true),
        (Some(order), _) if order.request_hash != hash => Answer::Refused(CheckoutError::KeyReused),
        (Some(order), _) => Answer::Order(Box::new(order), false),
        (None, ReserveStage::Refused(refusal)) => Answer::Refused(refusal),
        (None, ReserveStage::Marked) => Answer::Marked,
        (None, ReserveStage::Taken(..)) => Answer::Refused(CheckoutError::StoreUnavailable),
    }
}
