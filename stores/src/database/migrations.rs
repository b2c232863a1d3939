//! The schema, step by step.
//!
//! A step runs on a connection of its own, without the time limits of a request, in a transaction unless it says otherwise.
//! It only expands what the release before it works with; a later release contracts what no process uses any more.

use sqlx::{
    Any, AnyConnection, Connection as _, Executor as _, SqlStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

use super::{Database, Dialect, Sql};
use crate::StoreError;

/// One step of the schema.
struct Step {
    about: &'static str,
    sql: Sql,
    /// What PostgreSQL cannot do in a transaction, like `CREATE INDEX CONCURRENTLY`, is a step of one statement without.
    in_transaction: bool,
}

/// In order; the version of a step is its place, from 1.
const STEPS: [Step; 1] = [Step {
    about: "the walk",
    sql: Sql {
        postgres: include_str!("../../../migrations/postgres/0001_the_walk.sql"),
        sqlite: include_str!("../../../migrations/sqlite/0001_the_walk.sql"),
    },
    in_transaction: true,
}];

/// Why the schema cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    #[error(
        "this database was made before the first release, and its schema cannot be brought up to date: start with an \
         empty one (move the file of an embedded database away, or name another one in OPENRUN_DATABASE_URL)"
    )]
    BeforeFirstRelease,
    #[error(
        "after the migration a row of the table {table} names one that is not there; nothing was lost, please report it"
    )]
    BrokenReference { table: String },
    #[error(transparent)]
    Failed(#[from] MigrateError),
}

impl From<sqlx::Error> for MigrationError {
    fn from(fault: sqlx::Error) -> Self {
        Self::Failed(fault.into())
    }
}

/// What the schema is to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    UpToDate,
    /// Steps are missing, or all of them.
    Outdated,
    /// Made before the first release.
    BeforeFirstRelease,
}

fn migrator(dialect: Dialect) -> Migrator {
    let migrations = (1..).zip(STEPS).map(|(version, step)| {
        let sql = SqlStr::from_static(step.sql.of(dialect));
        Migration::new(version, step.about.into(), MigrationType::Simple, sql, !step.in_transaction)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // A process of the release before works with what the next one has expanded.
    migrator.set_ignore_missing(true);
    migrator
}

impl Database {
    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<(), MigrationError> {
        let mut connection = AnyConnection::connect_with(&self.write.connect_options()).await?;
        if self.dialect == Dialect::Sqlite {
            // A table that SQLite cannot change is written anew, and what leads to it must not end with the old one.
            connection
                .execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 60000; PRAGMA foreign_keys = OFF")
                .await?;
        }
        migrator(self.dialect).run_direct(None, &mut connection, false).await.map_err(|fault| match fault {
            MigrateError::VersionMismatch(1) => MigrationError::BeforeFirstRelease,
            other => MigrationError::Failed(other),
        })?;
        if self.dialect == Dialect::Sqlite
            && let Some(table) = broken_reference(&mut connection).await?
        {
            return Err(MigrationError::BrokenReference { table });
        }
        Ok(connection.close().await?)
    }

    /// Whether the schema is the one of this program, by the steps that were applied.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let applied = sqlx::query_as::<Any, (i64, Vec<u8>)>(
            "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
        );
        let applied = match applied.fetch_all(&self.read).await {
            Ok(applied) => applied,
            // There is no such table before the first step.
            Err(sqlx::Error::Database(_)) => return Ok(Schema::Outdated),
            Err(fault) => return Err(fault.into()),
        };
        let migrator = migrator(self.dialect);
        let is_ours = |own: &Migration, (version, checksum): &(i64, Vec<u8>)| {
            own.version == *version && *own.checksum == **checksum
        };
        let first = migrator.iter().next();
        if let (Some(own), Some(other)) = (first, applied.first())
            && !is_ours(own, other)
        {
            return Ok(Schema::BeforeFirstRelease);
        }
        let is_whole = migrator.iter().all(|own| applied.iter().any(|other| is_ours(own, other)));
        Ok(if is_whole { Schema::UpToDate } else { Schema::Outdated })
    }
}

async fn broken_reference(connection: &mut AnyConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar::<Any, String>("SELECT \"table\" FROM pragma_foreign_key_check() LIMIT 1")
        .fetch_optional(connection)
        .await
}

#[cfg(test)]
mod tests {
    use sale::secret::hex;

    use super::*;

    /// The SHA-384 of each released step, in PostgreSQL's dialect and in SQLite's. A change of the schema is a new step.
    const RELEASED: [[&str; 2]; 1] = [[
        "ed7b1c4042f3b98cd5de6feabb240808a618df28a59f30e7ea4114eb967096c7a37551e2c62638ed8d3d297e3736f846",
        "d118d204308476feb4c88a510565d17a71fe39beb6cf3c2ebda56bf6cbca0174dc6c67fae57358cde42f0ea78a565e52",
    ]];

    #[test]
    fn a_step_that_was_released_never_changes() {
        for (nth, dialect) in [Dialect::Postgres, Dialect::Sqlite].into_iter().enumerate() {
            let migrator = migrator(dialect);
            let released = RELEASED.map(|step| step[nth].to_owned());
            let checksums = migrator.iter().take(RELEASED.len()).map(|step| hex(&step.checksum));
            assert_eq!(checksums.collect::<Vec<_>>(), released, "{dialect:?}");
        }
    }
}
