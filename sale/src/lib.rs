//! The domain of Openrun: pure types and rules, no I/O.
//!
//! A [`Sale`] is what people queue for. A [`Ticket`] is a signed place in its queue; the [`standing`] of a ticket
//! follows from its [`rank`] and the public [`Frame`]. When a ticket is called, its holder receives a [`Pass`], uses it
//! to reserve an [`order`], and pays for it. Every step leaves an [`event`].

pub mod clock;
mod eddsa;
pub mod event;
pub mod frame;
pub mod ids;
pub mod keys;
pub mod language;
pub mod live_figures;
pub mod money;
#[cfg(feature = "openapi")]
mod openapi;
pub mod order;
pub mod pass;
pub mod rank;
pub mod refund;
pub mod sale;
pub mod secret;
pub mod standing;
#[cfg(feature = "testing")]
pub mod testing;
pub mod ticket;
pub mod token;
pub mod unavailable;

pub use clock::{Clock, Timestamp};
pub use event::{Event, EventKind};
pub use frame::Frame;
pub use ids::{BuyerId, Epoch, EpochNonce, HoldId, ItemId, OrderId, PassId, SaleId, SessionId, Term};
pub use keys::Keys;
pub use language::{Language, Text};
pub use live_figures::{LiveFigures, UnitCounts};
pub use money::{Currency, Money};
pub use order::{HoldState, OrderState, PaymentState};
pub use pass::{Pass, PassClaims};
pub use rank::Rank;
pub use sale::{Admission, Item, Sale, SaleState};
pub use ticket::Ticket;
