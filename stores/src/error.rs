//! Errors of a store. Business outcomes are enums in `Ok`; after an `Err` the outcome is unknown.

use sale::unavailable::{Unavailability, Unavailable};
use sqlx::error::{DatabaseError, ErrorKind};

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

    /// Whether the store refused what it was given: of several requests in one call, any one may be to blame. A store that is
    /// away, full or too busy refuses nothing, and would be busier for the same requests one by one.
    pub fn is_refusal(&self) -> bool {
        /// Data exceptions, deadlocks and the like, locks that were not given in time: classes of SQLSTATE, see
        /// <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
        const REFUSALS: [&str; 3] = ["22", "40", "55"];
        match self {
            Self::Lost => false,
            Self::Unavailable { source, .. } => {
                let error = source.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
                let code = error.and_then(DatabaseError::code);
                code.is_some_and(|code| code.len() == 5 && REFUSALS.iter().any(|class| code.starts_with(class)))
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
