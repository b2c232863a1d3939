//! What a store that gives no answer means to a client: `stores` says it of its errors, `web` answers with it, and
//! neither knows the other.

/// How a client may go on without an answer. Whether the step happened is unknown; the same request finds out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailability {
    /// Too many requests wait already; this one was not begun.
    Overloaded,
    /// The store did not answer, or not in time.
    NoAnswer,
    /// The store lost its contents, and they are being restored.
    Restoring,
}

/// An error of a store.
pub trait Unavailable: std::error::Error {
    fn unavailability(&self) -> Unavailability;
}
