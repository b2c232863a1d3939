//! Every way in which a payment can end.

use checkout::CheckoutError;
use rstest_reuse::apply;
use sale::{OrderState, PaymentState, testing::PRICE};
use stores::{database::payments, events::Handler, payments::ChargeState, testing};
use web::{ErrorCode, FieldError};

use crate::{
    shop::{Engine, Shop, every_engine},
    unreliable::Fault,
};

#[apply(every_engine)]
#[tokio::test]
async fn declined_for_good_gives_the_units_back_at_once(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_declined").await;
    shop.deliver().await;
    let failed = shop.view(order).await;
    assert_eq!((failed.state, failed.payment.unwrap().state), (OrderState::PaymentFailed, PaymentState::Declined));
    assert_eq!(shop.units().await, (1, 0, 0));
    assert_eq!(shop.pay(order, "sandbox_ok", "again").await.unwrap_err(), CheckoutError::HoldExpired);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn declined_once_may_be_tried_again(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_declined_once").await;
    shop.deliver().await;
    let back = shop.view(order).await;
    assert_eq!((back.state, back.payment.unwrap().state), (OrderState::PendingPayment, PaymentState::Declined));
    assert_eq!(shop.units().await, (0, 1, 0));
    let second = shop.pay(order, "sandbox_declined_once", "second").await.unwrap();
    assert_eq!(second.payment.unwrap().attempt, 2);
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn declined_once_and_left_alone_expires(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_declined_once").await;
    shop.deliver().await;
    shop.pass_time(300_000);
    shop.loops().await;
    assert_eq!(shop.state(order).await, OrderState::Expired);
    assert_eq!(shop.units().await, (1, 0, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_payment_that_is_left_ends_with_the_hold(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_leave").await;
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    assert_eq!(shop.pay(order, "sandbox_ok", "other").await.unwrap_err(), CheckoutError::PaymentInProgress);
    shop.pass_time(299_000);
    shop.loops().await;
    assert_eq!(shop.units().await, (0, 1, 0), "not before the deadline");
    shop.pass_time(1_000);
    shop.loops().await;
    assert_eq!(shop.units().await, (0, 1, 0), "void first, release only when it is confirmed");
    shop.loops().await;
    shop.deliver().await;
    let expired = shop.view(order).await;
    assert_eq!((expired.state, expired.payment.unwrap().state), (OrderState::Expired, PaymentState::Voided));
    assert_eq!(shop.units().await, (1, 0, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn no_answer_yet_charged_is_paid(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_timeout").await;
    shop.deliver().await;
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_slow_bank_is_asked_until_it_answers(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.order().await.id;
    // The last second of the hold: its deadline moves behind the time that the bank may take.
    shop.pass_time(299_500);
    shop.pay(order, "sandbox_slow", "pay").await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    shop.pass_time(1_500);
    shop.loops().await;
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    shop.pass_time(2_000);
    shop.loops().await;
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_hold_is_extended_for_one_attempt_whatever_is_tried_after(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.order().await.id;
    shop.pass_time(299_500);
    shop.pay(order, "sandbox_declined_once", "first").await.unwrap();
    shop.deliver().await;
    shop.pass_time(4_500);
    shop.loops().await;
    assert_eq!(shop.state(order).await, OrderState::PendingPayment, "extended by the provider's five seconds");
    shop.pay(order, "sandbox_leave", "second").await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    shop.pass_time(600);
    shop.loops().await;
    shop.loops().await;
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Expired, "and not a second time");
    assert_eq!(shop.units().await, (1, 0, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_charge_that_was_never_sent_does_not_expire(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    let held_back = shop.new_events().await;
    shop.pass_time(400_000);
    shop.process.stock.run_once().await.unwrap();
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    assert_eq!(shop.units().await, (0, 1, 0));
    shop.hand_over(&held_back).await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn paying_twice_is_one_payment(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.order().await.id;
    let first = shop.pay(order, "sandbox_ok", "pay").await.unwrap();
    let second = shop.pay(order, "sandbox_ok", "pay").await.unwrap();
    assert_eq!(first.payment, second.payment);
    assert_eq!(shop.pay(order, "sandbox_leave", "pay").await.unwrap_err(), CheckoutError::KeyReused);
    assert_eq!(shop.pay(order, "sandbox_ok", "other").await.unwrap_err(), CheckoutError::PaymentInProgress);
    let unknown = CheckoutError::Invalid(vec![FieldError::new("/method", ErrorCode::UnknownMethod)]);
    assert_eq!(shop.pay(order, "cash", "pay").await.unwrap_err(), unknown);
    shop.deliver().await;
    assert_eq!(payments::of_order(&shop.database, order).await.unwrap().len(), 1);
    assert_eq!(shop.pay(order, "sandbox_ok", "pay").await.unwrap().state, OrderState::Paid, "the same key, later");
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_buyer_may_cancel_until_money_is_taken(#[case] engine: Engine) {
    let shop = Shop::open(engine, 3, 1).await;
    let (held, paying, sent) = (shop.order().await.id, shop.order().await.id, shop.order().await.id);
    assert_eq!(shop.cancel(held).await.unwrap().state, OrderState::Cancelled);
    assert_eq!(shop.cancel(held).await.unwrap().state, OrderState::Cancelled);
    // Never sent: voided beforehand, and the event that comes later charges nothing.
    shop.pay(paying, "sandbox_ok", "pay").await.unwrap();
    assert_eq!(shop.cancel(paying).await.unwrap().state, OrderState::PaymentProcessing);
    assert_eq!(shop.cancel(paying).await.unwrap().state, OrderState::PaymentProcessing);
    // Sent, and the bank has not decided.
    shop.pay(sent, "sandbox_leave", "pay").await.unwrap();
    shop.deliver().await;
    shop.cancel(sent).await.unwrap();
    shop.loops().await;
    shop.deliver().await;
    assert_eq!(shop.state(paying).await, OrderState::Cancelled);
    assert_eq!(shop.state(sent).await, OrderState::Cancelled);
    assert_eq!(shop.units().await, (3, 0, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_void_nobody_confirms_releases_nothing(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_leave").await;
    shop.deliver().await;
    shop.pass_time(300_000);
    shop.process.stock.run_once().await.unwrap();
    shop.provider.plan([Some(Fault::Before); 3]);
    shop.process.payments.poll().await.unwrap();
    shop.pass_time(4_000);
    shop.process.stock.run_once().await.unwrap();
    assert_eq!(shop.state(order).await, OrderState::PaymentUnknown);
    let key = shop.queue_key().await;
    let seen = stores::queue_store::Queue::observe(shop.queue.as_ref(), &key, 0).await.unwrap();
    assert_eq!((seen.active, seen.stock[0].held), (0, 1), "it keeps the unit and nobody out");
    shop.pass_time(LONG);
    shop.process.stock.run_once().await.unwrap();
    assert_eq!(shop.units().await, (0, 1, 0), "unknown is never released");
    shop.provider.plan([None; 3]);
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Expired);
    assert_eq!(shop.units().await, (1, 0, 0));
    shop.close().await;
}

const LONG: i64 = 1_000;

#[apply(every_engine)]
#[tokio::test]
async fn a_void_that_comes_too_late_finds_a_paid_order(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    let requested = shop.new_events().await;
    // Capture happens, its answer is lost, and so are all questions until the deadline has passed.
    shop.provider.plan([None, None, Some(Fault::After)]);
    shop.process.payments.handle(&requested).await.unwrap();
    shop.pass_time(300_000);
    shop.process.stock.run_once().await.unwrap();
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn any_lost_call_or_answer_of_the_provider_is_asked_again(#[case] engine: Engine) {
    let shop = Shop::open(engine, 81, 1).await;
    let faults = [None, Some(Fault::Before), Some(Fault::After)];
    // Every plan of four calls; the live engines take longer, and get each third one.
    let step = if engine == Engine::Embedded { 1 } else { 3 };
    for nth in (0..81_usize).step_by(step) {
        let plan = [nth / 27, nth / 9 % 3, nth / 3 % 3, nth % 3].map(|fault| faults[fault]);
        let order = shop.paying("sandbox_ok").await;
        shop.provider.plan(plan);
        shop.deliver().await;
        // The provider has forgotten our keys when it is called again.
        testing::forget_keys(&shop.database).await;
        shop.calm_down().await;
        assert_eq!(shop.state(order).await, OrderState::Paid, "{plan:?}");
        assert_eq!(shop.captured().await, PRICE * i64::try_from(nth / step + 1).unwrap(), "once, after {plan:?}");
    }
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_charge_whose_id_is_not_committed_is_never_confirmed(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    shop.provider.plan([Some(Fault::After)]);
    shop.deliver().await;
    testing::forget_keys(&shop.database).await;
    shop.calm_down().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    let charges = shop.books().await.charges;
    assert_eq!((charges.len(), shop.captured().await), (2, PRICE), "two were created, one was confirmed");
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_charge_whose_id_is_committed_is_confirmed_or_voided_by_the_poller(#[case] engine: Engine) {
    let shop = Shop::open(engine, 2, 1).await;
    let (paid, cancelled) = (shop.order().await.id, shop.order().await.id);
    for order in [paid, cancelled] {
        shop.pay(order, "sandbox_ok", "pay").await.unwrap();
        // Created, not confirmed, and the first question about it is lost too.
        shop.provider.plan([None, Some(Fault::Before), Some(Fault::Before)]);
        shop.deliver().await;
        assert_eq!(shop.state(order).await, OrderState::PaymentProcessing);
    }
    let created = shop.books().await.charges;
    assert!(created.iter().all(|charge| charge.state == ChargeState::Created), "{created:?}");
    shop.cancel(cancelled).await.unwrap();
    shop.calm_down().await;
    assert_eq!((shop.state(paid).await, shop.state(cancelled).await), (OrderState::Paid, OrderState::Cancelled));
    assert_eq!((shop.captured().await, shop.units().await), (PRICE, (1, 0, 1)));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_charge_that_could_not_be_created_ends_with_the_hold(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    shop.provider.plan([Some(Fault::Before); 100]);
    shop.deliver().await;
    shop.pass_time(299_000);
    shop.loops().await;
    assert_eq!(shop.state(order).await, OrderState::PaymentProcessing, "the provider may come back");
    shop.calm_down().await;
    // No money can have moved, so nobody has to confirm that.
    assert_eq!(shop.state(order).await, OrderState::Expired);
    assert_eq!((shop.units().await, shop.captured().await), ((1, 0, 0), 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn every_event_twice_and_in_any_order_changes_nothing(#[case] engine: Engine) {
    let shop = Shop::open(engine, 9, 1).await;
    let mut orders = Vec::new();
    for method in ["sandbox_ok", "sandbox_declined", "sandbox_declined_once", "sandbox_leave"] {
        orders.push(shop.paying(method).await);
    }
    shop.deliver().await;
    shop.pay(orders[2], "sandbox_ok", "second").await.unwrap();
    shop.deliver().await;
    shop.calm_down().await;
    let mut before = Vec::new();
    for order in &orders {
        before.push(shop.view(*order).await);
    }
    let (units, mut events) = (shop.units().await, shop.events().await);
    for _ in 0..2 {
        shop.hand_over(&events).await.unwrap();
        events.reverse();
        for event in &events {
            shop.hand_over(std::slice::from_ref(event)).await.unwrap();
        }
    }
    for (order, before) in orders.iter().zip(before) {
        assert_eq!(shop.view(*order).await, before);
    }
    assert_eq!(shop.units().await, units);
    assert!(shop.new_events().await.is_empty(), "a repeated event makes no new one");
    shop.close().await;
}
