//! The checkout: the seller's sales, and the way from a pass to a paid order.
//!
//! A buyer [reserves](reserve), [pays](pay) or [cancels](cancel), and looks at the [order]. What follows happens in
//! loops that may run in several processes: the [relay] puts events on the log, the [payments] worker talks to the
//! provider, the [stock] worker lets units and orders follow, [reconcile] frees what a crash left in the gate,
//! [`queue_recovery`] restores a lost queue, and [mail] notifies the buyer. [`verify`] compares all of it. Everything
//! that is requested over HTTP is in [http].

pub mod sale_input;

pub mod reserve;

pub mod pay;

pub mod cancel;

pub mod order;

pub mod relay;

pub mod payments;

pub mod settle;

pub mod stock;

pub mod reconcile;

pub mod queue_recovery;

pub mod mail;

pub mod verify;

pub mod http;

pub mod error;

pub use error::CheckoutError;
pub use order::OrderView;
pub use pay::PaymentRequester;
pub use reserve::{ReserveRequest, ReservedOrder, Reserver};
