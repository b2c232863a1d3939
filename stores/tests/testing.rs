//! The databases that other tests are given.

use rstest::rstest;
use stores::testing::{Fresh, live_postgres, sqlite};

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_fresh_database_is_migrated_and_opens_again(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    assert!(fresh.database.is_migrated().await);
    let again = fresh.open_again().await;
    assert!(again.is_migrated().await);
    assert!(again.now().millis_since(fresh.database.now()).abs() < 1_000);
}
