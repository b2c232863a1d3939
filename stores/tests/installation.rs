//! Which processes belong to the installation that a database names.

use rstest::rstest;
use sale::Timestamp;
use stores::{
    database::installation::{ALIVE_FOR_MS, Fit, Identity, KeyMark, adopt, check_in, check_out, read},
    testing::{Fresh, live_postgres, sqlite},
};

const OLD: &str = "https://old.example";
const NEW: &str = "https://new.example";

fn key(id: u32) -> KeyMark {
    KeyMark { id, mark: format!("mark-{id}") }
}

/// An installation whose keys file has the keys 1 to `newest`; the one before the newest signs.
fn identity(public_url: &str, newest: u32) -> Identity {
    Identity {
        keys_fingerprint: "keys".to_owned(),
        public_url: public_url.to_owned(),
        signing_key: key(newest - 1),
        known_keys: (1..=newest).map(key).collect(),
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_780_000_000_000 + millis)
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn the_first_process_makes_the_installation_and_others_fit_or_do_not(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let database = &fresh.database;
    assert_eq!(read(database).await.unwrap(), None);
    assert_eq!(check_in(database, "one", &identity(OLD, 2), at(0)).await.unwrap(), Fit::Fits);
    let made = read(database).await.unwrap().unwrap();
    assert_eq!((made.public_url.as_str(), made.created_at), (OLD, at(0)));
    assert_eq!(check_in(database, "two", &identity(OLD, 2), at(1)).await.unwrap(), Fit::Fits);
    let stranger = Identity { keys_fingerprint: "others".to_owned(), ..identity(OLD, 2) };
    assert_eq!(check_in(database, "three", &stranger, at(1)).await.unwrap(), Fit::OtherKeys);
    assert_eq!(read(database).await.unwrap().unwrap(), made, "who does not fit changes nothing");
    adopt(database, &stranger, at(2)).await.unwrap();
    assert_eq!(check_in(database, "three", &stranger, at(3)).await.unwrap(), Fit::Fits);
    assert_eq!(check_in(database, "one", &identity(OLD, 2), at(3)).await.unwrap(), Fit::OtherKeys);
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn one_rotation_locks_nobody_out_and_two_in_a_row_those_who_know_neither(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let database = &fresh.database;
    check_in(database, "old", &identity(OLD, 2), at(0)).await.unwrap();
    assert_eq!(check_in(database, "new", &identity(OLD, 3), at(1)).await.unwrap(), Fit::Fits);
    assert_eq!(
        check_in(database, "old", &identity(OLD, 2), at(2)).await.unwrap(),
        Fit::Fits,
        "it knows the one that signs"
    );
    assert_eq!(check_in(database, "newer", &identity(OLD, 4), at(3)).await.unwrap(), Fit::Fits);
    assert_eq!(check_in(database, "old", &identity(OLD, 2), at(4)).await.unwrap(), Fit::OldKeys);
    assert_eq!(check_in(database, "new", &identity(OLD, 3), at(4)).await.unwrap(), Fit::Fits);
    let mut apart = identity(OLD, 4);
    apart.known_keys[2].mark = "rotated apart".to_owned();
    assert_eq!(check_in(database, "apart", &apart, at(5)).await.unwrap(), Fit::OldKeys);
}

#[tokio::test]
async fn the_process_of_an_embedded_database_gives_it_its_address() {
    let fresh = sqlite().await;
    check_in(&fresh.database, "one", &identity(OLD, 2), at(0)).await.unwrap();
    let replaced = check_in(&fresh.database, "two", &identity(NEW, 2), at(1)).await.unwrap();
    assert_eq!(replaced, Fit::ReplacedUrl(OLD.to_owned()));
    assert_eq!(check_in(&fresh.database, "two", &identity(NEW, 2), at(2)).await.unwrap(), Fit::Fits);
}

#[tokio::test]
async fn live_postgres_gets_another_address_when_nobody_else_is_alive() {
    let fresh = live_postgres().await;
    let database = &fresh.database;
    let (old, new) = (identity(OLD, 2), identity(NEW, 2));
    check_in(database, "one", &old, at(0)).await.unwrap();
    assert_eq!(check_in(database, "two", &new, at(1)).await.unwrap(), Fit::OtherUrl(OLD.to_owned()));
    assert_eq!(check_in(database, "three", &new, at(1)).await.unwrap(), Fit::OtherUrl(OLD.to_owned()));
    assert_eq!(
        check_in(database, "one", &old, at(2)).await.unwrap(),
        Fit::Fits,
        "those who do not fit keep nobody out"
    );
    let crashed = at(2).plus_millis(ALIVE_FOR_MS);
    assert_eq!(check_in(database, "two", &new, crashed).await.unwrap(), Fit::ReplacedUrl(OLD.to_owned()));
    assert_eq!(check_in(database, "one", &old, crashed).await.unwrap(), Fit::OtherUrl(NEW.to_owned()));
    check_out(database, "two").await.unwrap();
    assert_eq!(check_in(database, "one", &old, crashed).await.unwrap(), Fit::ReplacedUrl(NEW.to_owned()));
}
