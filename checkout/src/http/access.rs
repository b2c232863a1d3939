//! Who may call a handler, as its first argument.
//!
//! Each type here lets a request through or refuses it, and is named by an [`Access`]. [`read`] and [`write`] make a route of
//! a handler only when its first argument is the guard that the router names, for a write inside a [`Write`]: a handler that
//! needs a seller cannot be registered without one.

use axum::{
    extract::FromRequestParts,
    handler::Handler,
    routing::{MethodFilter, MethodRouter, on},
};
use futures::{FutureExt as _, future::BoxFuture};
use http::request::Parts;
use sale::{
    BuyerId, OrderId, Pass, SaleId, Ticket,
    pass::BadPass,
    secret::hash_of,
    token::{self, Authority},
};
use stores::database::{
    orders::{self, Order},
    sellers,
};
use web::{Access, ApiError, ErrorCode, SameOrigin, Visitor};

use super::{
    AppState,
    extract::{Path, visitor},
    load_sale,
};

/// An argument that only some callers can provide.
pub trait Guard: FromRequestParts<AppState, Rejection = ApiError> {
    const ACCESS: Access;
}

/// The arguments of a handler whose first one is `G`.
pub trait StartsWith<G> {}

macro_rules! starts_with {
    ($($rest:ident),*) => { impl<M, G, $($rest),*> StartsWith<G> for (M, G, $($rest),*) {} };
}

starts_with!();
starts_with!(A);
starts_with!(A, B);
starts_with!(A, B, C);
starts_with!(A, B, C, D);
starts_with!(A, B, C, D, E);

/// A route that reads.
pub fn read<G, H, T>(method: MethodFilter, handler: H) -> MethodRouter<AppState>
where
    G: Guard,
    H: Handler<T, AppState>,
    T: StartsWith<G> + 'static,
{
    on(method, handler)
}

/// A route that writes.
pub fn write<G, H, T>(method: MethodFilter, handler: H) -> MethodRouter<AppState>
where
    G: Guard,
    H: Handler<T, AppState>,
    T: StartsWith<Write<G>> + 'static,
{
    on(method, handler)
}

/// A guard of a write: it refuses what another site's page made the browser send, whatever cookies that carries.
pub struct Write<G>(pub G);

impl<G: Guard> FromRequestParts<AppState> for Write<G> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        SameOrigin::check(&app.site, &parts.headers)?;
        G::from_request_parts(parts, app).await.map(Self)
    }
}

/// Lets everybody through.
pub struct Anyone;

impl Guard for Anyone {
    const ACCESS: Access = Access::Anyone;
}

impl FromRequestParts<AppState> for Anyone {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

/// In whose name a request is made. Lets everybody through: for what looks different to some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Anonymous,
    /// The browser session of somebody without an account.
    Buyer(BuyerId),
    Seller,
    Operator,
}

impl Principal {
    /// The bearer of a token, the session of the console, or that of a buyer.
    async fn of(visitor: Visitor<'_>, app: &AppState) -> Self {
        match caller(visitor, app).await.map(|caller| caller.authority) {
            Ok(Authority::Operator) => Self::Operator,
            Ok(Authority::Seller) => Self::Seller,
            Err(_) => visitor.buyer().map_or(Self::Anonymous, Self::Buyer),
        }
    }

    /// Whether the seller's side is open to them.
    pub const fn is_seller(self) -> bool {
        matches!(self, Self::Seller | Self::Operator)
    }
}

impl Guard for Principal {
    const ACCESS: Access = Access::Anyone;
}

impl FromRequestParts<AppState> for Principal {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        Ok(Self::of(visitor(&app.site, parts), app).await)
    }
}

/// Somebody who may call the seller's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub authority: Authority,
    /// The hash of the address that signed in; `None` for a bearer token, which names nobody.
    pub person: Option<String>,
}

impl Caller {
    /// As the audit log names them: the person, or the role of a token.
    pub fn actor(&self) -> String {
        self.person.clone().unwrap_or_else(|| self.authority.as_str().to_owned())
    }
}

/// The seller or operator that the token of the request, or the session of its console, belongs to.
async fn caller(visitor: Visitor<'_>, app: &AppState) -> Result<Caller, ApiError> {
    let now = app.database.now();
    if let Some(token) = visitor.bearer() {
        let authority = token::verify(&app.keys.tokens, token, now).ok_or(ErrorCode::TokenInvalid)?;
        return Ok(Caller { authority, person: None });
    }
    let session = visitor.console_cookie().ok_or(ErrorCode::TokenMissing)?;
    let seller = sellers::of_session(&app.database, &hash_of(session), now).await?;
    let seller = seller.ok_or(ErrorCode::TokenInvalid)?;
    Ok(Caller { authority: seller.authority, person: Some(seller.email_hash) })
}

