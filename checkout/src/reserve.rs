//! Reserve: units for the holder of a pass, first at the gate, then in the database, which decides.
//!
//! Reservations that come in while others are under way travel together: one script for all of a sale, then one
//! transaction. The order's id is derived from the pass and the buyer's key, so the same request after a crash finishes
//! the same order. A refusal consumes nothing: what the gate took for an order that the database then refused goes back at
//! once, after its id was marked as never to be placed.

mod pipeline;
mod request;

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use sale::{Keys, OrderId, Pass};
use stores::{
    batch::BatchError,
    database::{Database, orders::Order},
    queue_store::SaleQueueStore,
};
use tokio_util::task::TaskTracker;

pub(crate) use self::request::contact_place;
pub use self::request::{AskedContact, AskedLine, ReserveBody};
use self::{
    pipeline::{Answer, Ask, ReservePipeline},
    request::ValidatedRequest,
};
use crate::CheckoutError;

/// Reservations that may be under way in this process: some seconds of what the database carries.
const MOST_UNDER_WAY: usize = 10_000;
/// How often an order id may turn out to be marked by the reconciler before the buyer is told to come back. Each mark
/// means that the request's process died, or that the database refused, some seconds ago.
const MOST_GENERATIONS: u8 = 8;

/// A wish for units.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// Verified; its time is checked here.
    pub pass: Pass,
    /// The buyer's idempotency key.
    pub key: String,
    pub body: ReserveBody,
    /// W3C trace id of the request.
    pub trace: String,
}

/// An order with units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    pub order: Order,
    /// Whether this request placed it; otherwise an earlier one with the same key did.
    pub is_new: bool,
}

/// Takes reservations in one process.
pub struct Reserver {
    keys: Arc<Keys>,
    pipeline: Arc<ReservePipeline>,
    tracker: TaskTracker,
    under_way: Arc<Mutex<HashSet<OrderId>>>,
}

/// An order id that is under way in this process.
#[derive(Debug)]
struct UnderWay {
    id: OrderId,
    all: Arc<Mutex<HashSet<OrderId>>>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

impl Reserver {
    /// A reserver whose work is carried out on `tracker` until it is dropped.
    pub fn new(database: Database, queue: Arc<dyn SaleQueueStore>, keys: Arc<Keys>, tracker: &TaskTracker) -> Self {
        let pipeline = Arc::new(ReservePipeline::new(database, queue, tracker));
        Self { keys, pipeline, tracker: tracker.clone(), under_way: Arc::default() }
    }

    /// Reserves units, or finds the order that this pass and key have.
    pub async fn reserve(&self, wish: Reserve) -> Result<Reserved, CheckoutError> {
        let wanted = ValidatedRequest::parse(&wish.body).map_err(CheckoutError::Invalid)?;
        let hash = wanted.hash();
        for generation in 0..MOST_GENERATIONS {
            let id = order_id(&wish.pass, &wish.key, generation);
            let ask = Ask {
                id,
                contact: wanted.seal_contact(&self.keys.personal_data, id),
                wanted: wanted.clone(),
                hash: hash.clone(),
                pass: wish.pass.clone(),
                trace: wish.trace.clone(),
            };
            match self.carry_out(ask).await? {
                Answer::Order(order, is_new) => {
                    let placed = metrics::counter!("openrun_orders_total", "state" => "pending_payment");
                    placed.increment(u64::from(is_new));
                    return Ok(Reserved { order: *order, is_new });
                }
                Answer::Marked => {}
                // This key's own order of a later generation.
                Answer::Refused(CheckoutError::PassUsed { order: Some(order) })
                    if (generation..MOST_GENERATIONS).any(|later| order_id(&wish.pass, &wish.key, later) == order) => {}
                Answer::Refused(refusal) => return Err(refusal),
            }
        }
        Err(CheckoutError::StoreUnavailable)
    }

    /// A task of its own, because a buyer who goes away must leave nothing between the gate and the database.
    async fn carry_out(&self, ask: Ask) -> Result<Answer, CheckoutError> {
        let (under_way, pipeline) = (self.begin(ask.id)?, Arc::clone(&self.pipeline));
        let task = self.tracker.spawn(async move {
            let answer = pipeline.carry_out(ask).await;
            drop(under_way);
            answer
        });
        match task.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(BatchError::Overloaded)) => Err(CheckoutError::Overloaded),
            Ok(Err(BatchError::Store(trouble))) => {
                tracing::warn!("a reservation got no answer: {trouble}");
                Err(CheckoutError::StoreUnavailable)
            }
            Err(broken) => {
                tracing::error!("a reservation broke off: {broken}");
                Err(CheckoutError::StoreUnavailable)
            }
        }
    }

    fn begin(&self, id: OrderId) -> Result<UnderWay, CheckoutError> {
        let mut all = self.under_way.lock();
        if all.len() >= MOST_UNDER_WAY {
            return Err(CheckoutError::Overloaded);
        }
        if !all.insert(id) {
            return Err(CheckoutError::InFlight);
        }
        Ok(UnderWay { id, all: Arc::clone(&self.under_way) })
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
