//! A batch of tickets that enter.

use sale::{Pass, Timestamp};
use stores::{
    StoreError,
    database::passes,
    failpoint::{self, Point},
    queue_store::{EnterOutcome, EnterRequest, TicketStatus},
};

use super::cache::QueueCache;

/// A ticket whose holder requests the pass.
#[derive(Clone, Copy, Debug)]
pub struct PassRequest {
    pub enter: EnterRequest,
    /// Whether the pass counts only together with the session cookie.
    pub bound: bool,
    pub issued_at: Timestamp,
}

/// What a request for a pass came to.
#[derive(Clone, Debug)]
pub enum PassOutcome {
    Issued {
        pass: Pass,
        /// Whether this request made the pass.
        is_new: bool,
    },
    /// The database has another pass for the ticket.
    Refused,
    /// Waiting or late.
    NotCalled(TicketStatus),
    /// Consumed, left or expired.
    Gone(TicketStatus),
}

/// Admits called tickets in the queue store, and commits their passes before anything is answered.
pub(super) async fn enter(cache: &QueueCache, requests: &[PassRequest]) -> Result<Vec<PassOutcome>, StoreError> {
    let enter_requests: Vec<EnterRequest> = requests.iter().map(|request| request.enter).collect();
    let outcomes = cache.queue_store.enter(&cache.key(), &enter_requests, cache.database.now()).await?;
    let admitted: Vec<Pass> = requests
        .iter()
        .zip(&outcomes)
        .filter_map(|(request, outcome)| match outcome {
            // The end that the store counts by: an earlier process may have died between its answer and the pass row.
            EnterOutcome::Admitted { expires_at } => Some(Pass {
                id: request.enter.pass,
                sale: cache.sale.clone(),
                buyer: request.enter.place.buyer,
                number: request.enter.place.number,
                issued_at: request.issued_at,
                expires_at: *expires_at,
                bound: request.bound,
            }),
            EnterOutcome::NotCalled(_) | EnterOutcome::Gone(_) => None,
        })
        .collect();
    if !admitted.is_empty() {
        failpoint::reached(Point::TicketEntered);
    }
    let mut passes = passes::issue(&cache.database, &admitted).await?.into_iter();
    outcomes
        .into_iter()
        .map(|outcome| match outcome {
            EnterOutcome::Admitted { .. } => passes
                .next()
                .map(|issued| {
                    issued.map_or(PassOutcome::Refused, |(pass, is_new)| PassOutcome::Issued { pass, is_new })
                })
                .ok_or_else(|| StoreError::unexpected("database", "returned fewer passes than were admitted")),
            EnterOutcome::NotCalled(status) => Ok(PassOutcome::NotCalled(status)),
            EnterOutcome::Gone(status) => Ok(PassOutcome::Gone(status)),
        })
        .collect()
}
