//! Whole-program stories: real `openrun` processes, driven over HTTP by a crowd that behaves as people and their
//! browsers do. Those named `live_` run on real engines, two processes of every role.

#![expect(clippy::expect_used, clippy::panic, reason = "a story that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a story tells what happens; shown when it fails")]

mod buyer;
mod client;
mod crowd;
mod engines;
mod installation;
mod process;
mod seller;
mod turn;
mod witness;

mod story;

mod faults;
mod free_return;
mod processes;
mod restart;
mod steering;
mod the_sale;
