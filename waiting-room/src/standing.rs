//! Poll: the standing of a ticket. That of a waiting one follows from its number and the frame, without a store.

use http::{Response, StatusCode};
use sale::{
    SaleId, SaleState, Ticket, Timestamp,
    standing::{Eta, TicketState, eta},
};
use serde::Serialize;
use stores::queue_store::TicketStatus;
use utoipa::ToSchema;
use web::{ApiError, Body, Visitor};

use crate::{
    SERVER_TIME, WaitingRoom,
    auth::{self, PresentedTicket},
    json,
    page_snapshot::PageSnapshot,
    sale_queue::{QueueCache, SaleQueue},
};

/// The standing of a ticket, as the API returns it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Standing {
    pub id: String,
    pub number: u64,
    pub state: TicketState,
    /// The most people that can be ahead of this ticket; it never rises. `None` for a ticket that does not wait, and
    /// where it could rise: at the front among late tickets that return, and from a process that cannot read the
    /// leader's frames, because another process may have shown fewer.
    pub ahead: Option<u64>,
    pub called_until: Option<Timestamp>,
    pub eta_seconds: Option<Eta>,
}

/// The standing of the ticket.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/tickets/self",
    operation_id = "show_ticket",
    tag = "line",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The standing", body = Standing))
)]
pub async fn standing(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let queue = app.queues.open(sale).await?;
    let presented = auth::ticket(app, sale, visitor)?;
    Ok(answer(app, &current_standing(app, &queue, &presented).await?))
}

fn answer(app: &WaitingRoom, standing: &Standing) -> Response<Body> {
    let mut response = json(StatusCode::OK, standing);
    response.headers_mut().insert(SERVER_TIME, app.server_time());
    response
}

/// Answers from memory when the ticket waits, or is invalid; `None` where the store has to be read.
pub fn try_answer(
    app: &WaitingRoom,
    cache: &QueueCache,
    sale: &SaleId,
    visitor: Visitor<'_>,
) -> Option<Result<Response<Body>, ApiError>> {
    match auth::ticket(app, sale, visitor) {
        Ok(presented) => Some(Ok(answer(app, &waiting_standing(app, cache, &presented.ticket)?))),
        Err(error) => Some(Err(error)),
    }
}

/// The standing by the frame alone; `None` unless the frame says that the ticket waits.
fn waiting_standing(app: &WaitingRoom, cache: &QueueCache, ticket: &Ticket) -> Option<Standing> {
    let snapshot = cache.snapshot();
    let is_queued = ticket.epoch == snapshot.encoded.frame.epoch || cache.is_requeued(ticket.number);
    let ahead = snapshot.ahead(ticket.number).filter(|_| is_queued && !cache.has_departed(ticket.number))?;
    Some(queued_standing(ticket, Some(ahead), &snapshot, cache, app.database.now()))
}

/// The standing by the frame, or by the queue store where the frame is not enough.
pub async fn current_standing(
    app: &WaitingRoom,
    queue: &SaleQueue,
    presented: &PresentedTicket<'_>,
) -> Result<Standing, ApiError> {
    let ticket = &presented.ticket;
    if let Some(standing) = waiting_standing(app, &queue.cache, ticket) {
        return Ok(standing);
    }
    let status = queue.standings.submit(presented.claims()).await?;
    if status == TicketStatus::Waiting {
        queue.cache.mark_requeued(ticket.number);
    }
    Ok(of_status(ticket, status, &queue.cache, app.database.now()))
}

/// The standing of a ticket in the queue. `ahead` comes from the frame; `None` where the frame is not enough.
fn queued_standing(
    ticket: &Ticket,
    ahead: Option<u64>,
    snapshot: &PageSnapshot,
    cache: &QueueCache,
    now: Timestamp,
) -> Standing {
    let over = matches!(cache.state(now), SaleState::Closed | SaleState::Draining);
    let ahead = ahead.filter(|_| !over && !snapshot.encoded.is_stale());
    Standing {
        id: ticket.id(),
        number: ticket.number,
        state: if over { TicketState::Closed } else { TicketState::Waiting },
        ahead,
        called_until: None,
        eta_seconds: ahead.and_then(|ahead| eta(ahead, snapshot.encoded.frame.rate_per_minute)),
    }
}

/// The standing of a ticket whose status in the queue store is known.
pub fn of_status(ticket: &Ticket, status: TicketStatus, cache: &QueueCache, now: Timestamp) -> Standing {
    let snapshot = cache.snapshot();
    let queued = |ahead| queued_standing(ticket, ahead, &snapshot, cache, now);
    let plain = |state| Standing { state, ..queued(None) };
    match status {
        TicketStatus::Waiting => queued(snapshot.ahead(ticket.number)),
        // At the front, where other late tickets with lower numbers may still return.
        TicketStatus::Late => match queued(None) {
            closed @ Standing { state: TicketState::Closed, .. } => closed,
            standing => Standing { state: TicketState::Late, ..standing },
        },
        TicketStatus::Called { until } => Standing { called_until: Some(until), ..plain(TicketState::Called) },
        TicketStatus::Admitted => plain(TicketState::Admitted),
        TicketStatus::Consumed { .. } => plain(TicketState::Consumed),
        TicketStatus::Left => plain(TicketState::Left),
        TicketStatus::Expired => plain(TicketState::Expired),
    }
}

/// The public name of a status.
pub const fn state_of(status: TicketStatus) -> TicketState {
    match status {
        TicketStatus::Waiting => TicketState::Waiting,
        TicketStatus::Called { .. } => TicketState::Called,
        TicketStatus::Late => TicketState::Late,
        TicketStatus::Admitted => TicketState::Admitted,
        TicketStatus::Consumed { .. } => TicketState::Consumed,
        TicketStatus::Left => TicketState::Left,
        TicketStatus::Expired => TicketState::Expired,
    }
}
