//! Errors of a store. Business outcomes are enums in `Ok`; after an `Err` the outcome is unknown.

use sale::unavailable::{Unavailability, Unavailable};
use sqlx::error::ErrorKind;

/// Why a store gave no outcome. Admission fails closed on each.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue store is in another epoch than the caller, or an expected key is missing. Missing never means zero.
    #[error("the queue store lost its contents; wait until they are restored")]
    Lost,
    /// No answer in time: whether the step happened is unknown.
    #[error("the {store} does not answer: {source}")]
    Unavailable { store: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// Its answer contradicts what this program writes.
    #[error("the {store} answered something unexpected: {detail}")]
    Unexpected { store: &'static str, detail: String },
}

impl StoreError {
    pub fn unavailable(store: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { store, source: source.into() }
    }

    /// Whether the store has answered, and refused: of several requests in one call, any one may be to blame.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Lost => false,
            Self::Unavailable { source, .. } => {
                matches!(source.downcast_ref::<sqlx::Error>(), Some(sqlx::Error::Database(_)))
            }
            Self::Unexpected { .. } => true,
        }
    }

    pub fn unexpected(store: &'static str, detail: impl Into<String>) -> Self {
        Self::Unexpected { store, detail: detail.into() }
    }
}

impl Unavailable for StoreError {
    fn unavailability(&self) -> Unavailability {
        if matches!(self, Self::Lost) { Unavailability::Restoring } else { Unavailability::NoAnswer }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(source: sqlx::Error) -> Self {
        match source {
            // A row holds a value that its column should not hold.
            sqlx::Error::ColumnDecode { .. } => Self::unexpected("database", source.to_string()),
            // A constraint has refused a write.
            sqlx::Error::Database(refusal) if is_of_a_constraint(&refusal.kind()) => {
                Self::unexpected("database", refusal.message())
            }
            other => Self::unavailable("database", other),
        }
    }
}

const fn is_of_a_constraint(kind: &ErrorKind) -> bool {
    use ErrorKind as K;
    matches!(kind, K::UniqueViolation | K::ForeignKeyViolation | K::NotNullViolation | K::CheckViolation)
}
