//! Whose place in line a request is about: the ticket that it carries, and the session that the ticket may be bound to.

use sale::{BuyerId, SaleId, SessionId, Ticket};
use stores::queue_store::TicketClaims;
use web::{ApiError, ErrorCode, Visitor};

use crate::WaitingRoom;

/// The verified ticket of a request, with the text that carried it.
pub struct PresentedTicket<'r> {
    pub ticket: Ticket,
    pub text: &'r str,
}

impl PresentedTicket<'_> {
    pub fn carried(&self) -> (BuyerId, TicketClaims) {
        (self.ticket.buyer, TicketClaims { number: self.ticket.number, epoch: self.ticket.epoch })
    }
}

/// Reads the ticket of a request: a bearer token, or the cookie of this sale together with its session.
pub fn ticket<'r>(door: &WaitingRoom, sale: &SaleId, visitor: Visitor<'r>) -> Result<PresentedTicket<'r>, ApiError> {
    let (text, by_cookie) = match visitor.bearer() {
        Some(text) => (text, false),
        None => (visitor.ticket_cookie(sale).ok_or(ErrorCode::TicketMissing)?, true),
    };
    let ticket = Ticket::verify(&door.keys.tickets, text).ok_or(ErrorCode::TicketInvalid)?;
    if ticket.sale != *sale {
        return Err(ErrorCode::WrongSale.into());
    }
    let needs_session = by_cookie || ticket.bound;
    if needs_session && visitor.buyer() != Some(ticket.buyer) {
        return Err(ErrorCode::WrongSession.into());
    }
    Ok(PresentedTicket { ticket, text })
}

/// The ticket that a joining session may carry: one of its own, of this sale. Anything else is as if there were none.
pub fn own_ticket<'r>(
    door: &WaitingRoom,
    sale: &SaleId,
    session: &SessionId,
    visitor: Visitor<'r>,
) -> Option<PresentedTicket<'r>> {
    let text = visitor.bearer().or_else(|| visitor.ticket_cookie(sale))?;
    let ticket = Ticket::verify(&door.keys.tickets, text)?;
    (ticket.sale == *sale && ticket.buyer == session.buyer()).then_some(PresentedTicket { ticket, text })
}
