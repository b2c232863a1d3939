//! The whole-program harness: real `openrun` processes, on the embedded adapters or on real engines, driven over HTTP by
//! a crowd that behaves as people and their browsers do, and watched by a witness.
//!
//! The stories of `openrun/tests/it` and the drills stand on it. What cannot go on panics with a sentence; what must
//! always hold and did not is kept by the witness and fails the story at its end.

#![expect(clippy::expect_used, clippy::panic, reason = "a story that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a story tells what happens")]

pub mod buyer;
pub mod client;
pub mod crowd;
pub mod engines;
pub mod http;
pub mod installation;
pub mod invariant;
pub mod process;
pub mod program;
pub mod seller;
pub mod story;
pub mod turn;
pub mod witness;

pub use program::Program;
