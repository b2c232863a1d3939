//! What people and programs see: pages, problems, and the plumbing of HTTP. No decisions and no I/O; the caller says
//! what is true, a page struct says it in the person's language.
//!
//! A page is a struct of plain values with `render`. Everything it needs travels inside it: one request, a
//! Content-Security-Policy with the nonce of [`Shell`], and it works without JavaScript.

pub mod answer;
pub mod asking;
pub mod body;
pub mod format;
pub mod mold;
pub mod pages;
pub mod problem;

mod language;
mod shell;

mod assets;
mod words;

pub use asking::Site;
pub use body::Body;
pub use problem::{Code, FieldError, Problem};
pub use shell::{Shell, csp};
