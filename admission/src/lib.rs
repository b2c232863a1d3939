//! Admission: how many may go in now, and calling them.
//!
//! [`decide`] is the decision, [`bucket`] the hard limit of the rate, [`frame`] what everybody is told; all three are
//! pure. [`lead`] is the loop of one sale around them, and [`role`] keeps a loop for every running sale.

pub mod bucket;
pub mod decide;
pub mod frame;
pub mod lead;
pub mod role;
