//! Join: a session gets its place in the line, the same one forever.

use std::sync::LazyLock;

use http::{HeaderValue, Response, StatusCode, header};
use metrics::Counter;
use sale::{BuyerId, SaleId, SaleState, SessionId, Ticket, Timestamp, standing::TicketState, ticket::session_of_key};
use serde::Serialize;
use stores::queue_store::{JoinOutcome, JoinRequest};
use utoipa::ToSchema;
use web::{ApiError, Body, ErrorCode, SameOrigin, Visitor, paths};

use crate::{WaitingRoom, auth, json, room::Room, standing::state_of};

static JOINS: LazyLock<Counter> = LazyLock::new(|| metrics::counter!("openrun_joins_total"));

/// The answer to a join.
#[derive(Debug, Serialize, ToSchema)]
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
#[utoipa::path(
    post,
    path = "/v1/sales/{sale}/tickets",
    operation_id = "join",
    tag = "line",
    params(
        ("sale" = SaleId, Path),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]+$",
            description = "names the session of a client without cookies")
    ),
    responses(
        (status = 201, description = "A new ticket", body = JoinedTicket,
            headers(("Location" = String, description = "where the ticket stands"))),
        (status = 200, description = "The ticket that the session has", body = JoinedTicket),
        (status = 400, description = "idempotency_key_missing"),
        (status = 409, description = "sale_not_open"),
        (status = 410, description = "sale_closed, sold_out"),
        (status = 429, description = "rate_limited")
    )
)]
pub async fn join(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let joiner = joiner(door, sale, visitor)?;
    let joined = take_place(door, sale, &joiner, visitor, same_origin).await?;
    let status = if joined.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &joined);
    set_cookies(door, sale, &joiner, &joined.ticket, &mut response);
    if let Ok(location) = HeaderValue::try_from(paths::api::own_ticket(sale)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The session cookie first; else the one that the idempotency key names; else a new one.
pub fn joiner(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Joiner, ApiError> {
    if let Some(session) = visitor.session() {
        return Ok(Joiner { session, by_cookie: true });
    }
    let session = if visitor.has_idempotency_key() {
        session_of_key(&door.keys.sessions, sale, visitor.idempotency_key()?)
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
    visitor: Visitor<'_>,
    _: SameOrigin,
) -> Result<JoinedTicket, ApiError> {
    let room = door.rooms.room(sale).await?;
    check_open(door, &room)?;
    door.budget.spend(visitor.client_ip())?;
    let carried = auth::own_ticket(door, sale, &joiner.session, visitor);
    let buyer = joiner.session.buyer();
    let answer = room
        .joins
        .submit(JoinRequest { buyer, ticket: carried.as_ref().map(|presented| presented.carried().1) })
        .await?;
    JOINS.increment(1);
    let (number, joined_at, state, is_new) = match answer {
        JoinOutcome::New { number, joined_at } => (number, joined_at, TicketState::Waiting, true),
        JoinOutcome::Existing { number, joined_at, status } => {
            let at = joined_at.or_else(|| carried.as_ref().map(|presented| presented.ticket.joined_at));
            (number, at.unwrap_or_else(|| earliest(&room)), state_of(status), false)
        }
        JoinOutcome::AllocationReached => return Err(ErrorCode::StoreUnavailable.into()),
    };
    let kept =
        carried.filter(|presented| presented.ticket.number == number && presented.ticket.bound == joiner.by_cookie);
    let (ticket, text) = match kept {
        Some(presented) => (presented.ticket, presented.text.to_owned()),
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
pub fn refusal(door: &WaitingRoom, room: &Room, visitor: Visitor<'_>) -> Option<ApiError> {
    visitor.same_origin().and_then(|_| check_open(door, room)).err()
}

/// Whether the line takes people now.
pub fn check_open(door: &WaitingRoom, room: &Room) -> Result<(), ApiError> {
    let now = door.database.now();
    match room.state(now) {
        SaleState::Open | SaleState::Paused => Ok(()),
        SaleState::SoldOut => Err(ErrorCode::SoldOutForGood.into()),
        SaleState::Closed | SaleState::Draining => Err(ErrorCode::SaleClosed.into()),
        SaleState::Scheduled | SaleState::Lobby => {
            let seconds = room.edition().known.sale.opens_at.millis_since(now).div_euclid(1000).saturating_add(1);
            Err(ApiError::from(ErrorCode::SaleNotOpen).retry_after(u32::try_from(seconds).unwrap_or(u32::MAX)))
        }
    }
}
