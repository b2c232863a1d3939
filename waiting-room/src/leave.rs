//! Leave: a buyer gives the place in the queue up.

use http::{Response, StatusCode};
use sale::{SaleId, Ticket, sale::Place};
use stores::{database::passes, queue_store::TicketStatus};
use web::{ApiError, Body, SameOrigin, Visitor};

use crate::{WaitingRoom, auth, sale_queue::QueueCache};

/// Leaves the line.
#[utoipa::path(
    delete,
    path = "/v1/sales/{sale}/tickets/self",
    operation_id = "leave",
    tag = "line",
    params(("sale" = SaleId, Path)),
    responses((status = 204, description = "The place is given up"))
)]
pub async fn leave(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let queue = app.queues.open(sale).await?;
    let presented = auth::ticket(app, sale, visitor)?;
    leave_queue(app, &queue.cache, &presented.ticket, same_origin).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Gives the ticket's place up, together with an unused pass. An order that was placed with it stays.
pub async fn leave_queue(
    app: &WaitingRoom,
    cache: &QueueCache,
    ticket: &Ticket,
    _: SameOrigin,
) -> Result<(), ApiError> {
    let place = Place { buyer: ticket.buyer, number: ticket.number };
    let before = app.queue_store().leave(&cache.key(), &[place], app.database.now()).await?;
    if before.first() == Some(&TicketStatus::Admitted) {
        passes::end(&app.database, &ticket.sale, ticket.number).await?;
    }
    if !matches!(before.first(), Some(TicketStatus::Consumed { .. })) {
        cache.mark_departed(ticket.number);
    }
    metrics::counter!("openrun_leaves_total").increment(1);
    Ok(())
}
