//! Trouble with a store. Answers of the business are enums in `Ok`; an `Err` says that nothing is known.

use sale::unavailable::{Unavailability, Unavailable};
use sqlx::error::ErrorKind;

/// Why a store gave no answer. Admission fails closed on each of them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue store holds another life than the caller's, or an expected key is missing. Missing never means zero.
    #[error("the queue store lost its contents; wait until they are restored")]
    Lost,
    /// It does not answer, or not in time: whether the step happened is unknown.
    #[error("the {store} does not answer: {source}")]
    Unavailable { store: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    /// It answered something that this program does not understand.
    #[error("the {store} answered something unexpected: {detail}")]
    Unexpected { store: &'static str, detail: String },
}

impl StoreError {
    pub fn unavailable(store: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable { store, source: source.into() }
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
            // It answered, and a row holds what its column should not.
            sqlx::Error::ColumnDecode { .. } => Self::unexpected("database", source.to_string()),
            // It answered, and a constraint refuses what was to be written.
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
