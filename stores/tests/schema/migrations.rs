//! Which schemas are brought up to date, and which are refused.

use rstest::rstest;
use sqlx::Executor as _;
use stores::{
    database::migrations::{MigrationError, Schema},
    testing::{Fresh, live_postgres, make_older_than_the_first_release, sqlite},
};

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_schema_that_is_up_to_date_stays_as_it_is(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    assert_eq!(fresh.database.schema().await.unwrap(), Schema::UpToDate);
    fresh.database.migrate().await.unwrap();
    assert_eq!(fresh.database.schema().await.unwrap(), Schema::UpToDate);
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_database_of_before_the_first_release_is_refused_in_a_sentence(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    make_older_than_the_first_release(&fresh.database).await;
    assert_eq!(fresh.database.schema().await.unwrap(), Schema::BeforeFirstRelease);
    let refusal = fresh.database.migrate().await.unwrap_err();
    assert!(matches!(refusal, MigrationError::BeforeFirstRelease), "{refusal}");
    assert!(refusal.to_string().contains("start with an empty one"), "{refusal}");
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_process_works_on_a_schema_that_the_next_release_has_expanded(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let next = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                SELECT 2, 'the next release', success, checksum, 0 FROM _sqlx_migrations";
    fresh.database.writer().execute(next).await.unwrap();
    fresh.database.migrate().await.unwrap();
    assert_eq!(fresh.database.schema().await.unwrap(), Schema::UpToDate);
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_database_without_a_schema_is_outdated(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    fresh.database.writer().execute("DROP TABLE _sqlx_migrations").await.unwrap();
    assert_eq!(fresh.database.schema().await.unwrap(), Schema::Outdated);
}

/// While a table is written anew its references are not enforced, so they are looked at afterwards.
#[tokio::test]
async fn a_reference_that_leads_nowhere_is_told_after_a_migration() {
    let fresh = sqlite().await;
    let orphan = "PRAGMA foreign_keys = OFF; INSERT INTO items (sale, id, position, name_ko, name_en, amount, currency, total) \
                  VALUES ('gone', 'pair', 0, '', '', 1, 'KRW', 1); PRAGMA foreign_keys = ON";
    fresh.database.writer().execute(orphan).await.unwrap();
    let refusal = fresh.database.migrate().await.unwrap_err();
    assert!(matches!(&refusal, MigrationError::BrokenReference { table } if table == "items"), "{refusal}");
}
