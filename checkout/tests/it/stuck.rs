//! Orders whose rows refuse what has to be done with them: they stop none of the others, and go on once they are mended.

use checkout::CheckoutError;
use futures::future::join_all;
use rstest_reuse::apply;
use sale::{OrderId, OrderState};
use stores::database::{
    cases,
    holds::{self, DeadlineOutcome},
};

use crate::{
    shop::{Engine, Shop, every_engine},
    unreliable::Fault,
};

impl Shop {
    /// A hand in the database: `statement` about an order.
    async fn write(&self, statement: &'static str, order: OrderId) {
        let written = sqlx::query(statement).bind(order.to_string()).execute(self.database.writer()).await.unwrap();
        assert_eq!(written.rows_affected(), 1);
    }

    async fn states(&self, orders: &[OrderId]) -> Vec<OrderState> {
        let mut states = Vec::new();
        for order in orders {
            states.push(self.state(*order).await);
        }
        states
    }
}

#[apply(every_engine)]
#[tokio::test]
async fn an_order_that_cannot_follow_its_payment_stops_no_other(#[case] engine: Engine) {
    let shop = Shop::open(engine, 7, 1).await;
    let mut orders = Vec::new();
    for _ in 0..7 {
        orders.push(shop.paying("sandbox_ok").await);
    }
    let stuck = orders.remove(3);
    shop.write("UPDATE orders SET state = 'cancelled' WHERE id = $1", stuck).await;
    shop.deliver().await;
    assert_eq!(shop.states(&orders).await, [OrderState::Paid; 6]);
    shop.pass_time(16_000);
    for _ in 0..3 {
        shop.loops().await;
        assert_eq!(cases::open_count(&shop.database).await.unwrap(), 1);
    }
    shop.write("UPDATE orders SET state = 'reserved' WHERE id = $1", stuck).await;
    shop.loops().await;
    assert_eq!(shop.state(stuck).await, OrderState::PaymentProcessing, "it is tried again after a while");
    shop.calm_down().await;
    shop.calm_down().await;
    assert_eq!(shop.state(stuck).await, OrderState::Paid);
    assert_eq!(shop.units().await, (0, 0, 7));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_payment_that_cannot_be_requested_stops_no_other(#[case] engine: Engine) {
    const BREAK: &str = "UPDATE orders SET financial_state = 'processing' WHERE id = $1";
    let shop = Shop::open(engine, 3, 1).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(shop.order().await.id);
    }
    let stuck = orders[1];
    // Its reservation waits to be paid, its money seems to be on the way: no payment of it can begin.
    shop.write(BREAK, stuck).await;
    let requested = join_all(orders.iter().map(|order| shop.pay(*order, "sandbox_ok", "pay"))).await;
    let states: Vec<_> = requested.into_iter().map(|order| order.map(|order| order.state)).collect();
    let under_way = Ok(OrderState::PaymentProcessing);
    assert_eq!(states, [under_way.clone(), Err(CheckoutError::StoreUnavailable), under_way]);
    shop.deliver().await;
    assert_eq!(shop.states(&[orders[0], orders[2]]).await, [OrderState::Paid; 2]);
    shop.write("UPDATE orders SET financial_state = 'none' WHERE id = $1", stuck).await;
    shop.pay(stuck, "sandbox_ok", "pay").await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.units().await, (0, 0, 3));
    shop.close().await;
}

