//! Whole-program stories: real `openrun` processes, driven over HTTP by a crowd that behaves as people and their
//! browsers do. Those named `live_` run on real engines, two processes of every role.

#![expect(clippy::expect_used, reason = "a story that cannot go on fails")]

mod faults;
mod free_return;
mod membership;
mod processes;
mod restart;
mod steering;
mod the_sale;

/// The program that these stories are about.
fn program() -> harness::Program {
    harness::Program::at(env!("CARGO_BIN_EXE_openrun"))
}
