//! Join: a session gets its place in the line, the same one forever.

use std::sync::LazyLock;

use http::{HeaderValue, Response, StatusCode, header};
use metrics::Counter;
use sale::{BuyerId, SaleId, SaleState, SessionId, Ticket, Timestamp, standing::TicketState, ticket::session_of_key};
use serde::Serialize;
use stores::queue_store::{JoinOutcome, JoinRequest};
use web::{
    Body, Code, Problem,
    asking::{IDEMPOTENCY_KEY, idempotency_key},
};

use crate::{
    Request, WaitingRoom, ask, json,
    room::{Room, trouble},
    standing::state_of,
};

static JOINS: LazyLock<Counter> = LazyLock::new(|| metrics::counter!("openrun_joins_total"));

/// The answer to a join.
#[derive(Debug, Serialize)]
pub struct JoinedTicket {
    pub id: String,
    pub sale: SaleId,
    pub ticket: String,
    pub number: u64,
    pub state: TicketState,
    pub joined_at: Timestamp,
    #[serde(skip)]
    pub is_new: bool,
}

/// Whose join it is, and whether a cookie said so.
pub struct Joiner {
    pub session: SessionId,
    pub by_cookie: bool,
}

/// Joins the line: a session gets its place, the same one forever.
#[utoipa::path(post, path = "/v1/sales/{sale}/tickets", tag = "line", params(("sale" = String, Path),
    ("Idempotency-Key" = Option<String>, Header, description = "names the session of a client without cookies")),
    responses((status = 201, description = "A new ticket"), (status = 200, description = "The ticket that the session has"),
        (status = 409, description = "sale_not_open"), (status = 410, description = "sale_closed, sold_out"),
        (status = 429, description = "rate_limited")))]
pub async fn join(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    let joiner = joiner(door, sale, request)?;
    let joined = take_place(door, sale, &joiner, request).await?;
    let status = if joined.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &joined);
    set_cookies(door, sale, &joiner, &joined.ticket, &mut response);
    let location = format!("/v1/sales/{sale}/tickets/self");
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The session cookie first; else the one that the idempotency key names; else a new one.
pub fn joiner(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Joiner, Problem> {
    let headers = &request.parts.headers;
    if let Some(session) = door.site.session(headers) {
        return Ok(Joiner { session, by_cookie: true });
    }
    let session = if headers.contains_key(IDEMPOTENCY_KEY) {
        session_of_key(&door.keys.sessions, sale, idempotency_key(headers)?)
    } else {
        SessionId::random()
    };
    Ok(Joiner { session, by_cookie: false })
}

/// The cookies that make the next page or poll cheap.
pub fn set_cookies<B>(door: &WaitingRoom, sale: &SaleId, joiner: &Joiner, ticket: &str, response: &mut Response<B>) {
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, door.site.set_session(&joiner.session));
    headers.append(header::SET_COOKIE, door.site.set_ticket(sale, ticket));
}

/// Finds the session's place or gives it the next one.
pub async fn take_place(
    door: &WaitingRoom,
    sale: &SaleId,
    joiner: &Joiner,
    request: Request<'_>,
) -> Result<JoinedTicket, Problem> {
    door.site.check_origin(&request.parts.method, &request.parts.headers)?;
    let room = door.rooms.room(sale).await?;
    check_open(door, &room)?;
    door.budget.spend(&door.site, request.peer, &request.parts.headers)?;
    let carried = ask::own_ticket(door, sale, &joiner.session, request);
    let buyer = joiner.session.buyer();
    let answer = room
        .joins
        .ask(JoinRequest { buyer, ticket: carried.as_ref().map(|asked| asked.carried().1) })
        .await
        .map_err(|fault| trouble(&fault))?;
    JOINS.increment(1);
    let (number, joined_at, state, is_new) = match answer {
        JoinOutcome::New { number, joined_at } => (number, joined_at, TicketState::Waiting, true),
        JoinOutcome::Existing { number, joined_at, status } => {
            let at = joined_at.or_else(|| carried.as_ref().map(|asked| asked.ticket.joined_at));
            (number, at.unwrap_or_else(|| earliest(&room)), state_of(status), false)
        }
        JoinOutcome::AllocationReached => return Err(Code::StoreUnavailable.into()),
    };
    let kept = carried.filter(|asked| asked.ticket.number == number && asked.ticket.bound == joiner.by_cookie);
    let (ticket, text) = match kept {
        Some(asked) => (asked.ticket, asked.text.to_owned()),
        None => sign(door, &room, joiner, &Place { number, buyer, joined_at }),
    };
    Ok(JoinedTicket {
        id: ticket.id(),
        sale: sale.clone(),
        ticket: text,
        number,
        state,
        joined_at: ticket.joined_at,
        is_new,
    })
}

/// When a joiner of a lost life came at the earliest: the same for every ask, so that the ticket stays the same.
fn earliest(room: &Room) -> Timestamp {
    let sale = &room.edition().known.sale;
    sale.opens_at.max(sale.created_at)
}

struct Place {
    number: u64,
    buyer: BuyerId,
    joined_at: Timestamp,
}

fn sign(door: &WaitingRoom, room: &Room, joiner: &Joiner, place: &Place) -> (Ticket, String) {
    let key = room.key();
    let ticket = Ticket {
        sale: key.sale,
        number: place.number,
        buyer: place.buyer,
        epoch: key.epoch,
        joined_at: place.joined_at,
        bound: joiner.by_cookie,
    };
    let text = ticket.sign(&door.keys.tickets);
    (ticket, text)
}

/// Why the line takes nobody, where it does not.
pub fn refusal(door: &WaitingRoom, room: &Room, request: Request<'_>) -> Option<Problem> {
    let same_site = door.site.check_origin(&request.parts.method, &request.parts.headers);
    same_site.and_then(|()| check_open(door, room)).err()
}

/// Whether the line takes people now.
pub fn check_open(door: &WaitingRoom, room: &Room) -> Result<(), Problem> {
    let now = door.database.now();
    match room.state(now) {
        SaleState::Open | SaleState::Paused => Ok(()),
        SaleState::SoldOut => Err(Code::SoldOutForGood.into()),
        SaleState::Closed | SaleState::Draining => Err(Code::SaleClosed.into()),
        SaleState::Scheduled | SaleState::Lobby => {
            let seconds = room.edition().known.sale.opens_at.millis_since(now).div_euclid(1000).saturating_add(1);
            Err(Problem::from(Code::SaleNotOpen).retry_after(u32::try_from(seconds).unwrap_or(u32::MAX)))
        }
    }
}
