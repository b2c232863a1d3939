//! Attempts to pay in the database: who confirms a charge, and which charge counts for an attempt.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rstest::rstest;
use rstest_reuse::{apply, template};
use sale::{
    OrderId, Timestamp,
    ids::PaymentId,
    sale::Place,
    testing::{PRICE, SaleBuilder, buyer, pass, won},
};
use stores::{
    StoreError,
    database::{
        Database,
        cases::{self, CaseKind},
        outbox,
        payments::{
            self, ChargeOutcome, ChargeReport, PayOutcome, PayRequest, PaymentRow, Recorded, Sending, mark_sent, record,
        },
        place,
    },
    payments::{Charge, ChargeState},
    queue_store,
    testing::{Fresh, create_sale, live_postgres, new_order, sqlite},
};

use PayOutcome as P;

const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);

#[template]
#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
fn every_database(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
}

/// Orders of as many buyers.
async fn place_orders(database: &Database, count: u64) -> Vec<OrderId> {
    let queue = queue_store::connect("memory:").unwrap();
    let sale = SaleBuilder::new("sale".parse().unwrap(), START).build();
    let key = create_sale(database, queue.as_ref(), &sale).await;
    let orders: Vec<_> = (1..=count)
        .map(|number| {
            let place = Place { buyer: buyer(number), number };
            let pass = pass(&sale.id, place, START, START.plus_millis(600_000));
            new_order(OrderId::derive(START, &[&number.to_be_bytes()]), &pass)
        })
        .collect();
    place::place(database, &key, &orders).await.unwrap();
    orders.iter().map(|order| order.id).collect()
}

/// Orders of as many buyers, each with a first attempt.
async fn attempts(database: &Database, count: u64) -> Vec<PaymentRow> {
    let mut attempts = Vec::new();
    for order in place_orders(database, count).await {
        assert_eq!(pay(database, &[request(order, "key", "card")]).await, [PayOutcome::Requested]);
        attempts.extend(payments::of_order(database, order).await.unwrap());
    }
    attempts
}

fn request(order: OrderId, key: &str, method: &str) -> PayRequest {
    PayRequest { order, idempotency_key: key.to_owned(), method: method.to_owned() }
}

async fn pay(database: &Database, requests: &[PayRequest]) -> Vec<PayOutcome> {
    payments::pay(database, "bank", requests, START).await.unwrap()
}

fn sending(payment: &PaymentRow, provider_id: &str) -> Sending {
    Sending {
        id: payment.id,
        order: payment.order,
        provider_id: provider_id.to_owned(),
        answer_by: START.plus_millis(4_000),
        poll_at: START.plus_millis(10_000),
    }
}

fn report(payment: &PaymentRow, provider_id: &str, state: ChargeState) -> ChargeReport {
    let captured = if state == ChargeState::Captured { PRICE } else { 0 };
    let charge = Charge {
        key: Some(payment.key()),
        provider_id: provider_id.to_owned(),
        money: won(PRICE),
        state,
        captured,
        refunded: 0,
        authorised_until: None,
        failure: None,
    };
    let outcome = ChargeOutcome::Known(charge);
    ChargeReport { id: payment.id, order: payment.order, outcome, poll_at: START.plus_millis(1_000) }
}

async fn committed(database: &Database, id: PaymentId) -> PaymentRow {
    payments::load_all(database, &[id]).await.unwrap().remove(0)
}

#[apply(every_database)]
#[tokio::test]
async fn requests_in_one_batch_see_those_before_them(#[future(awt)] fresh: Fresh) {
    let orders = place_orders(&fresh.database, 3).await;
    let nobody = OrderId::derive(START, &[b"nobody"]);
    let requests = [
        request(orders[2], "c", "card"),
        request(orders[0], "a", "card"),
        request(nobody, "a", "card"),
        request(orders[0], "a", "card"),
        request(orders[0], "a", "transfer"),
        request(orders[0], "another", "card"),
        // The key of another order is nobody else's.
        request(orders[1], "a", "transfer"),
    ];
    let expected = [P::Requested, P::Requested, P::NotFound, P::Existing, P::KeyReused, P::InProgress, P::Requested];
    assert_eq!(pay(&fresh.database, &requests).await, expected);
    let again = [P::Existing, P::Existing, P::NotFound, P::Existing, P::KeyReused, P::InProgress, P::Existing];
    assert_eq!(pay(&fresh.database, &requests).await, again);
    let mut methods = Vec::new();
    for order in orders {
        let attempts = payments::of_order(&fresh.database, order).await.unwrap();
        assert_eq!(
            attempts.iter().map(|payment| (payment.attempt, payment.money)).collect::<Vec<_>>(),
            [(1, won(PRICE))]
        );
        methods.push(attempts[0].method.clone());
    }
    assert_eq!(methods, ["card", "transfer", "card"]);
    let events = outbox::unpublished(&fresh.database, 100).await.unwrap();
    let requested = events.iter().filter(|(_, event)| event.body.contains("payment.requested"));
    assert_eq!(requested.count(), 3, "each attempt is announced once");
}

