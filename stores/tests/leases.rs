//! Leases: one holder at a time, the next one with a higher term.

use rstest::rstest;
use sale::Timestamp;
use stores::{
    database::leases::{Claim, Lease, acquire, release},
    testing::{Fresh, live_postgres, sqlite},
};

fn claim(holder: &str) -> Claim {
    Claim { name: "relay", holder: holder.to_owned() }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_lease_is_kept_by_its_holder_and_taken_when_it_has_run_out(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let database = &fresh.database;
    let (one, other) = (claim("one"), claim("other"));
    assert_eq!(acquire(database, &one, at(0), at(100)).await.unwrap(), Some(Lease { term: 1, until: at(100) }));
    assert_eq!(acquire(database, &other, at(99), at(199)).await.unwrap(), None);
    assert_eq!(acquire(database, &one, at(99), at(199)).await.unwrap(), Some(Lease { term: 1, until: at(199) }));
    assert_eq!(acquire(database, &other, at(199), at(299)).await.unwrap(), Some(Lease { term: 2, until: at(299) }));
    assert_eq!(acquire(database, &one, at(200), at(300)).await.unwrap(), None);
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_lease_that_is_given_up_is_free_at_once_and_only_its_holder_gives_it_up(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let database = &fresh.database;
    let (one, other) = (claim("one"), claim("other"));
    acquire(database, &one, at(0), at(100)).await.unwrap();
    release(database, &other).await.unwrap();
    assert_eq!(acquire(database, &other, at(1), at(101)).await.unwrap(), None);
    release(database, &one).await.unwrap();
    assert_eq!(acquire(database, &other, at(1), at(101)).await.unwrap(), Some(Lease { term: 2, until: at(101) }));
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn of_many_that_ask_at_once_one_gets_it(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let claims: Vec<_> = (0..10).map(|number| claim(&number.to_string())).collect();
    let asking = claims.iter().map(|claim| acquire(&fresh.database, claim, at(0), at(100)));
    let leases = futures::future::try_join_all(asking).await.unwrap();
    assert_eq!(leases.into_iter().flatten().count(), 1);
}
