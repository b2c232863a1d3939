//! Money that comes when nobody expects it any more, and money that goes back.

use rstest_reuse::apply;
use sale::{
    HoldState, OrderId, OrderState, PaymentState,
    ids::{charge_key, parse_charge_key},
    testing::PRICE,
};
use stores::{
    database::{cases, payments},
    testing,
};

use crate::{
    shop::{Engine, Shop, every_engine},
    unreliable::Fault,
};

impl Shop {
    /// An order whose hold has ended with nothing paid.
    async fn expired(&self) -> OrderId {
        let order = self.paying("sandbox_leave").await;
        self.deliver().await;
        self.pass_time(300_000);
        self.loops().await;
        self.loops().await;
        self.deliver().await;
        assert_eq!(self.state(order).await, OrderState::Expired);
        order
    }

    /// An order that was paid after its only unit had gone to another order: a refund is owed.
    async fn paid_without_a_unit(&self) -> (OrderId, OrderId) {
        let order = self.expired().await;
        let other = self.order().await.id;
        self.captured_after_all(order, 1).await;
        let events = self.new_events().await;
        self.hand_over(&events).await.unwrap();
        assert_eq!(self.state(order).await, OrderState::RefundPending);
        (order, other)
    }

    async fn refunded_at_the_provider(&self, order: OrderId) -> i64 {
        let is_its = |key: &str| parse_charge_key(key).is_some_and(|(paid, _)| paid == order);
        let charges = self.books().await.charges;
        charges.iter().filter(|charge| charge.key.as_deref().is_some_and(is_its)).map(|charge| charge.refunded).sum()
    }
}

