//! The state: ports beside their adapters, and the database.
//!
//! The [`queue`] (a sale's line) and the stock [`gate`] are one store, because a pass is consumed together with the
//! units. The [`events`] log, [`payments`] provider and [`mail`] are ports too. The [`database`] is not: it is the
//! authority, with one module per business step.

pub mod batch;
pub mod database;
pub mod error;
pub mod events;
pub mod failpoint;
pub mod gate;
pub mod line;
pub mod mail;
pub mod outage;
pub mod payments;
pub mod queue;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::StoreError;