/// Lets sellers and operators through.
pub struct Seller(pub Caller);

impl Guard for Seller {
    const ACCESS: Access = Access::Seller;
}

impl FromRequestParts<AppState> for Seller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        caller(visitor(&app.site, parts), app).await.map(Self)
    }
}

/// Lets operators through.
pub struct Operator;

impl Guard for Operator {
    const ACCESS: Access = Access::Operator;
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        match caller(visitor(&app.site, parts), app).await?.authority {
            Authority::Operator => Ok(Self),
            Authority::Seller => Err(ErrorCode::NotAllowed.into()),
        }
    }
}

/// Lets the holder of a pass of the sale in the path through. Its time is not checked: an expired pass still finds the
/// order that it bought.
pub struct PassHolder(pub Pass);

impl Guard for PassHolder {
    const ACCESS: Access = Access::Pass;
}

impl FromRequestParts<AppState> for PassHolder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        Self::of(parts, app).await
    }
}

impl PassHolder {
    /// Boxed, so that it is compiled here and not with each handler.
    fn of<'a>(parts: &'a mut Parts, app: &'a AppState) -> BoxFuture<'a, Result<Self, ApiError>> {
        Self::read(parts, app).boxed()
    }

    async fn read(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let Path(sale) = Path::<String>::from_request_parts(parts, app).await?;
        let sale: SaleId = sale.parse().map_err(|_| ErrorCode::SaleNotFound)?;
        match pass(visitor(&app.site, parts), app, &sale) {
            Ok(pass) => Ok(Self(pass)),
            // That the sale does not exist is the better reason.
            Err(error) => Err(load_sale(app, sale.as_str()).await.err().unwrap_or(error)),
        }
    }
}

/// The pass of a request: a bearer token, or the cookie of this sale together with its session.
fn pass(visitor: Visitor<'_>, app: &AppState, sale: &SaleId) -> Result<Pass, ApiError> {
    let (text, by_cookie) = match visitor.bearer() {
        Some(text) => (text, false),
        None => (visitor.pass_cookie(sale).ok_or(ErrorCode::PassMissing)?, true),
    };
    let pass = app.passes.read(text).map_err(|_| ErrorCode::PassInvalid)?;
    if pass.sale != *sale {
        return Err(ErrorCode::WrongSale.into());
    }
    if (by_cookie || pass.bound) && visitor.buyer() != Some(pass.buyer) {
        return Err(ErrorCode::WrongSession.into());
    }
    match pass.check_time(app.database.now()) {
        Err(BadPass::Invalid) => Err(ErrorCode::PassInvalid.into()),
        Ok(()) | Err(BadPass::Expired) => Ok(pass),
    }
}

/// Lets the buyer of the order in the path through, and sellers. For everybody else there is no such order.
pub struct OwnOrder(pub Order);

impl Guard for OwnOrder {
    const ACCESS: Access = Access::Buyer;
}

impl FromRequestParts<AppState> for OwnOrder {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let Path(id) = Path::<String>::from_request_parts(parts, app).await?;
        let id = OrderId::parse(&id).ok_or(ErrorCode::OrderNotFound)?;
        let order = orders::view(&app.database, id).await?.ok_or(ErrorCode::OrderNotFound)?;
        let visitor = visitor(&app.site, parts);
        if is_own(visitor, app, &order) || Principal::of(visitor, app).await.is_seller() {
            Ok(Self(order))
        } else {
            Err(ErrorCode::OrderNotFound.into())
        }
    }
}

/// Whether the session, the ticket or the pass of the request placed the order.
fn is_own(visitor: Visitor<'_>, app: &AppState, order: &Order) -> bool {
    if visitor.buyer() == Some(order.buyer) {
        return true;
    }
    let Some(text) = visitor.bearer() else { return false };
    let by_ticket = Ticket::verify(&app.keys.tickets, text)
        .is_some_and(|ticket| ticket.sale == order.sale && ticket.buyer == order.buyer && !ticket.bound);
    by_ticket || app.passes.read(text).is_ok_and(|pass| Some(pass.id) == order.pass && !pass.bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_names_the_person_and_for_a_token_its_role() {
        let person = Caller { authority: Authority::Seller, person: Some("hash".to_owned()) };
        assert_eq!(person.actor(), "hash");
        assert_eq!(Caller { person: None, ..person }.actor(), "seller");
    }
}
