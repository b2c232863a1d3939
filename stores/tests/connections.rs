//! Connections to the database, when those who wait for one give up.

use std::collections::BTreeSet;

use futures::poll;
use sqlx::Row as _;
use stores::testing::live_postgres;

/// More than a pool has connections, so that each of them meets somebody who gives up.
const WHO_GIVE_UP: usize = 200;
const CONNECTIONS: usize = 16;

#[tokio::test]
async fn live_postgres_keeps_its_connections_when_people_give_up() {
    let fresh = live_postgres().await;
    let mut backends = BTreeSet::new();
    for _ in 0..WHO_GIVE_UP {
        let row = sqlx::query("SELECT pg_backend_pid()").fetch_one(fresh.database.reader()).await.unwrap();
        backends.insert(row.get::<i32, _>(0));
        drop(poll!(Box::pin(fresh.database.begin())));
    }
    assert!(backends.len() <= CONNECTIONS, "{} connections were opened", backends.len());
}

#[tokio::test]
async fn live_postgres_commits_what_follows_a_transaction_that_nobody_waited_for() {
    let fresh = live_postgres().await;
    sqlx::query("CREATE TABLE written (n bigint)").execute(fresh.database.writer()).await.unwrap();
    for _ in 0..WHO_GIVE_UP {
        drop(poll!(Box::pin(fresh.database.begin())));
        sqlx::query("INSERT INTO written VALUES (1)").execute(fresh.database.writer()).await.unwrap();
    }
    // No other connection sees what an open transaction has written.
    let other = fresh.open_again().await;
    let row = sqlx::query("SELECT count(*) FROM written").fetch_one(other.reader()).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), i64::try_from(WHO_GIVE_UP).unwrap());
}