#[apply(every_engine)]
#[tokio::test]
async fn late_money_gets_a_unit_while_there_is_one(#[case] engine: Engine) {
    let shop = Shop::open(engine, 2, 1).await;
    let order = shop.expired().await;
    shop.captured_after_all(order, 1).await;
    shop.deliver().await;
    let paid = shop.view(order).await;
    assert_eq!((paid.state, paid.hold.unwrap().state), (OrderState::Paid, HoldState::Committed));
    assert_eq!(shop.units().await, (1, 0, 1));
    shop.captured_after_all(order, 1).await;
    shop.hand_over(&shop.events().await).await.unwrap();
    assert_eq!(shop.units().await, (1, 0, 1));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn late_money_goes_back_when_there_is_no_unit(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let (order, other) = shop.paid_without_a_unit().await;
    // The refund goes through, its answer is lost: the same key again pays nothing twice.
    shop.provider.plan([Some(Fault::After)]);
    shop.process.payments.poll().await.unwrap();
    assert_eq!(shop.state(order).await, OrderState::RefundPending);
    shop.pass_time(11_000);
    shop.process.payments.poll().await.unwrap();
    let refunded = shop.view(order).await;
    assert_eq!((refunded.state, refunded.payment.unwrap().state), (OrderState::Refunded, PaymentState::Refunded));
    assert_eq!(shop.refunded_at_the_provider(order).await, PRICE);
    assert_eq!(shop.state(other).await, OrderState::PendingPayment);
    assert_eq!(shop.units().await, (0, 1, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn an_order_of_price_nothing_that_is_paid_late_owes_nothing(#[case] engine: Engine) {
    let free_of_charge = |sale: &mut sale::Sale| sale.items[0].price.amount = 0;
    let shop = Shop::selling(engine, |sale| sale.units(1).with(free_of_charge)).await;
    let late = shop.expired().await;
    let paid = shop.order().await.id;
    shop.captured_after_all(late, 1).await;
    shop.pay(paid, "sandbox_ok", "pay").await.unwrap();
    shop.calm_down().await;
    assert_eq!((shop.state(late).await, shop.state(paid).await), (OrderState::Refunded, OrderState::Paid));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn late_money_gets_a_unit_though_that_of_an_earlier_attempt_went_back(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_declined_once").await;
    shop.deliver().await;
    shop.pay(order, "sandbox_leave", "second").await.unwrap();
    shop.deliver().await;
    shop.pass_time(300_000);
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Expired);

    let other = shop.order().await.id;
    shop.captured_after_all(order, 1).await;
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Refunded);

    shop.pass_time(300_000);
    shop.calm_down().await;
    assert_eq!(shop.state(other).await, OrderState::Expired);
    shop.captured_after_all(order, 2).await;
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    assert_eq!(shop.units().await, (0, 0, 1));
    assert_eq!(shop.refunded_at_the_provider(order).await, PRICE);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn late_money_waits_for_a_gate_that_is_away(#[case] engine: Engine) {
    for fault in [Fault::Before, Fault::After] {
        let shop = Shop::open(engine, 2, 1).await;
        let order = shop.expired().await;
        shop.captured_after_all(order, 1).await;
        shop.queue.plan([Some(fault)]);
        let events = shop.new_events().await;
        assert!(shop.hand_over(&events).await.is_err());
        assert_eq!(shop.state(order).await, OrderState::Expired);
        shop.pass_time(16_000);
        shop.loops().await;
        assert_eq!(shop.state(order).await, OrderState::Paid);
        assert_eq!(shop.units().await, (1, 0, 1));
        shop.close().await;
    }
}

#[apply(every_engine)]
#[tokio::test]
async fn what_was_captured_twice_goes_back_once(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_declined_once").await;
    shop.deliver().await;
    shop.pay(order, "sandbox_ok", "second").await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.captured_after_all(order, 1).await;
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    let states: Vec<_> =
        payments::of_order(&shop.database, order).await.unwrap().iter().map(|payment| payment.state).collect();
    let mut expected = [PaymentState::Refunded, PaymentState::Captured];
    if states[0] == PaymentState::Captured {
        expected.reverse();
    }
    assert_eq!(states, expected);
    assert_eq!(shop.refunded_at_the_provider(order).await, PRICE);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_refund_that_is_refused_too_often_needs_a_person(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let (order, other) = shop.paid_without_a_unit().await;
    // The charge is not captured any more, as far as the provider is concerned: it refuses to give anything back.
    testing::force_charge(&shop.database, &charge_key(order, 1), "voided").await;
    for refusals in 1..30 {
        shop.process.payments.poll().await.unwrap();
        assert_eq!(shop.state(order).await, OrderState::RefundPending, "after {refusals} refusals");
        shop.pass_time(10_000);
    }
    shop.process.payments.poll().await.unwrap();
    assert_eq!(shop.state(order).await, OrderState::NeedsReview);
    assert_eq!(cases::open_count(&shop.database).await.unwrap(), 1);
    assert_eq!(shop.refunded_at_the_provider(order).await, 0);
    assert_ne!(shop.state(other).await, OrderState::NeedsReview);
    shop.deliver().await;
    assert_eq!(shop.found().await, ["captured_amount"]);
    testing::force_charge(&shop.database, &charge_key(order, 1), "captured").await;
    shop.calm_down().await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_provider_that_is_silent_about_a_refund_is_asked_without_end(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let (order, other) = shop.paid_without_a_unit().await;
    shop.provider.plan([Some(Fault::Before); 100]);
    for silences in 1..=100 {
        shop.process.payments.poll().await.unwrap();
        assert_eq!(shop.state(order).await, OrderState::RefundPending, "after {silences} silences");
        shop.pass_time(300_000);
    }
    shop.process.payments.poll().await.unwrap();
    assert_eq!(shop.state(order).await, OrderState::Refunded);
    assert_eq!((shop.refunded_at_the_provider(order).await, shop.captured().await), (PRICE, PRICE));
    shop.calm_down().await;
    assert_eq!(shop.state(other).await, OrderState::Expired);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn another_amount_than_ours_needs_a_person(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_leave").await;
    shop.deliver().await;
    testing::force_charge_amount(&shop.database, &charge_key(order, 1), PRICE - 1).await;
    shop.webhook(&charge_key(order, 1)).await;
    assert_eq!(shop.state(order).await, OrderState::NeedsReview);
    assert_eq!(cases::open_count(&shop.database).await.unwrap(), 1);
    shop.pass_time(400_000);
    shop.loops().await;
    shop.deliver().await;
    assert_eq!(shop.units().await, (0, 1, 0), "nothing moves by itself any more");
    assert_eq!(shop.found().await, ["other_amount"]);
    testing::force_charge_amount(&shop.database, &charge_key(order, 1), PRICE).await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn verification_sees_money_that_the_database_forgot(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let late = shop.expired().await;
    let paid = shop.order().await.id;
    shop.captured_after_all(late, 1).await;
    shop.pay(paid, "sandbox_ok", "pay").await.unwrap();
    shop.calm_down().await;
    assert_eq!((shop.state(late).await, shop.state(paid).await), (OrderState::Refunded, OrderState::Paid));
    assert_eq!(shop.verify().await.differences, 0);
    let write = async |statements: &[&'static str]| {
        for statement in statements {
            sqlx::query(*statement).execute(shop.database.writer()).await.unwrap();
        }
    };

    write(&[
        "CREATE TABLE kept_refunds AS SELECT * FROM refunds",
        "CREATE TABLE kept_lines AS SELECT * FROM refund_lines",
    ])
    .await;
    write(&["DELETE FROM refund_lines", "DELETE FROM refunds"]).await;
    assert_eq!(shop.found().await, ["refund_without_record"]);
    write(&["CREATE TABLE kept_moves AS SELECT * FROM money_moves", "DELETE FROM money_moves WHERE kind = 'captured'"])
        .await;
    assert_eq!(shop.found().await.iter().filter(|what| **what == "money_moves").count(), 2);

    write(&[
        "CREATE TABLE kept_payments AS SELECT * FROM payments",
        "CREATE TABLE kept_parts AS SELECT * FROM payment_parts",
    ])
    .await;
    write(&["DELETE FROM payment_parts", "DELETE FROM payments"]).await;
    let forgotten = shop.found().await;
    assert_eq!(forgotten.iter().filter(|what| **what == "charge_without_payment").count(), 2, "{forgotten:?}");
    assert!(forgotten.contains(&"move_without_payment"), "{forgotten:?}");

    write(&[
        "INSERT INTO payments SELECT * FROM kept_payments",
        "INSERT INTO payment_parts SELECT * FROM kept_parts",
        "INSERT INTO refunds SELECT * FROM kept_refunds",
        "INSERT INTO refund_lines SELECT * FROM kept_lines",
        "INSERT INTO money_moves (purchase_id, payment_id, refund_id, kind, amount, currency, cause, at) \
         SELECT purchase_id, payment_id, refund_id, kind, amount, currency, cause, at FROM kept_moves \
         WHERE kind = 'captured'",
    ])
    .await;
    shop.close().await;
}
