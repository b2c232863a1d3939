//! Poll: where a ticket stands. A waiting one is answered from its own number and the frame, without a store.

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
    TIME, WaitingRoom, auth, json,
    room::{Room, Shown},
};

/// Where a ticket stands, on the wire.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Standing {
    pub id: String,
    pub number: u64,
    pub state: TicketState,
    /// People before this ticket, at most; it never rises. `None` for those who do not wait, and where it could rise: at
    /// the front among those who come back, and from a process that does not hear the leader, because another one may
    /// have told of fewer.
    pub ahead: Option<u64>,
    pub called_until: Option<Timestamp>,
    pub eta_seconds: Option<Eta>,
}

/// Where the ticket stands.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/tickets/self",
    operation_id = "show_ticket",
    tag = "line",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The standing", body = Standing))
)]
pub async fn standing(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let room = door.rooms.room(sale).await?;
    let presented = auth::ticket(door, sale, visitor)?;
    Ok(answer(door, &stand(door, &room, &presented.ticket).await?))
}

fn answer(door: &WaitingRoom, standing: &Standing) -> Response<Body> {
    let mut response = json(StatusCode::OK, standing);
    response.headers_mut().insert(TIME, door.time());
    response
}

/// The answer to somebody of whom the frame tells that they wait, and to whoever has no good ticket.
pub fn waiting(
    door: &WaitingRoom,
    room: &Room,
    sale: &SaleId,
    visitor: Visitor<'_>,
) -> Option<Result<Response<Body>, ApiError>> {
    match auth::ticket(door, sale, visitor) {
        Ok(presented) => Some(Ok(answer(door, &waits(door, room, &presented.ticket)?))),
        Err(problem) => Some(Err(problem)),
    }
}

/// Where the ticket stands by the frame alone, if it waits.
fn waits(door: &WaitingRoom, room: &Room, ticket: &Ticket) -> Option<Standing> {
    let shown = &room.edition().shown;
    let same_life = ticket.epoch == shown.frame.epoch || room.is_seated_again(ticket.number);
    let ahead = shown.ahead(ticket.number).filter(|_| same_life && !room.has_left(ticket.number))?;
    Some(at_place(ticket, Some(ahead), shown, room, door.database.now()))
}

/// Where the ticket stands now.
pub async fn stand(door: &WaitingRoom, room: &Room, ticket: &Ticket) -> Result<Standing, ApiError> {
    if let Some(standing) = waits(door, room, ticket) {
        return Ok(standing);
    }
    let (buyer, carried) =
        (ticket.buyer, stores::queue_store::TicketClaims { number: ticket.number, epoch: ticket.epoch });
    let status = room.standings.submit((buyer, carried)).await?;
    if status == TicketStatus::Waiting {
        room.remember_seated(ticket.number);
    }
    Ok(of_status(ticket, status, room, door.database.now()))
}

/// The standing of a seated ticket, by what is shown; `ahead` of `None` where that does not tell.
fn at_place(ticket: &Ticket, ahead: Option<u64>, shown: &Shown, room: &Room, now: Timestamp) -> Standing {
    let over = matches!(room.state(now), SaleState::Closed | SaleState::Draining);
    let ahead = ahead.filter(|_| !over && !shown.is_stale());
    Standing {
        id: ticket.id(),
        number: ticket.number,
        state: if over { TicketState::Closed } else { TicketState::Waiting },
        ahead,
        called_until: None,
        eta_seconds: ahead.and_then(|ahead| eta(ahead, shown.frame.rate_per_minute)),
    }
}

/// A status as its holder hears of it.
pub fn of_status(ticket: &Ticket, status: TicketStatus, room: &Room, now: Timestamp) -> Standing {
    let shown = &room.edition().shown;
    let seated = |ahead| at_place(ticket, ahead, shown, room, now);
    let plain = |state| Standing { state, ..seated(None) };
    match status {
        TicketStatus::Waiting => seated(shown.ahead(ticket.number)),
        // At the front, where others who come back may still sit down before this one.
        TicketStatus::Late => match seated(None) {
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
