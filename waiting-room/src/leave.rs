//! Leave: the place is given up; the next in line moves up.

use http::{Response, StatusCode, header};
use sale::{SaleId, Ticket, sale::Place};
use stores::{database::passes, queue_store::TicketStatus};
use web::{Body, Problem};

use crate::{
    Request, WaitingRoom, ask,
    room::{Room, store_trouble},
};

/// Leaves the line.
#[utoipa::path(delete, path = "/v1/sales/{sale}/tickets/self", tag = "line", params(("sale" = String, Path)),
    security(("ticket" = [])), responses((status = 204, description = "The place is given up")))]
pub async fn leave(door: &WaitingRoom, sale: &SaleId, request: Request<'_>) -> Result<Response<Body>, Problem> {
    door.site.check_origin(&request.parts.method, &request.parts.headers)?;
    let room = door.rooms.room(sale).await?;
    let asked = ask::ticket(door, sale, request)?;
    give_up(door, &room, &asked.ticket).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Gives the ticket's place up. Who is inside gives the pass back too; who has ordered keeps the order.
pub async fn give_up(door: &WaitingRoom, room: &Room, ticket: &Ticket) -> Result<(), Problem> {
    let place = Place { buyer: ticket.buyer, number: ticket.number };
    let had = door
        .queue_store()
        .leave(&room.key(), &[place], door.database.now())
        .await
        .map_err(|fault| store_trouble(&fault))?;
    if had.first() == Some(&TicketStatus::Admitted) {
        passes::end(&door.database, &ticket.sale, ticket.number).await.map_err(|fault| store_trouble(&fault))?;
    }
    if !matches!(had.first(), Some(TicketStatus::Consumed { .. })) {
        room.remember_left(ticket.number);
    }
    metrics::counter!("openrun_leaves_total").increment(1);
    Ok(())
}

/// Takes the cookies of a place that was left.
pub fn clear_cookies<B>(door: &WaitingRoom, sale: &SaleId, response: &mut Response<B>) {
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, door.site.clear_ticket(sale));
    headers.append(header::SET_COOKIE, door.site.clear_pass(sale));
}