/// No handler lets such a key pass; whatever else the database may refuse, it refuses for whoever sent it.
#[tokio::test]
async fn live_postgres_refuses_the_words_of_one_request_alone() {
    let shop = Shop::open(Engine::Live, 3, 1).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(shop.order().await.id);
    }
    let keys = ["one", "\0", "three"];
    let requested = join_all(orders.iter().zip(keys).map(|(order, key)| shop.pay(*order, "sandbox_ok", key))).await;
    let are_under_way: Vec<_> = requested.iter().map(Result::is_ok).collect();
    assert_eq!(are_under_way, [true, false, true]);
    shop.pay(orders[1], "sandbox_ok", "two").await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.states(&orders).await, [OrderState::Paid; 3]);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_hold_that_cannot_end_stops_no_other(#[case] engine: Engine) {
    const COUNT: &str = "UPDATE buyers SET units = $2 WHERE buyer = (SELECT buyer FROM orders WHERE id = $1)";
    let shop = Shop::open(engine, 6, 1).await;
    let (stuck, left) = (shop.order().await.id, shop.order().await.id);
    let mut lapsed = Vec::new();
    for _ in 0..4 {
        lapsed.push(shop.order().await.id);
    }
    shop.pay(left, "sandbox_leave", "pay").await.unwrap();
    shop.deliver().await;
    let count = async |units: i64| {
        let count = sqlx::query(COUNT).bind(stuck.to_string()).bind(units);
        assert_eq!(count.execute(shop.database.writer()).await.unwrap().rows_affected(), 1);
    };
    // What its buyer gives back was never counted: a constraint refuses it.
    count(0).await;
    shop.pass_time(301_000);
    for _ in 0..3 {
        shop.loops().await;
    }
    shop.deliver().await;
    assert_eq!(shop.states(&lapsed).await, [OrderState::Expired; 4]);
    assert_eq!(shop.states(&[left, stuck]).await, [OrderState::Expired, OrderState::PendingPayment]);
    assert_eq!(cases::open_count(&shop.database).await.unwrap(), 1);
    count(1).await;
    shop.pass_time(301_000);
    shop.loops().await;
    assert_eq!(shop.state(stuck).await, OrderState::Expired);
    assert_eq!(shop.units().await, (6, 0, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn of_workers_that_race_past_a_deadline_one_finds_the_payment_unknown(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_leave").await;
    shop.deliver().await;
    shop.pass_time(301_000);
    let database = shop.second_database().await;
    let race = async || {
        let now = shop.database.now();
        let (one, other) = tokio::join!(
            holds::enforce_payment_deadline(&shop.database, order, now, 3_000),
            holds::enforce_payment_deadline(&database, order, now, 3_000)
        );
        [one.unwrap(), other.unwrap()]
    };
    assert!(race().await.contains(&DeadlineOutcome::Voiding));
    shop.provider.plan([Some(Fault::Before)]);
    shop.process.payments.poll().await.unwrap();
    shop.pass_time(4_000);
    let mut raced = race().await;
    raced.sort_unstable_by_key(|outcome| *outcome == DeadlineOutcome::Unknown);
    assert_eq!(raced, [DeadlineOutcome::Nothing, DeadlineOutcome::Unknown]);
    assert_eq!(shop.state(order).await, OrderState::PaymentUnknown);
    shop.calm_down().await;
    assert_eq!(shop.units().await, (1, 0, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn late_money_whose_gate_does_not_answer_stops_no_other(#[case] engine: Engine) {
    let shop = Shop::open(engine, 3, 1).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(shop.paying("sandbox_leave").await);
    }
    shop.deliver().await;
    shop.pass_time(301_000);
    for _ in 0..2 {
        shop.loops().await;
        shop.deliver().await;
    }
    assert_eq!(shop.states(&orders).await, [OrderState::Expired; 3]);
    for order in &orders {
        shop.captured_after_all(*order, 1).await;
    }
    shop.queue.plan([Some(Fault::Before)]);
    let events = shop.new_events().await;
    assert!(shop.hand_over(&events).await.is_err(), "the batch comes again");
    let paid = shop.states(&orders).await.into_iter().filter(|state| *state == OrderState::Paid).count();
    assert_eq!(paid, 2);
    shop.hand_over(&events).await.unwrap();
    assert_eq!(shop.states(&orders).await, [OrderState::Paid; 3]);
    shop.close().await;
}
