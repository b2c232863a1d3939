//! Whoever sends a request.

use std::net::SocketAddr;

use http::{HeaderMap, Method, Uri, request::Parts};
use sale::{BuyerId, Language, SaleId, SessionId};

use super::{Site, client_ip::ClientIp, credentials, csrf::SameOrigin, trace};
use crate::error::ApiError;

/// The head of a request, with one method for each thing that it can say about its sender.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'r> {
    pub site: &'r Site,
    pub method: &'r Method,
    pub uri: &'r Uri,
    pub headers: &'r HeaderMap,
    /// The other end of the connection: the client or a proxy.
    pub peer: SocketAddr,
}

impl<'r> Visitor<'r> {
    pub fn new(site: &'r Site, parts: &'r Parts, peer: SocketAddr) -> Self {
        Self { site, method: &parts.method, uri: &parts.uri, headers: &parts.headers, peer }
    }

    /// The session of the cookie; `None` without one, or with one that this site has not set.
    pub fn session(self) -> Option<SessionId> {
        self.site.session_cookie(self.headers)
    }

    /// The buyer of the session.
    pub fn buyer(self) -> Option<BuyerId> {
        self.session().map(|session| session.buyer())
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(self) -> Option<&'r str> {
        credentials::bearer(self.headers)
    }

    /// The cookie with the ticket of this sale.
    pub fn ticket_cookie(self, sale: &SaleId) -> Option<&'r str> {
        self.site.ticket_cookie(self.headers, sale)
    }

    /// The cookie with the pass of this sale.
    pub fn pass_cookie(self, sale: &SaleId) -> Option<&'r str> {
        self.site.pass_cookie(self.headers, sale)
    }

    /// The cookie of a signed-in console.
    pub fn console_cookie(self) -> Option<&'r str> {
        self.site.console_cookie(self.headers)
    }

    pub fn has_idempotency_key(self) -> bool {
        self.headers.contains_key(credentials::IDEMPOTENCY_KEY)
    }

    /// The client's name for an action: 1 to 255 printable characters.
    pub fn idempotency_key(self) -> Result<&'r str, ApiError> {
        credentials::idempotency_key(self.headers)
    }

    pub fn language(self) -> Language {
        self.site.language(self.headers, self.uri.query())
    }

    /// Proof that a write comes from this site's own pages or from a program.
    pub fn same_origin(self) -> Result<SameOrigin, ApiError> {
        SameOrigin::check(self.site, self.headers)
    }

    pub fn client_ip(self) -> ClientIp {
        self.site.client_ip(self.peer, self.headers)
    }

    /// The W3C trace id, or a new one.
    pub fn trace_id(self) -> String {
        trace::trace_id(self.headers)
    }
}
