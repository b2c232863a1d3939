//! Pages, mails, errors and the HTTP plumbing. No decisions and no I/O: the caller fills a page struct with facts, and the
//! page states them in the visitor's language.
//!
//! A page is a struct of plain values with `render`. Everything it needs travels inside it: one request, a
//! Content-Security-Policy with the nonce of [`Layout`], and it works without JavaScript.

pub mod access;
pub mod body;
pub mod error;
pub mod format;
pub mod mails;
pub mod page_context;
pub mod pages;
pub mod paths;
pub mod precompressed;
pub mod request;

mod language;
mod layout;

mod assets;
mod error_response;
mod messages;
mod number;
mod plain;
mod segment;

pub use access::Access;
pub use body::Body;
pub use error::{ApiError, ErrorCode, FieldError};
pub use error_response::{Problem, error_response};
pub use layout::{Layout, csp};
pub use page_context::PageContext;
pub use request::{SameOrigin, Site, Visitor};
