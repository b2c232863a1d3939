//! Reserve: units for the holder of a pass, first at the gate, then in the database, which decides.
//!
//! Reservations that arrive while others are in flight are batched: one script for all of a sale, then one transaction. The
//! order's id is derived from the pass and the buyer's key, so the same request after a crash finishes the same order. A
//! refusal consumes nothing: what the gate reserved for an order that the database then refused goes back at once, after its
//! id was marked as never to be placed.

mod pipeline;
mod request;

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use metrics::Counter;
use parking_lot::Mutex;
use sale::{Keys, OrderId, Pass};
use stores::{
    batch::BatchError,
    database::{Database, orders::Order},
    queue_store::SaleQueueStore,
};
use tokio_util::task::TaskTracker;

pub(crate) use self::request::contact_place;
pub use self::request::{RequestedContact, RequestedLine, ReserveBody};
use self::{
    pipeline::{MAX_IN_FLIGHT, PendingReservation, PipelineOutcome, ReservePipeline},
    request::ValidatedRequest,
};
use crate::CheckoutError;

/// How often an order id may turn out to be marked by the reconciler before the buyer is asked to retry. Each mark
/// means that the request's process died, or that the database refused, some seconds ago.
const MAX_GENERATIONS: u8 = 8;

/// Counts the orders that were placed. Looked up once: every order adds to it.
static PLACED: LazyLock<Counter> =
    LazyLock::new(|| metrics::counter!("openrun_orders_total", "state" => "pending_payment"));

/// A request for units.
#[derive(Clone, Debug)]
pub struct ReserveRequest {
    /// Verified; its time is checked here.
    pub pass: Pass,
    /// The buyer's idempotency key.
    pub key: String,
    pub body: ReserveBody,
    /// W3C trace id of the request.
    pub trace: String,
}

/// An order whose units are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedOrder {
    pub order: Order,
    /// Whether this request placed it; otherwise an earlier one with the same key did.
    pub is_new: bool,
}

/// Takes reservations in one process.
pub struct Reserver {
    keys: Arc<Keys>,
    pipeline: Arc<ReservePipeline>,
    tracker: TaskTracker,
    in_flight: Arc<Mutex<HashSet<OrderId>>>,
}

/// An order id that is in flight in this process, until it is dropped.
#[derive(Debug)]
struct InFlight {
    id: OrderId,
    all: Arc<Mutex<HashSet<OrderId>>>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

impl Reserver {
    /// A reserver whose work runs on `tracker` until it is dropped.
    pub fn new(database: Database, queue: Arc<dyn SaleQueueStore>, keys: Arc<Keys>, tracker: &TaskTracker) -> Self {
        let pipeline = Arc::new(ReservePipeline::new(database, queue, tracker));
        Self { keys, pipeline, tracker: tracker.clone(), in_flight: Arc::default() }
    }

    /// Reserves units, or finds the order that this pass and key have.
    pub async fn reserve(&self, request: ReserveRequest) -> Result<ReservedOrder, CheckoutError> {
        let validated = ValidatedRequest::parse(&request.body).map_err(CheckoutError::Invalid)?;
        let hash = validated.hash();
        for generation in 0..MAX_GENERATIONS {
            let id = order_id(&request.pass, &request.key, generation);
            let reservation = PendingReservation {
                id,
                contact: validated.seal_contact(&self.keys.personal_data, id),
                request: validated.clone(),
                request_hash: hash.clone(),
                pass: request.pass.clone(),
                trace: request.trace.clone(),
            };
            match self.run(reservation).await? {
                PipelineOutcome::Order(order, is_new) => {
                    PLACED.increment(u64::from(is_new));
                    return Ok(ReservedOrder { order: *order, is_new });
                }
                PipelineOutcome::NeverPlaced => {}
                // This key's own order of a later generation.
                PipelineOutcome::Refused(CheckoutError::PassUsed { order: Some(order) })
                    if (generation..MAX_GENERATIONS)
                        .any(|later| order_id(&request.pass, &request.key, later) == order) => {}
                PipelineOutcome::Refused(refusal) => return Err(refusal),
            }
        }
        Err(CheckoutError::StoreUnavailable)
    }

    /// A task of its own, because a buyer who goes away must leave nothing reserved at the gate alone.
    async fn run(&self, reservation: PendingReservation) -> Result<PipelineOutcome, CheckoutError> {
        let (in_flight, pipeline) = (self.begin(reservation.id)?, Arc::clone(&self.pipeline));
        let task = self.tracker.spawn(async move {
            let outcome = pipeline.run(reservation).await;
            drop(in_flight);
            outcome
        });
        match task.await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(BatchError::Overloaded)) => Err(CheckoutError::Overloaded),
            Ok(Err(BatchError::Store(error))) => {
                tracing::warn!("a reservation got no answer: {error}");
                Err(CheckoutError::StoreUnavailable)
            }
            Err(panic) => {
                tracing::error!("the task of a reservation failed: {panic}");
                Err(CheckoutError::StoreUnavailable)
            }
        }
    }

    fn begin(&self, id: OrderId) -> Result<InFlight, CheckoutError> {
        let mut all = self.in_flight.lock();
        if all.len() >= MAX_IN_FLIGHT {
            return Err(CheckoutError::Overloaded);
        }
        if !all.insert(id) {
            return Err(CheckoutError::InFlight);
        }
        Ok(InFlight { id, all: Arc::clone(&self.in_flight) })
    }
}

/// The id of the order that a pass and a key name. A generation is over once its id was marked as never to be placed.
pub fn order_id(pass: &Pass, key: &str, generation: u8) -> OrderId {
    let jti = pass.id.to_string();
    match generation {
        0 => OrderId::derive(pass.issued_at, &[jti.as_bytes(), key.as_bytes()]),
        _ => OrderId::derive(pass.issued_at, &[jti.as_bytes(), key.as_bytes(), &[generation]]),
    }
}
