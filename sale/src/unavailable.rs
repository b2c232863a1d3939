//! How an error of a store is answered: `stores` implements it for its errors, `web` makes the response, and neither
//! depends on the other.

/// Why a store did not answer. The request may or may not have been applied; it is safe to retry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailability {
    /// Too many requests wait already; this one was not started.
    Overloaded,
    /// The store did not answer in time.
    NoAnswer,
    /// The store lost its contents, and they are being restored.
    Restoring,
}

/// An error of a store.
pub trait Unavailable: std::error::Error {
    fn unavailability(&self) -> Unavailability;
}
