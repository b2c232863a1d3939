//! The HTTP server of a process: it accepts connections and dispatches each request, the hot path to the waiting room,
//! everything else to the router.
//!
//! A crate of its own because every request runs through it: it is compiled for speed, while the program around it is
//! compiled in a hurry (see `[profile.release]` in Cargo.toml).

pub mod access_log;
pub mod dispatcher;
pub mod error_chain;
pub mod lifecycle;
pub mod listener;

pub use dispatcher::{Dispatcher, Operations};
pub use lifecycle::{Lifecycle, Signals};
