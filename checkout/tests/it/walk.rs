//! The walk from a pass to a paid order, and the refusals on it.

use checkout::{CheckoutError, OrderView, ReserveRequest, reserve, reserve::RequestedContact};
use rstest_reuse::apply;
use sale::{HoldState, OrderState, testing::PRICE};
use stores::{database::sales, testing};
use web::{ApiError, ErrorCode, FieldError};

use crate::shop::{Engine, LONG_MS, Shop, every_engine, reserve_request};

#[apply(every_engine)]
#[tokio::test]
async fn the_answer_to_a_reservation_is_the_order_as_its_rows_say_it(#[case] engine: Engine) {
    let shop = Shop::open(engine, 5, 2).await;
    let pass = shop.buyer().await;
    let mut request = reserve_request(&pass, "key", 2);
    request.body.contact = Some(RequestedContact { email: "a@example.com".to_owned(), locale: Some("ko".to_owned()) });
    let placed = shop.reserver.reserve(request.clone()).await.unwrap();
    assert!(placed.is_new);
    assert_eq!(shop.view(placed.order.id).await, placed.order);
    let again = shop.reserver.reserve(request).await.unwrap();
    assert_eq!((again.order, again.is_new), (placed.order, false));
    shop.calm_down().await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn every_event_carries_the_trace_of_the_request(#[case] engine: Engine) {
    let shop = Shop::open(engine, 5, 1).await;
    let pass = shop.buyer().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = ReserveRequest { trace: trace.to_owned(), ..reserve_request(&pass, "key", 1) };
    let order = shop.reserver.reserve(request).await.unwrap().order.id;
    shop.pay(order, "sandbox_ok", "pay").await.unwrap();
    shop.deliver().await;
    let records = shop.records().await;
    let parents: Vec<_> = records.iter().map(|record| record.trace.split('-').collect::<Vec<_>>()).collect();
    assert!(parents.len() >= 4, "{parents:?}");
    for parent in &parents {
        assert_eq!((parent[0], parent[1], parent[2].len(), parent[3]), ("00", trace, 16, "01"));
    }
    shop.calm_down().await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_pass_becomes_a_paid_order(#[case] engine: Engine) {
    let shop = Shop::open(engine, 3, 1).await;
    let pass = shop.buyer().await;
    let reserved = shop.reserve(&pass, "key").await.unwrap();
    assert!(reserved.is_new);
    let view = OrderView::from(&reserved.order);
    assert_eq!((view.state, view.total.amount), (OrderState::PendingPayment, PRICE));
    assert!(view.hold_until.is_some() && view.payment.is_none() && view.next_action.is_none());
    assert_eq!(shop.units().await, (2, 1, 0));

    let order = reserved.order.id;
    assert_eq!(shop.pay(order, "sandbox_ok", "pay").await.unwrap().state, OrderState::PaymentProcessing);
    shop.deliver().await;
    let paid = shop.view(order).await;
    assert_eq!(paid.state, OrderState::Paid);
    let states: Vec<_> = paid.history.iter().map(|step| step.state).collect();
    assert_eq!(states, [OrderState::PendingPayment, OrderState::PaymentProcessing, OrderState::Paid]);
    assert_eq!(OrderView::from(&paid).hold_until, None);
    assert_eq!(shop.units().await, (2, 0, 1));

    assert_eq!(shop.pay(order, "sandbox_ok", "again").await.unwrap_err(), CheckoutError::AlreadyPaid);
    assert_eq!(shop.cancel(order).await.unwrap_err(), CheckoutError::CannotCancel);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn the_same_key_is_the_same_order(#[case] engine: Engine) {
    let shop = Shop::open(engine, 3, 2).await;
    let pass = shop.buyer().await;
    let first = shop.reserve(&pass, "key").await.unwrap();
    let second = shop.reserve(&pass, "key").await.unwrap();
    assert_eq!((second.order.id, second.is_new), (first.order.id, false));
    let other_body = shop.reserver.reserve(reserve_request(&pass, "key", 2)).await;
    assert_eq!(other_body.unwrap_err(), CheckoutError::KeyReused);
    let other_key = shop.reserve(&pass, "other").await;
    assert_eq!(other_key.unwrap_err(), CheckoutError::PassUsed { order: Some(first.order.id) });
    assert_eq!(shop.units().await, (2, 1, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_refusal_consumes_nothing(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 2).await;
    let (first, second) = (shop.buyer().await, shop.buyer().await);
    assert_eq!(
        shop.reserver.reserve(reserve_request(&first, "key", 3)).await.unwrap_err(),
        CheckoutError::LimitReached
    );
    assert_eq!(shop.reserver.reserve(reserve_request(&first, "key", 2)).await.unwrap_err(), CheckoutError::SoldOut);
    let order = shop.reserve(&first, "key").await.unwrap().order;
    assert_eq!(shop.reserve(&second, "key").await.unwrap_err(), CheckoutError::SoldOut);
    shop.cancel(order.id).await.unwrap();
    shop.deliver().await;
    shop.reserve(&second, "key").await.unwrap();
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn what_the_sale_says_counts(#[case] engine: Engine) {
    let shop = Shop::open(engine, 5, 2).await;
    let pass = shop.buyer().await;
    let mut unknown = reserve_request(&pass, "key", 1);
    "boots".clone_into(&mut unknown.body.lines[0].item);
    let refused = shop.reserver.reserve(unknown).await.unwrap_err();
    assert_eq!(refused, CheckoutError::Invalid(vec![FieldError::new("/lines/0/item", ErrorCode::UnknownItem)]));
    assert_eq!(ApiError::from(refused).code, ErrorCode::UnknownItem);

    let order = shop.reserve(&pass, "key").await.unwrap().order;
    let late = shop.buyer().await;
    shop.pass_time(LONG_MS + 1_000);
    assert_eq!(shop.reserve(&late, "key").await.unwrap_err(), CheckoutError::PassExpired);
    let again = shop.reserve(&pass, "key").await.unwrap();
    assert_eq!((again.order.id, again.is_new), (order.id, false), "a retry finds its order after the pass has ended");
    shop.calm_down().await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn who_is_inside_may_buy_while_the_sale_is_paused_or_closing(#[case] engine: Engine) {
    let shop = Shop::open(engine, 5, 1).await;
    let (first, second) = (shop.buyer().await, shop.buyer().await);
    let entry = |action: &str| testing::seller_entry(shop.database.now(), action);
    sales::switch(&shop.database, &shop.sale, sales::Switch::Pause, &entry("pause")).await.unwrap();
    let order = shop.reserve(&first, "key").await.unwrap().order;
    sales::switch(&shop.database, &shop.sale, sales::Switch::Close, &entry("close")).await.unwrap();
    shop.reserve(&second, "key").await.unwrap();
    shop.pay(order.id, "sandbox_ok", "pay").await.unwrap();
    shop.deliver().await;
    assert_eq!(shop.state(order.id).await, OrderState::Paid);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_hold_ends_at_its_deadline_once(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.order().await.id;
    shop.pass_time(299_000);
    shop.loops().await;
    assert_eq!(shop.state(order).await, OrderState::PendingPayment);
    shop.pass_time(1_000);
    assert_eq!(shop.pay(order, "sandbox_ok", "pay").await.unwrap_err(), CheckoutError::HoldExpired);
    shop.loops().await;
    shop.loops().await;
    let expired = shop.view(order).await;
    assert_eq!((expired.state, expired.hold.unwrap().state), (OrderState::Expired, HoldState::Expired));
    assert_eq!(shop.units().await, (1, 0, 0));
    shop.deliver().await;
    assert_eq!(shop.units().await, (1, 0, 0));
    assert_eq!(shop.cancel(order).await.unwrap_err(), CheckoutError::CannotCancel);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn an_order_id_follows_from_pass_and_key(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let pass = shop.buyer().await;
    let order = shop.reserve(&pass, "key").await.unwrap().order;
    assert_eq!(order.id, reserve::order_id(&pass, "key", 0));
    assert_ne!(reserve::order_id(&pass, "key", 0), reserve::order_id(&pass, "key", 1));
    assert_eq!((order.pass, order.buyer, order.number), (Some(pass.id), pass.buyer, Some(pass.number)));
    shop.close().await;
}
