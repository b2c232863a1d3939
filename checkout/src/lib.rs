//! The checkout: from a pass to a paid order.
//!
//! A buyer [reserves](reserve), [pays](pay) or [cancels](cancel), and looks at the [order]. What follows happens in
//! loops that may run in several processes: the [payments] worker talks to the provider, the [stock] worker lets units
//! and orders follow, [reconcile] frees what a crash left in the gate, the [guard] fills a lost gate again, and [mail]
//! tells the buyer. [`verify`] compares all of it.

pub mod cancel;
pub mod guard;
pub mod http;
pub mod mail;
pub mod new_sale;
pub mod order;
pub mod pay;
pub mod payments;
pub mod reconcile;
pub mod refusal;
pub mod relay;
pub mod reserve;
pub mod stock;
pub mod verify;

pub use order::OrderView;
pub use refusal::{FieldError, Refusal};
pub use reserve::{Reserve, Reserved, Reserver};