#[tokio::test]
async fn live_postgres_lets_no_request_wait_for_the_lock_of_another_order() {
    let fresh = live_postgres().await;
    let orders = place_orders(&fresh.database, 3).await;
    let mut other = fresh.database.begin().await.unwrap();
    sqlx::query("SELECT n FROM holds WHERE order_id = $1 FOR UPDATE")
        .bind(orders[1].to_string())
        .fetch_one(&mut *other)
        .await
        .unwrap();
    let requests: Vec<_> = orders.iter().map(|order| request(*order, "key", "card")).collect();
    assert_eq!(pay(&fresh.database, &requests).await, [P::Requested, P::Locked, P::Requested]);
    other.rollback().await.unwrap();
    let alone = async |request| payments::pay_alone(&fresh.database, "bank", request, START).await.unwrap();
    assert_eq!(alone(&requests[1]).await, P::Requested);
    assert_eq!(alone(&requests[1]).await, P::Existing);
    assert_eq!(pay(&fresh.database, &requests).await, [P::Existing; 3]);
}

/// Requests are made again one by one only for what one of them may be to blame for.
#[tokio::test]
async fn live_postgres_refuses_values_and_locks_and_is_else_away() {
    let fresh = live_postgres().await;
    let database = &fresh.database;
    let order = place_orders(database, 1).await[0].to_string();
    let mut other = database.begin().await.unwrap();
    let lock = "SELECT n FROM holds WHERE order_id = $1 FOR UPDATE";
    sqlx::query(lock).bind(&order).fetch_one(&mut *other).await.unwrap();
    let rows = [
        ("SELECT $1::json ->> 'a'", r#"{"a": "\u0000"}"#, true),
        ("SELECT n FROM holds WHERE order_id = $1 FOR UPDATE NOWAIT", order.as_str(), true),
        ("SELECT pg_terminate_backend(pg_backend_pid())::text || pg_sleep(10)::text || $1", "", false),
    ];
    for (statement, value, is_refusal) in rows {
        let error = sqlx::query(statement).bind(value).fetch_one(database.writer()).await.map(drop).unwrap_err();
        assert_eq!(StoreError::from(error).is_refusal(), is_refusal, "{statement}");
    }
    other.rollback().await.unwrap();
}

#[apply(every_database)]
#[tokio::test]
async fn of_several_callers_the_one_whose_charge_is_written_down_confirms(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let database = &fresh.database;
    let asked = attempts(database, 2).await;
    let batch = [sending(&asked[0], "a"), sending(&asked[1], "b"), sending(&asked[0], "c"), sending(&asked[0], "a")];
    assert_eq!(mark_sent(database, &batch, START).await.unwrap(), [true, true, false, false]);
    let later = [sending(&asked[1], "d"), sending(&asked[0], "a"), sending(&asked[1], "b")];
    assert_eq!(mark_sent(database, &later, START).await.unwrap(), [false; 3]);
    for (payment, expected) in asked.iter().zip(["a", "b"]) {
        assert_eq!(committed(database, payment.id).await.provider_id.as_deref(), Some(expected));
    }
}

#[apply(every_database)]
#[tokio::test]
async fn a_committed_id_never_changes(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let database = &fresh.database;
    let payment = attempts(database, 1).await.remove(0);
    let record = async |reports: &[ChargeReport]| record(database, reports, START).await.unwrap();
    let before = report(&payment, "early", ChargeState::Created);
    assert_eq!(record(&[before]).await, [Recorded::Same], "nothing is committed yet");
    mark_sent(database, &[sending(&payment, "ours")], START).await.unwrap();
    let sent = committed(database, payment.id).await;

    for state in [ChargeState::Created, ChargeState::Authorised, ChargeState::Voided] {
        assert_eq!(record(&[report(&payment, "other", state)]).await, [Recorded::Same]);
        assert_eq!(committed(database, payment.id).await, sent, "a charge that took nothing says nothing");
    }
    let taken = report(&payment, "other", ChargeState::Captured);
    let both = record(&[taken.clone(), report(&payment, "ours", ChargeState::Authorised), taken]).await;
    let Recorded::Moved(moved) = &both[1] else { panic!("the committed charge counts: {both:?}") };
    assert!(moved.needs_review, "what goes on with it knows that a person has to look");
    let review = Recorded::NeedsReview(CaseKind::OtherCharge);
    assert_eq!((&both[0], &both[2]), (&review, &review));
    assert_eq!(cases::open_count(database).await.unwrap(), 1);
    let row = committed(database, payment.id).await;
    assert_eq!((row.provider_id.as_deref(), row.needs_review), (Some("ours"), true));
}
