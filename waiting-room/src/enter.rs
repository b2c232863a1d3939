//! Enter: a called ticket becomes a pass, one per ticket ever.

use http::{Response, StatusCode, header};
use sale::{Pass, SaleId, SaleState, Ticket, Timestamp, sale::Place};
use serde::Serialize;
use stores::queue_store::{EnterRequest, TicketStatus};
use utoipa::ToSchema;
use web::{ApiError, Body, ErrorCode, SameOrigin, Visitor};

use crate::{
    WaitingRoom, auth, json,
    sale_queue::{PassOutcome, PassRequest, SaleQueue},
};

/// The Retry-After of a ticket that is not called yet.
const RETRY_AFTER_SECONDS: u32 = 2;

#[derive(Debug, Serialize, ToSchema)]
struct GivenPass {
    id: sale::PassId,
    pass: String,
    expires_at: Timestamp,
}

/// The pass of a ticket, issued now or before.
pub struct IssuedPass {
    pub pass: Pass,
    pub token: String,
    /// Whether this request made the pass.
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
pub async fn enter(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let queue = app.queues.open(sale).await?;
    let presented = auth::ticket(app, sale, visitor)?;
    let issued = issue_pass(app, &queue, &presented.ticket, same_origin).await?;
    let status = if issued.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let cookie = app.site.set_pass(sale, &issued.token);
    let document = GivenPass { id: issued.pass.id, pass: issued.token, expires_at: issued.pass.expires_at };
    let mut response = json(status, &document);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// Admits the ticket if it is called, and signs its pass once the pass's row is committed.
pub async fn issue_pass(
    app: &WaitingRoom,
    queue: &SaleQueue,
    ticket: &Ticket,
    _: SameOrigin,
) -> Result<IssuedPass, ApiError> {
    let now = app.database.now();
    if queue.cache.state(now) == SaleState::Closed {
        return Err(ErrorCode::SaleClosed.into());
    }
    let pass_seconds = i64::from(queue.cache.snapshot().stocked.sale.pass_seconds);
    // A pass has whole seconds, and so has its row.
    let issued_at = Timestamp::from_millis(now.as_seconds().saturating_mul(1000));
    let enter = EnterRequest {
        place: Place { buyer: ticket.buyer, number: ticket.number },
        ticket_epoch: ticket.epoch,
        pass: ticket.pass_id(),
        expires_at: issued_at.plus_seconds(pass_seconds),
    };
    let outcome = queue.pass_requests.submit(PassRequest { enter, bound: ticket.bound, issued_at }).await;
    match outcome? {
        PassOutcome::Issued { pass, is_new } => {
            let token = app.passes.sign(&pass).map_err(|error| {
                tracing::error!(%error, "cannot sign a pass");
                ErrorCode::Internal
            })?;
            metrics::counter!("openrun_passes_total").increment(u64::from(is_new));
            Ok(IssuedPass { pass, token, is_new })
        }
        PassOutcome::Refused => {
            tracing::error!(ticket.number, "the database has another pass for this ticket");
            Err(ErrorCode::Internal.into())
        }
        PassOutcome::NotCalled(status) => {
            tracing::trace!(?status, "not called yet");
            Err(ApiError::from(ErrorCode::NotCalled).retry_after(RETRY_AFTER_SECONDS))
        }
        PassOutcome::Gone(status) => Err(ApiError::from(ErrorCode::TicketGone).detail(gone_detail(status))),
    }
}

const fn gone_detail(status: TicketStatus) -> &'static str {
    match status {
        TicketStatus::Consumed { .. } => "The pass of this ticket was used for an order.",
        TicketStatus::Left => "The holder of this ticket left the line.",
        _ => "The holder of this ticket missed both calls.",
    }
}
