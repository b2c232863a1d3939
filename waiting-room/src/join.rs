//! Join: a session gets a number in the queue, always the same one.

use std::sync::LazyLock;

use http::{HeaderValue, Response, StatusCode, header};
use metrics::Counter;
use sale::{SaleId, SaleState, SessionId, Ticket, Timestamp, standing::TicketState, ticket::session_of_key};
use serde::Serialize;
use stores::queue_store::{JoinOutcome, JoinRequest, QueueKey};
use utoipa::ToSchema;
use web::{ApiError, Body, ErrorCode, SameOrigin, Visitor, paths};

use crate::{WaitingRoom, auth, json, sale_queue::QueueCache, standing::state_of};

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

/// The session that joins.
pub struct Joiner {
    pub session: SessionId,
    /// Whether the session cookie named it; then the ticket counts only together with that cookie.
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
pub async fn join(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let joiner = joiner(app, sale, visitor)?;
    let joined = join_queue(app, sale, &joiner, visitor, same_origin).await?;
    let status = if joined.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &joined);
    set_cookies(app, sale, &joiner, &joined.ticket, &mut response);
    if let Ok(location) = HeaderValue::try_from(paths::api::own_ticket(sale)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// The session of the cookie; else the one that is derived from the idempotency key; else a new one.
pub fn joiner(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Joiner, ApiError> {
    if let Some(session) = visitor.session() {
        return Ok(Joiner { session, by_cookie: true });
    }
    let session = if visitor.has_idempotency_key() {
        session_of_key(&app.keys.sessions, sale, visitor.idempotency_key()?)
    } else {
        SessionId::random()
    };
    Ok(Joiner { session, by_cookie: false })
}

/// Sets the cookies of the session and its ticket.
pub fn set_cookies<B>(app: &WaitingRoom, sale: &SaleId, joiner: &Joiner, token: &str, response: &mut Response<B>) {
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, app.site.set_session(&joiner.session));
    headers.append(header::SET_COOKIE, app.site.set_ticket(sale, token));
}

/// Finds the session's place in the queue or gives it the next number.
pub async fn join_queue(
    app: &WaitingRoom,
    sale: &SaleId,
    joiner: &Joiner,
    visitor: Visitor<'_>,
    _: SameOrigin,
) -> Result<JoinedTicket, ApiError> {
    let queue = app.queues.open(sale).await?;
    check_open(app, &queue.cache)?;
    app.join_rate_limiter.check(visitor.client_ip())?;
    let presented = auth::own_ticket(app, sale, &joiner.session, visitor);
    let buyer = joiner.session.buyer();
    let claims = presented.as_ref().map(|presented| presented.claims().1);
    let outcome = queue.joins.submit(JoinRequest { buyer, ticket: claims }).await?;
    JOINS.increment(1);
    let (number, joined_at, state, is_new) = match outcome {
        JoinOutcome::New { number, joined_at } => (number, joined_at, TicketState::Waiting, true),
        JoinOutcome::Existing { number, joined_at, status } => {
            let joined_at = joined_at.or_else(|| presented.as_ref().map(|presented| presented.ticket.joined_at));
            (number, joined_at.unwrap_or_else(|| earliest_join(&queue.cache)), state_of(status), false)
        }
        JoinOutcome::AllocationReached => return Err(ErrorCode::StoreUnavailable.into()),
    };
    let still_valid =
        presented.filter(|presented| presented.ticket.number == number && presented.ticket.bound == joiner.by_cookie);
    let (ticket, token) = if let Some(presented) = still_valid {
        (presented.ticket, presented.token.to_owned())
    } else {
        let QueueKey { sale, epoch, .. } = queue.cache.key();
        let ticket = Ticket { sale, number, buyer, epoch, joined_at, bound: joiner.by_cookie };
        let token = ticket.sign(&app.keys.tickets);
        (ticket, token)
    };
    Ok(JoinedTicket {
        id: ticket.id(),
        sale: sale.clone(),
        ticket: token,
        number,
        state,
        joined_at: ticket.joined_at,
        is_new,
    })
}

/// The join time of a place whose own one was lost with its epoch: the earliest possible one. It is the same for every
/// request, so that the ticket stays the same.
fn earliest_join(cache: &QueueCache) -> Timestamp {
    let sale = &cache.snapshot().stocked.sale;
    sale.opens_at.max(sale.created_at)
}

/// The error of a join that needs no store to be refused.
pub fn refusal(app: &WaitingRoom, cache: &QueueCache, visitor: Visitor<'_>) -> Option<ApiError> {
    visitor.same_origin().and_then(|_| check_open(app, cache)).err()
}

/// Checks that the queue can be joined now.
///
/// # Errors
/// 409 before the opening, 410 when the sale is over or sold out.
pub fn check_open(app: &WaitingRoom, cache: &QueueCache) -> Result<(), ApiError> {
    let now = app.database.now();
    match cache.state(now) {
        SaleState::Open | SaleState::Paused => Ok(()),
        SaleState::SoldOut => Err(ErrorCode::SoldOutForGood.into()),
        SaleState::Closed | SaleState::Draining => Err(ErrorCode::SaleClosed.into()),
        SaleState::Scheduled | SaleState::Lobby => {
            let seconds = cache.snapshot().stocked.sale.opens_at.millis_since(now).div_euclid(1000).saturating_add(1);
            Err(ApiError::from(ErrorCode::SaleNotOpen).retry_after(u32::try_from(seconds).unwrap_or(u32::MAX)))
        }
    }
}
