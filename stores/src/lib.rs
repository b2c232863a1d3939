//! The state: ports beside their adapters, and the database.
//!
//! Four ports, each a folder of trait, adapters and what they share: the [`queue_store`] (a sale's queue and its stock
//! gate), the [`events`] log, the [`payments`] provider and [`mail`]. The [`database`] is not a port: it is the
//! authority, with one module per business step.

pub mod batch;
mod charge;
pub mod database;
pub mod error;
pub mod events;
pub mod failpoint;
pub mod mail;
pub mod outage;
pub mod payments;
pub mod periodic;
pub mod queue_store;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::StoreError;
