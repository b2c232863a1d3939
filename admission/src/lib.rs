//! Admission: how many buyers may enter now, and calling them.
//!
//! [`decide`] is the decision, [`bucket`] the hard limit of the rate, [`frame`] the public document; all three are
//! pure. [`leader`] is the loop of one sale around them with the state of its term, and [`role`] keeps a loop for every
//! running sale.

pub mod bucket;
pub mod decide;
pub mod frame;
mod gauges;
pub mod leader;
pub mod role;
mod services;
mod term;

pub use services::Services;
