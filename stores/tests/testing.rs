//! The databases that other tests are given.

use rstest::rstest;
use stores::{
    database::migrations::Schema,
    testing::{Fresh, live_postgres, sqlite},
};

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_fresh_database_is_migrated_and_opens_again(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    assert_eq!(fresh.database.schema().await.unwrap(), Schema::UpToDate);
    let again = fresh.open_again().await;
    assert_eq!(again.schema().await.unwrap(), Schema::UpToDate);
    assert!(again.now().millis_since(fresh.database.now()).abs() < 1_000);
}
