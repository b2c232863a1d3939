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
