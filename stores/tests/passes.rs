//! Passes in the database: one for a ticket, whoever issues it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::slice::from_ref;

use futures::future::join_all;
use rstest::rstest;
use sale::{
    Pass, Timestamp,
    sale::Place,
    testing::{SaleBuilder, buyer, pass},
};
use stores::{
    database::passes,
    testing::{Fresh, create_sale_without_queue, live_postgres, sqlite},
};

const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);
/// In some of so many rounds two processes insert the row at the same moment.
const ROUNDS: u64 = 500;
const PROCESSES: usize = 8;

fn pass_of(number: u64) -> Pass {
    let place = Place { buyer: buyer(number), number };
    pass(&"sale".parse().unwrap(), place, START, START.plus_millis(600_000))
}

async fn open_sale(fresh: &Fresh) {
    let sale = SaleBuilder::new("sale".parse().unwrap(), START).build();
    create_sale_without_queue(&fresh.database, &sale).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_postgres_gives_one_pass_to_a_ticket_that_enters_at_several_processes_at_once() {
    let fresh = live_postgres().await;
    open_sale(&fresh).await;
    for number in 1..=ROUNDS {
        let requested = [pass_of(number)];
        let issued = join_all((0..PROCESSES).map(|_| passes::issue(&fresh.database, &requested))).await;
        let issued: Vec<_> = issued.into_iter().flat_map(Result::unwrap).map(Option::unwrap).collect();
        assert!(issued.iter().all(|(stored, _)| *stored == requested[0]), "{issued:?}");
        assert_eq!(issued.iter().filter(|(_, is_new)| *is_new).count(), 1, "{issued:?}");
    }
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_ticket_that_has_another_pass_stops_no_other(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    open_sale(&fresh).await;
    let stranger = Pass { id: pass_of(99).id, ..pass_of(2) };
    assert_eq!(passes::issue(&fresh.database, from_ref(&stranger)).await.unwrap(), [Some((stranger, true))]);
    let requested = [pass_of(1), pass_of(2), pass_of(3), pass_of(1)];
    let issued = passes::issue(&fresh.database, &requested).await.unwrap();
    let [first, _, third, again] = requested;
    assert_eq!(issued, [Some((first, true)), None, Some((third, true)), Some((again, false))]);
}
