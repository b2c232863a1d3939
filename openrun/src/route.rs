//! A route, as the router's table names it.

use axum::routing::MethodRouter;
use checkout::http::AppState;
use utoipa::openapi::{Paths, RefOr, Schema};
use web::Access;

/// Which processes answer a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedBy {
    WaitingRoom,
    Checkout,
    /// Whatever its roles are.
    Every,
}

/// A route of the program.
pub struct Route {
    pub method: &'static str,
    /// Ids stand in braces.
    pub path: &'static str,
    pub served_by: ServedBy,
    pub access: Access,
    pub(crate) handler: Handler,
}

pub(crate) enum Handler {
    /// [`waiting_room::WaitingRoom`] or the listener.
    ByHand,
    Page(MethodRouter<AppState>),
    /// A call with its description.
    Api(MethodRouter<AppState>, Operation),
}

/// What utoipa knows of a handler: the schemas that it names, and itself.
pub type Operation = (Vec<(String, RefOr<Schema>)>, Paths);

impl Route {
    /// Takes the description of a call out of its route.
    pub(crate) fn take_operation(&mut self) -> Option<Operation> {
        match std::mem::replace(&mut self.handler, Handler::ByHand) {
            Handler::Api(_, operation) => Some(operation),
            Handler::ByHand | Handler::Page(_) => None,
        }
    }
}
