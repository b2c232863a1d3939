//! The checkout: reserve, pay, commit or release, and what carries its events.

pub mod relay;
