//! The whole-program harness: real `openrun` processes, on the embedded adapters or on real engines, driven over HTTP by
//! buyers that behave as people and their browsers do, and watched by an invariant checker.
//!
//! The stories of `openrun/tests/it` and the drills stand on it. What cannot go on panics with a sentence; what must
//! always hold and did not is kept by the invariant checker and fails the story at its end.

#![expect(clippy::expect_used, clippy::panic, reason = "a story that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a story tells what happens")]

pub mod behaviour;
pub mod buyer;
pub mod client;
pub mod engines;
pub mod http;
pub mod installation;
pub mod invariant;
pub mod invariant_checker;
pub mod load_generator;
pub mod machine_lock;
pub mod observations;
pub mod process;
pub mod program;
pub mod seller;
pub mod story;

pub use program::Program;
