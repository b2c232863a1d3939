//! Many at once: the guards decide, and exactly one of those who race wins.

use std::collections::HashSet;

use checkout::{CheckoutError, payments::PaymentWorker, stock::StockWorker};
use futures::future::join_all;
use rstest_reuse::apply;
use sale::OrderState;
use stores::{
    database::{holds, payments},
    events::Handler as _,
    payments::ChargeState,
};
use tokio_util::task::TaskTracker;

use crate::shop::{Engine, Shop, every_engine, reserve_request};

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn fifty_buyers_for_ten_units(#[case] engine: Engine) {
    let shop = Shop::open(engine, 10, 1).await;
    let second = shop.second_reserver().await;
    let passes = shop.buyers(50).await;
    let asks = passes.iter().enumerate().map(|(n, pass)| {
        let reserver = if n % 2 == 0 { &shop.reserver } else { &second };
        reserver.reserve(reserve_request(pass, "key", 1))
    });
    let answers = join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert!(
        answers.iter().filter_map(|answer| answer.as_ref().err()).all(|refusal| *refusal == CheckoutError::SoldOut)
    );
    assert_eq!(shop.units().await, (0, 10, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn one_pass_with_a_hundred_keys_is_one_order(#[case] engine: Engine) {
    let shop = Shop::open(engine, 200, 100).await;
    let second = shop.second_reserver().await;
    let pass = shop.buyer().await;
    let asks = (0..100).map(|n| {
        let reserver = if n % 2 == 0 { &shop.reserver } else { &second };
        reserver.reserve(reserve_request(&pass, &format!("key-{n}"), 1))
    });
    let (orders, refusals): (Vec<_>, Vec<_>) = join_all(asks).await.into_iter().partition(Result::is_ok);
    assert_eq!(orders.len(), 1);
    let order = orders.into_iter().next().unwrap().unwrap().order.id;
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err(), CheckoutError::PassUsed { order: Some(order) });
    }
    assert_eq!(shop.units().await, (199, 1, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn one_key_a_hundred_times_is_one_order(#[case] engine: Engine) {
    let shop = Shop::open(engine, 200, 100).await;
    let second = shop.second_reserver().await;
    let pass = shop.buyer().await;
    let asks = (0..100).map(|n| {
        let reserver = if n % 2 == 0 { &shop.reserver } else { &second };
        reserver.reserve(reserve_request(&pass, "key", 1))
    });
    let mut ids = HashSet::new();
    for answer in join_all(asks).await {
        match answer {
            Ok(reserved) => {
                ids.insert(reserved.order.id);
            }
            Err(refusal) => assert_eq!(refusal, CheckoutError::InFlight),
        }
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(shop.units().await, (199, 1, 0));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn paying_races_the_deadline_and_the_buyers_own_cancel(#[case] engine: Engine) {
    let shop = Shop::open(engine, 40, 1).await;
    for _ in 0..10 {
        let order = shop.order().await.id;
        let now = shop.database.now();
        let (paid, cancelled) = tokio::join!(shop.pay(order, "sandbox_ok", "pay"), shop.cancel(order));
        let state = shop.state(order).await;
        match (paid, cancelled.unwrap().state) {
            (Err(refusal), _) => assert_eq!((refusal, state), (CheckoutError::HoldExpired, OrderState::Cancelled)),
            (Ok(_), _) => assert!(matches!(state, OrderState::PaymentProcessing | OrderState::Cancelled), "{state:?}"),
        }
        let order = shop.order().await.id;
        let at_the_deadline = now.plus_millis(400_000);
        let expire = holds::expire(&shop.database, std::slice::from_ref(&order), at_the_deadline);
        let (paid, expired) = tokio::join!(shop.pay(order, "sandbox_ok", "pay"), expire);
        expired.unwrap();
        let state = shop.state(order).await;
        match paid {
            Ok(_) => assert_eq!(state, OrderState::PaymentProcessing),
            Err(refusal) => assert_eq!((refusal, state), (CheckoutError::HoldExpired, OrderState::Expired)),
        }
    }
    shop.calm_down().await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_on_pay_is_one_attempt(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.order().await.id;
    let clicks = (0..10).map(|n| {
        let key = format!("pay-{n}");
        let shop = &shop;
        async move { shop.pay(order, "sandbox_ok", &key).await }
    });
    let accepted = join_all(clicks).await.into_iter().flatten().count();
    assert_eq!(accepted, 1);
    assert_eq!(payments::of_order(&shop.database, order).await.unwrap().len(), 1);
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_workers_confirms_though_the_provider_forgets_keys(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    shop.provider.forget_keys(&shop.database, 8).await;
    let asked = payments::open_of(&shop.database, &[order]).await.unwrap();
    let second = shop.second_process().await;
    let workers = [&shop.process.payments, &second.payments];
    let calls = (0..8).map(|n| workers[n % 2].advance(asked[0].clone()));
    for done in join_all(calls).await {
        done.unwrap();
    }
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    let charges = shop.books().await.charges;
    let confirmed: Vec<_> = charges.iter().filter(|charge| charge.state != ChargeState::Created).collect();
    assert_eq!((charges.len(), confirmed.len()), (8, 1), "{charges:?}");
    let committed = &payments::of_order(&shop.database, order).await.unwrap()[0].provider_id;
    assert_eq!(committed.as_ref(), Some(&confirmed[0].provider_id));
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test(flavor = "multi_thread")]
async fn four_workers_do_the_work_of_one(#[case] engine: Engine) {
    let shop = Shop::open(engine, 30, 1).await;
    let mut orders = Vec::new();
    for method in ["sandbox_ok", "sandbox_declined", "sandbox_leave"] {
        for _ in 0..5 {
            let order = shop.paying(method).await;
            orders.push((order, method));
        }
    }
    let payers: Vec<_> =
        (0..4).map(|_| PaymentWorker::new(shop.database.clone(), shop.provider.clone(), &TaskTracker::new())).collect();
    let stocks: Vec<_> = (0..4).map(|_| StockWorker::new(shop.database.clone(), shop.queue.clone())).collect();
    for round in 0..6 {
        if round == 3 {
            shop.pass_time(301_000);
        }
        let events = shop.events().await;
        for done in join_all(payers.iter().map(|worker| worker.handle(&events))).await {
            done.unwrap();
        }
        let events = shop.events().await;
        for done in join_all(stocks.iter().map(|worker| worker.handle(&events))).await {
            done.unwrap();
        }
        for done in join_all(payers.iter().map(PaymentWorker::poll)).await {
            done.unwrap();
        }
        for done in join_all(stocks.iter().map(StockWorker::run_once)).await {
            done.unwrap();
        }
    }
    for (order, method) in orders {
        let expected = match method {
            "sandbox_ok" => OrderState::Paid,
            "sandbox_declined" => OrderState::PaymentFailed,
            _ => OrderState::Expired,
        };
        assert_eq!(shop.state(order).await, expected, "{method}");
    }
    assert_eq!(shop.units().await, (25, 0, 5));
    shop.close().await;
}
