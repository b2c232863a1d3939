//! What people and programs see: pages, problems, and the plumbing of HTTP. No decisions.

pub mod asking;
pub mod body;
pub mod problem;

pub use asking::Site;
pub use body::Body;
pub use problem::{Code, Problem};
