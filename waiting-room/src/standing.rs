//! Poll: where a ticket stands. A waiting one is answered from its own number and the frame, without a store.

use http::{Response, StatusCode};
use sale::{
    Frame, SaleId, SaleState, Ticket, Timestamp,
    standing::{Eta, TicketState, eta},
};
use serde::Serialize;
use stores::queue::Seat;
use web::{Body, Problem};

use crate::{
    Request, TIME, WaitingRoom, ask, json,
    room::{Room, trouble},
};

/// Where a ticket stands, on the wire.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    pub id: String,
    pub number: u64,
    pub state: TicketState,
    /// People before this ticket, at most; `None` while that is not known, and for those who do not wait.
    pub ahead: Option<u64>,
    pub called_until: Option<Timestamp>,
    pub eta_seconds: Option<Eta>,
}

/// Where the ticket stands.
#[utoipa::path(get, path = "/v1/sales/{sale}/tickets/self", tag = "line", params(("sale" = String, Path)), security(("ticket" = [])),
    responses((status = 200, description = "The standing"), (status = 401, description = "ticket_missing, ticket_invalid"),
        (status = 403, description = "wrong_session, wrong_sale")))]
pub async fn standing(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    let room = door.rooms.room(sale).await?;
    let asked = ask::ticket(door, sale, request)?;
    Ok(answer(door, &stand(door, &room, &asked.ticket).await?))
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
    request: Request<'_>,
) -> Option<Result<Response<Body>, Problem>> {
    match ask::ticket(door, sale, request) {
        Ok(asked) => Some(Ok(answer(door, &waits(door, room, &asked.ticket)?))),
        Err(problem) => Some(Err(problem)),
    }
}

/// Where the ticket stands by the frame alone, if it waits.
fn waits(door: &WaitingRoom, room: &Room, ticket: &Ticket) -> Option<Standing> {
    let shown = &room.edition().shown;
    let same_life = ticket.epoch == shown.frame.epoch || room.is_seated_again(ticket.number);
    let ahead = shown.ahead(ticket.number).filter(|_| same_life && !room.has_left(ticket.number))?;
    Some(at_place(ticket, Some(ahead), room, door.database.now()))
}

/// Where the ticket stands now.
pub async fn stand(door: &WaitingRoom, room: &Room, ticket: &Ticket) -> Result<Standing, Problem> {
    if let Some(standing) = waits(door, room, ticket) {
        return Ok(standing);
    }
    let (buyer, carried) = (ticket.buyer, stores::queue::Carried { number: ticket.number, epoch: ticket.epoch });
    let seat = room.standings.ask((buyer, carried)).await.map_err(|fault| trouble(&fault))?;
    if let Seat::Waiting { .. } = seat {
        room.remember_seated(ticket.number);
    }
    Ok(of_seat(ticket, seat, room, door.database.now()))
}

fn at_place(ticket: &Ticket, ahead: Option<u64>, room: &Room, now: Timestamp) -> Standing {
    let frame = &room.edition().shown.frame;
    let over = matches!(room.state(now), SaleState::Closed | SaleState::Draining);
    let ahead = ahead.filter(|_| !over && !is_blind(frame));
    Standing {
        id: ticket.id(),
        number: ticket.number,
        state: if over { TicketState::Closed } else { TicketState::Waiting },
        ahead,
        called_until: None,
        eta_seconds: ahead.and_then(|ahead| eta(ahead, frame.rate_per_minute)),
    }
}

/// A process that started while the store was lost has never seen a frame: it cannot count who has left, and what it
/// counted could be more than what the ticket was told before.
const fn is_blind(frame: &Frame) -> bool {
    frame.trouble.is_some() && frame.tick == 0
}

/// A seat as its holder hears of it.
pub fn of_seat(ticket: &Ticket, seat: Seat, room: &Room, now: Timestamp) -> Standing {
    let at_front = |ahead| at_place(ticket, ahead, room, now);
    let plain = |state| Standing { state, ahead: None, eta_seconds: None, ..at_front(None) };
    match seat {
        Seat::Waiting { ahead: None } => at_front(Some(room.edition().shown.ahead(ticket.number).unwrap_or(0))),
        // While places are being put back, those before this one may still be missing.
        Seat::Waiting { ahead: Some(ahead) } => at_front(room.edition().shown.frame.trouble.is_none().then_some(ahead)),
        Seat::Late { ahead } => {
            let standing = at_front(Some(ahead));
            let state = if standing.state == TicketState::Closed { TicketState::Closed } else { TicketState::Late };
            Standing { state, ..standing }
        }
        Seat::Called { until } => Standing { called_until: Some(until), ..plain(TicketState::Called) },
        Seat::Admitted => plain(TicketState::Admitted),
        Seat::Consumed { .. } => plain(TicketState::Consumed),
        Seat::Left => plain(TicketState::Left),
        Seat::Expired => plain(TicketState::Expired),
    }
}

pub const fn state_of(seat: Seat) -> TicketState {
    match seat {
        Seat::Waiting { .. } => TicketState::Waiting,
        Seat::Called { .. } => TicketState::Called,
        Seat::Late { .. } => TicketState::Late,
        Seat::Admitted => TicketState::Admitted,
        Seat::Consumed { .. } => TicketState::Consumed,
        Seat::Left => TicketState::Left,
        Seat::Expired => TicketState::Expired,
    }
}
