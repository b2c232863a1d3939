//! The seller's console: sign in by link, see every sale, make and change one, steer it while it runs.

pub mod mailbox;
pub mod orders;
pub mod sale;
mod sale_document;
pub mod sale_form;
pub mod sales;
pub mod sign_in;
