//! Reservations in batches: at the gate with one read of the sale and one script, then in the database with one
//! transaction. While that is committed, the next batch passes the gate.

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

use super::request::{ValidatedRequest, priced_lines};
use crate::CheckoutError;

/// Reservations in flight in one process at most: some seconds of what the database carries.
pub(super) const MAX_IN_FLIGHT: usize = 10_000;

/// One reservation on its way through the pipeline.
pub(super) struct PendingReservation {
    pub(super) id: OrderId,
    pub(super) request: ValidatedRequest,
    pub(super) request_hash: String,
    /// Sealed.
    pub(super) contact: Option<Vec<u8>>,
    pub(super) pass: Pass,
    pub(super) trace: String,
}

#[derive(Clone, Debug)]
pub(super) enum PipelineOutcome {
    /// The order, and whether this request placed it.
    Order(Box<Order>, bool),
    Refused(CheckoutError),
    /// The order's id was marked as never to be placed: try the next one.
    NeverPlaced,
}

/// How far a reservation has come.
#[derive(Clone, Debug)]
enum ReserveStage {
    /// The gate reserved the units of this order, in this epoch.
    AtGate(QueueKey, Box<NewOrder>),
    Placed(Box<Order>),
    Refused(CheckoutError),
    NeverPlaced,
}

impl From<StoreError> for ReserveStage {
    fn from(error: StoreError) -> Self {
        Self::Refused(CheckoutError::from(error))
    }
}

/// The steps of a reservation, each of which runs in batches.
pub(super) struct ReservePipeline {
    gate: Batcher<PendingReservation, ReserveStage>,
    place: Batcher<(QueueKey, NewOrder), ReserveStage>,
    find: Batcher<OrderId, Option<Order>>,
}

impl ReservePipeline {
    pub(super) fn new(database: Database, queue: Arc<dyn SaleQueueStore>, tracker: &TaskTracker) -> Self {
        let stores = Arc::new(Stores { database: database.clone(), queue });
        let at_gate = Arc::clone(&stores);
        let gate = Batcher::new("reserve_take", tracker, MAX_IN_FLIGHT, move |pending: Vec<PendingReservation>| {
            let stores = Arc::clone(&at_gate);
            Box::pin(async move {
                let sale_of = |reservation: &PendingReservation| reservation.pass.sale.clone();
                Ok(by_key(pending, sale_of, |sale, pending| stores.reserve_at_gate(sale, pending)).await)
            })
        });
        let place =
            Batcher::new("reserve_place", tracker, MAX_IN_FLIGHT, move |reserved: Vec<(QueueKey, NewOrder)>| {
                let stores = Arc::clone(&stores);
                Box::pin(async move {
                    let key_of = |(key, _): &(QueueKey, NewOrder)| key.clone();
                    Ok(by_key(reserved, key_of, |key, reserved| {
                        stores.place(key, reserved.into_iter().map(|(_, order)| order).collect())
                    })
                    .await)
                })
            });
        let find = Batcher::new("reserve_find", tracker, MAX_IN_FLIGHT, move |ids: Vec<OrderId>| {
            let database = database.clone();
            Box::pin(async move {
                let found = orders::read(&database, &ids).await?;
                let found: HashMap<_, _> = found.into_iter().map(|order| (order.id, order)).collect();
                Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
            })
        });
        Self { gate, place, find }
    }

    /// Runs one reservation through all steps. Once begun it must not be dropped: what the gate reserved is placed or given
    /// back here.
    pub(super) async fn run(&self, reservation: PendingReservation) -> Result<PipelineOutcome, BatchError> {
        let (id, hash) = (reservation.id, reservation.request_hash.clone());
        let stage = match self.gate.submit(reservation).await? {
            ReserveStage::AtGate(key, order) => self.place.submit((key, *order)).await?,
            stage => stage,
        };
        // What was placed is known; everything else is as the database has it.
        match stage {
            ReserveStage::Placed(order) => Ok(PipelineOutcome::Order(order, true)),
            stage => Ok(outcome(self.find.submit(id).await?, stage, &hash)),
        }
    }
}

