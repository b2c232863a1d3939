//! A database that was put back to an older state counts an epoch a second time: whoever knows the first one of that number
//! moves nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rstest::rstest;
use sale::{
    EpochNonce, HoldId, OrderId, Timestamp,
    sale::Place,
    testing::{SaleBuilder, buyer, pass},
};
use stores::{
    database::{
        Database,
        epochs::{self, Loss},
        holds, leadership,
        place::{self, PlaceOutcome},
        sequence::{self, RaiseOutcome},
    },
    queue_store::{self, HoldEnd, HoldEnding, QueueKey},
    testing::{Fresh, create_sale, live_postgres, new_order, sqlite},
};

struct Known {
    /// The life that counts.
    key: QueueKey,
    /// The one of the same epoch that the database has forgotten.
    forgotten: QueueKey,
}

async fn known(database: &Database) -> Known {
    let queue = queue_store::connect("memory:").unwrap();
    let sale = SaleBuilder::new("sale".parse().unwrap(), database.now()).build();
    let key = create_sale(database, queue.as_ref(), &sale).await;
    let forgotten = QueueKey { nonce: EpochNonce::from_bits(key.nonce.as_bits().wrapping_add(1)), ..key.clone() };
    Known { key, forgotten }
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn another_life_of_the_same_epoch_raises_no_number(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let (database, now) = (&fresh.database, fresh.database.now());
    let Known { key, forgotten } = known(database).await;
    let term =
        leadership::acquire(database, &key.sale, "leader", now, now.plus_millis(1_000)).await.unwrap().unwrap().term;
    for (key, ceiling, cursor) in [
        (&forgotten, RaiseOutcome::Refused, RaiseOutcome::Refused),
        (&key, RaiseOutcome::RaisedTo(10), RaiseOutcome::RaisedTo(3)),
    ] {
        assert_eq!(sequence::allocate(database, key, 10).await.unwrap(), ceiling);
        assert_eq!(sequence::mark_called(database, key, term, 3).await.unwrap(), cursor);
    }
    let raise = async |key: &QueueKey| {
        let loss = Loss { key: key.clone(), found: 0, last_complete_at: None };
        epochs::raise(database, &loss, EpochNonce::from_bits(7), now).await.unwrap()
    };
    assert_eq!(raise(&forgotten).await, None);
    assert_eq!(raise(&key).await.map(|raised| raised.epoch), Some(key.epoch + 1));
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn another_life_of_the_same_epoch_places_no_order_and_hears_of_no_hold(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let (database, now) = (&fresh.database, fresh.database.now());
    let Known { key, forgotten } = known(database).await;
    let pass = pass(&key.sale, Place { buyer: buyer(1), number: 1 }, now, now.plus_millis(600_000));
    let order = [new_order(OrderId::derive(Timestamp::from_millis(1), &[b"order"]), &pass)];
    assert_eq!(place::place(database, &forgotten, &order).await.unwrap(), [PlaceOutcome::EpochMoved]);
    assert!(matches!(place::place(database, &key, &order).await.unwrap()[..], [PlaceOutcome::Placed { .. }]));

    let hold = HoldId::first(order[0].id);
    holds::cancel(database, hold.order, now).await.unwrap();
    let ends = [HoldEnd { hold, ending: HoldEnding::Released }];
    for (key, left) in [(&forgotten, 1), (&key, 0)] {
        holds::mark_synced(database, key, &ends).await.unwrap();
        assert_eq!(holds::pending_sync(database, &key.sale, 10).await.unwrap().len(), left);
    }
}
