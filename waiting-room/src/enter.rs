//! Enter: a called ticket becomes a pass, one per ticket ever.

use http::{Response, StatusCode, header};
use sale::{Pass, SaleId, SaleState, Ticket, Timestamp, sale::Place};
use serde::Serialize;
use stores::queue_store::{EnterRequest, TicketStatus};
use utoipa::ToSchema;
use web::{ApiError, Body, ErrorCode, SameOrigin, Visitor};

use crate::{
    WaitingRoom, auth, json,
    room::{PassOutcome, PassRequest, Room},
};

/// How often a ticket that is not called may ask to enter again.
const ASK_AGAIN_SECONDS: u32 = 2;

#[derive(Debug, Serialize, ToSchema)]
struct GivenPass {
    id: sale::PassId,
    pass: String,
    expires_at: Timestamp,
}

/// A pass that was given, now or before.
pub struct Given {
    pub pass: Pass,
    pub text: String,
    pub is_new: bool,
}

/// Enters: a called ticket becomes a pass.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale}/passes",
    operation_id = "enter",
    tag = "line",
    params(("sale" = SaleId, Path)),
    responses(
        (status = 201, description = "The pass", body = GivenPass),
        (status = 200, description = "The same pass again", body = GivenPass),
        (status = 409, description = "not_called"),
        (status = 410, description = "ticket_gone, sale_closed")
    )
)]
pub async fn enter(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let room = door.rooms.room(sale).await?;
    let presented = auth::ticket(door, sale, visitor)?;
    let given = issue_pass(door, &room, &presented.ticket, same_origin).await?;
    let status = if given.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let cookie = door.site.set_pass(sale, &given.text);
    let document = GivenPass { id: given.pass.id, pass: given.text, expires_at: given.pass.expires_at };
    let mut response = json(status, &document);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Lets the ticket in.
pub async fn issue_pass(door: &WaitingRoom, room: &Room, ticket: &Ticket, _: SameOrigin) -> Result<Given, ApiError> {
    let now = door.database.now();
    if room.state(now) == SaleState::Closed {
        return Err(ErrorCode::SaleClosed.into());
    }
    let pass_seconds = i64::from(room.edition().known.sale.pass_seconds);
    // Passes carry whole seconds; the row says the same.
    let issued_at = Timestamp::from_millis(now.as_seconds().saturating_mul(1000));
    let enter = EnterRequest {
        place: Place { buyer: ticket.buyer, number: ticket.number },
        ticket_epoch: ticket.epoch,
        pass: ticket.pass_id(),
        expires_at: issued_at.plus_seconds(pass_seconds),
    };
    let came = room.pass_requests.submit(PassRequest { enter, bound: ticket.bound, issued_at }).await;
    match came? {
        PassOutcome::In(pass, is_new) => {
            let text = door.passes.sign(&pass).map_err(|fault| {
                tracing::error!(%fault, "a pass could not be signed");
                ErrorCode::Internal
            })?;
            metrics::counter!("openrun_passes_total").increment(u64::from(is_new));
            Ok(Given { pass, text, is_new })
        }
        PassOutcome::NotCalled(status) => {
            tracing::trace!(?status, "not called yet");
            Err(ApiError::from(ErrorCode::NotCalled).retry_after(ASK_AGAIN_SECONDS))
        }
        PassOutcome::Gone(status) => Err(ApiError::from(ErrorCode::TicketGone).detail(why_gone(status))),
    }
}

const fn why_gone(status: TicketStatus) -> &'static str {
    match status {
        TicketStatus::Consumed { .. } => "Its pass was used for an order.",
        TicketStatus::Left => "Its holder left the line.",
        _ => "Both calls were missed.",
    }
}
