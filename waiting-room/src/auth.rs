//! The ticket that a request presents, and the session that the ticket may be bound to.

use sale::{BuyerId, SaleId, SessionId, Ticket};
use stores::queue_store::TicketClaims;
use web::{ApiError, ErrorCode, Visitor};

use crate::WaitingRoom;

/// A verified ticket with the token that the request presented.
pub struct PresentedTicket<'r> {
    pub ticket: Ticket,
    pub token: &'r str,
}

impl PresentedTicket<'_> {
    /// What the queue store decides by.
    pub fn claims(&self) -> (BuyerId, TicketClaims) {
        (self.ticket.buyer, TicketClaims { number: self.ticket.number, epoch: self.ticket.epoch })
    }
}

/// Reads the ticket of a request: a bearer token, or the cookie of this sale together with its session.
pub fn ticket<'r>(app: &WaitingRoom, sale: &SaleId, visitor: Visitor<'r>) -> Result<PresentedTicket<'r>, ApiError> {
    let (token, by_cookie) = match visitor.bearer() {
        Some(token) => (token, false),
        None => (visitor.ticket_cookie(sale).ok_or(ErrorCode::TicketMissing)?, true),
    };
    let ticket = Ticket::verify(&app.keys.tickets, token).ok_or(ErrorCode::TicketInvalid)?;
    if ticket.sale != *sale {
        return Err(ErrorCode::WrongSale.into());
    }
    let needs_session = by_cookie || ticket.bound;
    if needs_session && visitor.buyer() != Some(ticket.buyer) {
        return Err(ErrorCode::WrongSession.into());
    }
    Ok(PresentedTicket { ticket, token })
}

/// The ticket that a joining session presents, if it is its own and of this sale; any other one is ignored.
pub fn own_ticket<'r>(
    app: &WaitingRoom,
    sale: &SaleId,
    session: &SessionId,
    visitor: Visitor<'r>,
) -> Option<PresentedTicket<'r>> {
    let token = visitor.bearer().or_else(|| visitor.ticket_cookie(sale))?;
    let ticket = Ticket::verify(&app.keys.tickets, token)?;
    (ticket.sale == *sale && ticket.buyer == session.buyer()).then_some(PresentedTicket { ticket, token })
}