/// Runs the requests of a batch grouped by key, all groups at once, and returns the answers in the order of the requests.
async fn by_key<Key: Eq + Hash, Request, Answer, Answers: Future<Output = Vec<Answer>>>(
    requests: Vec<Request>,
    key: impl Fn(&Request) -> Key,
    run: impl Fn(Key, Vec<Request>) -> Answers,
) -> Vec<Answer> {
    let mut groups: HashMap<Key, (Vec<usize>, Vec<Request>)> = HashMap::new();
    for (at, request) in requests.into_iter().enumerate() {
        let (positions, requests) = groups.entry(key(&request)).or_default();
        positions.push(at);
        requests.push(request);
    }
    let all = groups.into_iter().map(|(key, (positions, requests))| {
        let answers = run(key, requests);
        async move { positions.into_iter().zip(answers.await) }
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
    /// Reserves at the gate what the sale allows.
    async fn reserve_at_gate(&self, sale: SaleId, pending: Vec<PendingReservation>) -> Vec<ReserveStage> {
        let count = pending.len();
        self.try_reserve_at_gate(&sale, pending).await.unwrap_or_else(|error| vec![ReserveStage::from(error); count])
    }

    async fn try_reserve_at_gate(
        &self,
        sale: &SaleId,
        pending: Vec<PendingReservation>,
    ) -> Result<Vec<ReserveStage>, StoreError> {
        let Some(sale) = sales::load(&self.database, sale).await? else {
            return Ok(vec![ReserveStage::Refused(CheckoutError::SaleNotFound); pending.len()]);
        };
        let now = self.database.now();
        let key = sale.queue_key();
        let mut passes: Vec<_> = pending.iter().map(|reservation| reservation.pass.clone()).collect();
        passes::update_expiries(&self.database, &mut passes, now).await?;
        let allowed = pending.into_iter().zip(&passes).map(|(reservation, pass)| {
            let (lines, currency) = priced_lines(&sale, pass, &reservation.request, now)?;
            Ok(NewOrder {
                id: reservation.id,
                pass: reservation.pass.id,
                number: reservation.pass.number,
                buyer: reservation.pass.buyer,
                lines,
                currency,
                request_hash: reservation.request_hash,
                locale: reservation.request.locale,
                contact: reservation.contact,
                trace: reservation.trace,
            })
        });
        let allowed: Vec<Result<NewOrder, CheckoutError>> = allowed.collect();
        let reservations: Vec<_> =
            allowed.iter().flatten().map(|order| gate_reservation(order, sale.sale.per_buyer_limit)).collect();
        let reserved =
            if reservations.is_empty() { Vec::new() } else { self.queue.reserve(&key, &reservations, now).await? };
        let mut reserved = reserved.into_iter();
        let stages = allowed.into_iter().map(|order| match order {
            Ok(order) => reserved.next().map(|outcome| gate_stage(outcome, &key, order)),
            Err(refusal) => Some(ReserveStage::Refused(refusal)),
        });
        let stages: Option<Vec<_>> = stages.collect();
        stages.ok_or_else(|| StoreError::unexpected("queue store", "fewer answers than requests"))
    }

    /// Places what the gate reserved. What the database refuses for good goes back.
    async fn place(&self, key: QueueKey, orders: Vec<NewOrder>) -> Vec<ReserveStage> {
        failpoint::reached(Point::UnitsTaken);
        let placed = match place::place(&self.database, &key, &orders).await {
            Ok(placed) => placed,
            Err(error) => return vec![ReserveStage::from(error); orders.len()],
        };
        failpoint::reached(Point::OrderCommitted);
        let refused: Vec<_> =
            orders.iter().zip(&placed).filter_map(|(order, placed)| hold_end(order, placed)).collect();
        if let Err(error) = self.give_back(&key, &refused).await {
            tracing::info!(sale = %key.sale, "units of refused orders are left to the reconciler: {error}");
        }
        let stages = orders.into_iter().zip(placed).map(|(order, placed)| match placed {
            PlaceOutcome::Placed { at, hold_until } => {
                ReserveStage::Placed(Box::new(order.placed(&key.sale, at, hold_until)))
            }
            // The answer comes from the order that is there.
            PlaceOutcome::Existing | PlaceOutcome::KeyReused | PlaceOutcome::Ended => ReserveStage::NeverPlaced,
            PlaceOutcome::PassUsed { order } => ReserveStage::Refused(CheckoutError::PassUsed { order: Some(order) }),
            PlaceOutcome::OutOfStock => ReserveStage::Refused(CheckoutError::SoldOut),
            PlaceOutcome::LimitReached => ReserveStage::Refused(CheckoutError::LimitReached),
            // What was reserved in an earlier epoch is gone.
            PlaceOutcome::EpochMoved => ReserveStage::Refused(CheckoutError::StoreUnavailable),
        });
        stages.collect()
    }

    /// Gives the units of refused orders back, those first marked as never to be placed. One that cannot be marked was
    /// placed by the same request in another process meanwhile.
    async fn give_back(&self, key: &QueueKey, refused: &[HoldEnd]) -> Result<(), StoreError> {
        if refused.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = refused.iter().map(|end| end.hold).collect();
        let marked = holds::mark_never_placed(&self.database, &key.sale, &ids, self.database.now()).await?;
        let ends: Vec<_> = refused.iter().filter(|end| marked.contains(&end.hold)).copied().collect();
        self.queue.end_holds(key, &ends).await
    }
}

/// The stage of an order after the gate has answered.
fn gate_stage(outcome: ReservationOutcome, key: &QueueKey, order: NewOrder) -> ReserveStage {
    match outcome {
        ReservationOutcome::Reserved => ReserveStage::AtGate(key.clone(), Box::new(order)),
        ReservationOutcome::HoldEnded => ReserveStage::NeverPlaced,
        ReservationOutcome::PassUsed { hold } => {
            ReserveStage::Refused(CheckoutError::PassUsed { order: hold.map(|hold| hold.order) })
        }
        ReservationOutcome::PassExpired => ReserveStage::Refused(CheckoutError::PassExpired),
        ReservationOutcome::SoldOut => ReserveStage::Refused(CheckoutError::SoldOut),
        ReservationOutcome::LimitReached => ReserveStage::Refused(CheckoutError::LimitReached),
    }
}

/// How the gate has to end the hold of an order that was not placed; `None` when it keeps its units, or never had any.
fn hold_end(order: &NewOrder, placed: &PlaceOutcome) -> Option<HoldEnd> {
    let ending = match placed {
        PlaceOutcome::PassUsed { .. } => HoldEnding::Released,
        PlaceOutcome::OutOfStock | PlaceOutcome::LimitReached | PlaceOutcome::Ended => HoldEnding::NeverPlaced,
        PlaceOutcome::Placed { .. } | PlaceOutcome::Existing | PlaceOutcome::KeyReused | PlaceOutcome::EpochMoved => {
            return None;
        }
    };
    Some(HoldEnd { hold: HoldId::first(order.id), ending })
}

fn gate_reservation(order: &NewOrder, limit: u32) -> Reservation {
    let lines = order.lines.iter();
    Reservation {
        hold: HoldId::first(order.id),
        place: Place { buyer: order.buyer, number: order.number },
        lines: lines.map(|line| sale::sale::Line { item: line.item.clone(), quantity: line.quantity }).collect(),
        limit,
    }
}

/// An order that exists is the answer, whatever its stages came to: a retry finds it even when the sale has
/// closed or a store is away.
fn outcome(existing: Option<Order>, stage: ReserveStage, hash: &str) -> PipelineOutcome {
    match (existing, stage) {
        (_, ReserveStage::Placed(order)) => PipelineOutcome::Order(order, true),
        (Some(order), _) if order.request_hash != hash => PipelineOutcome::Refused(CheckoutError::KeyReused),
        (Some(order), _) => PipelineOutcome::Order(Box::new(order), false),
        (None, ReserveStage::Refused(refusal)) => PipelineOutcome::Refused(refusal),
        (None, ReserveStage::NeverPlaced) => PipelineOutcome::NeverPlaced,
        (None, ReserveStage::AtGate(..)) => PipelineOutcome::Refused(CheckoutError::StoreUnavailable),
    }
}
