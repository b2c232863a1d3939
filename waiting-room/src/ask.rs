//! Who is at the door: the session, the ticket it carries, and the place that the ticket names.

use sale::{BuyerId, SaleId, SessionId, Ticket};
use stores::queue_store::TicketClaims;
use web::{Code, Problem, asking::bearer};

use crate::{Request, WaitingRoom};

/// The ticket of a request, with the text that carried it.
pub struct Asked<'r> {
    pub ticket: Ticket,
    pub text: &'r str,
}

impl Asked<'_> {
    pub fn carried(&self) -> (BuyerId, TicketClaims) {
        (self.ticket.buyer, TicketClaims { number: self.ticket.number, epoch: self.ticket.epoch })
    }
}

/// Reads the ticket of a request: a bearer token, or the cookie of this sale together with its session.
pub fn ticket<'r>(door: &WaitingRoom, sale: &SaleId, request: Request<'r>) -> Result<Asked<'r>, Problem> {
    let headers = &request.parts.headers;
    let session = door.site.session(headers);
    let (text, by_cookie) = match bearer(headers) {
        Some(text) => (text, false),
        None => (door.site.ticket(headers, sale).ok_or(Code::TicketMissing)?, true),
    };
    let ticket = Ticket::verify(&door.keys.tickets, text).ok_or(Code::TicketInvalid)?;
    if ticket.sale != *sale {
        return Err(Code::WrongSale.into());
    }
    let needs_session = by_cookie || ticket.bound;
    if needs_session && session.map(|session| session.buyer()) != Some(ticket.buyer) {
        return Err(Code::WrongSession.into());
    }
    Ok(Asked { ticket, text })
}

/// The ticket that a joining session may carry: one of its own, of this sale. Anything else is as if there were none.
pub fn own_ticket<'r>(
    door: &WaitingRoom,
    sale: &SaleId,
    session: &SessionId,
    request: Request<'r>,
) -> Option<Asked<'r>> {
    let headers = &request.parts.headers;
    let text = bearer(headers).or_else(|| door.site.ticket(headers, sale))?;
    let ticket = Ticket::verify(&door.keys.tickets, text)?;
    (ticket.sale == *sale && ticket.buyer == session.buyer()).then_some(Asked { ticket, text })
}
