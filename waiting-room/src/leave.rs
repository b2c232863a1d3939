//! Leave: the place is given up; the next in line moves up.

use http::{Response, StatusCode};
use sale::{SaleId, Ticket, sale::Place};
use stores::{database::passes, queue_store::TicketStatus};
use web::{ApiError, Body, SameOrigin, Visitor};

use crate::{WaitingRoom, auth, room::Room};

/// Leaves the line.
#[utoipa::path(
    delete,
    path = "/v1/sales/{sale}/tickets/self",
    operation_id = "leave",
    tag = "line",
    params(("sale" = SaleId, Path)),
    responses((status = 204, description = "The place is given up"))
)]
pub async fn leave(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'_>) -> Result<Response<Body>, ApiError> {
    let same_origin = visitor.same_origin()?;
    let room = door.rooms.room(sale).await?;
    let presented = auth::ticket(door, sale, visitor)?;
    give_up(door, &room, &presented.ticket, same_origin).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Gives the ticket's place up. Who is inside gives the pass back too; who has ordered keeps the order.
pub async fn give_up(door: &WaitingRoom, room: &Room, ticket: &Ticket, _: SameOrigin) -> Result<(), ApiError> {
    let place = Place { buyer: ticket.buyer, number: ticket.number };
    let had = door.queue_store().leave(&room.key(), &[place], door.database.now()).await?;
    if had.first() == Some(&TicketStatus::Admitted) {
        passes::end(&door.database, &ticket.sale, ticket.number).await?;
    }
    if !matches!(had.first(), Some(TicketStatus::Consumed { .. })) {
        room.remember_left(ticket.number);
    }
    metrics::counter!("openrun_leaves_total").increment(1);
    Ok(())
}
