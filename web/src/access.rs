//! Who may call a route.

/// What a caller must show. Each route has one; [`ApiError`](crate::ApiError) refuses everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Anyone,
    /// The ticket of a place in this sale's line.
    Ticket,
    /// A pass of this sale.
    Pass,
    /// The session, ticket or pass that placed the order; or what a seller shows.
    Buyer,
    /// A token of a seller or operator, or a signed-in console.
    Seller,
    /// The same of an operator.
    Operator,
    /// A connection from this machine, which no proxy on it forwards.
    Loopback,
}
