//! Leases: named work that one process does at a time. The next holder has a higher term.

use sale::{Term, Timestamp};

use super::Database;
use crate::StoreError;

/// Which process requests which lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub name: &'static str,
    /// A unique name of this process.
    pub holder: String,
}

/// A lease that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub term: Term,
    pub until: Timestamp,
}

/// Acquires the lease when it is free or has expired, or renews it until `until`. Returns `None` when another process holds
/// it.
pub async fn acquire(
    database: &Database,
    claim: &Claim,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    const RENEW: &str = "UPDATE leases SET until = $4 WHERE name = $1 AND holder = $2 AND until > $3 RETURNING term";
    const ACQUIRE: &str = "INSERT INTO leases (name, holder, term, until) VALUES ($1, $2, 1, $4) \
                        ON CONFLICT (name) DO UPDATE SET holder = $2, term = leases.term + 1, until = $4 \
                        WHERE leases.until <= $3 RETURNING term";
    for statement in [RENEW, ACQUIRE] {
        let term = sqlx::query_scalar(statement)
            .bind(claim.name)
            .bind(&claim.holder)
            .bind(now.as_millis())
            .bind(until.as_millis())
            .fetch_optional(database.writer())
            .await?;
        if let Some(term) = term {
            return Ok(Some(Lease { term, until }));
        }
    }
    Ok(None)
}

/// Releases the lease at once, on a clean stop.
pub async fn release(database: &Database, claim: &Claim) -> Result<(), StoreError> {
    sqlx::query("UPDATE leases SET until = 0 WHERE name = $1 AND holder = $2")
        .bind(claim.name)
        .bind(&claim.holder)
        .execute(database.writer())
        .await?;
    Ok(())
}
