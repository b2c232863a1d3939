//! What every adapter of the payment provider has to keep.

use sale::{Currency, Money, ids::charge_key};
use stores::payments::{ChargeRef, ChargeState, NewRefund, RefundProgress, Span};

use crate::{LATER, Provider, START, charge, order, reference, won};

pub(crate) async fn creating_moves_no_money(provider: &Provider) {
    let created = provider.create(provider.pays, 1).await;
    assert_eq!((&created.state, created.money, created.captured), (&ChargeState::Created, won(1_000), 0));
    assert_eq!(provider.port.query(&reference(&created), LATER).await.unwrap(), created);
    assert_eq!(provider.port.capture(&reference(&created), LATER).await.unwrap(), created);
    assert!(provider.port.create(&charge("cash", 2), START).await.is_err());
}

pub(crate) async fn the_same_key_is_the_same_charge(provider: &Provider) {
    let created = provider.create(provider.pays, 1).await;
    assert_eq!(provider.create(provider.declines, 1).await, created);
    let begun = provider.port.confirm(&reference(&created), START).await.unwrap();
    assert_eq!((&begun.provider_id, &begun.state), (&created.provider_id, &ChargeState::Authorised));
    assert_eq!(begun.key, Some(charge_key(order(), 1)));
    for _ in 0..2 {
        assert_eq!(provider.port.confirm(&reference(&created), LATER).await.unwrap(), begun);
        assert_eq!(provider.port.query(&reference(&created), LATER).await.unwrap(), begun);
        assert_eq!(provider.port.create(&charge(provider.pays, 1), LATER).await.unwrap(), begun);
    }
    assert_eq!(provider.books().await.0, [begun]);
}

pub(crate) async fn a_forgotten_key_is_never_a_second_charge(provider: &Provider) {
    let first = provider.create(provider.pays, 1).await;
    (provider.forget_keys)().await;
    let second = provider.create(provider.pays, 1).await;
    assert_ne!(first.provider_id, second.provider_id);
    let confirmed = provider.port.confirm(&reference(&second), START).await.unwrap();
    assert_eq!(provider.port.capture(&reference(&confirmed), LATER).await.unwrap().captured, 1_000);
    let taken: i64 = provider.books().await.0.iter().map(|charge| charge.captured).sum();
    assert_eq!(taken, 1_000, "the first one was never confirmed");
}

pub(crate) async fn an_unknown_charge_is_an_error(provider: &Provider) {
    let unknown = ChargeRef { key: charge_key(order(), 9), provider_id: "nothing".to_owned() };
    assert!(provider.port.query(&unknown, START).await.is_err());
    assert!(provider.port.confirm(&unknown, START).await.is_err());
    assert!(provider.port.capture(&unknown, START).await.is_err());
    assert!(provider.port.void(&unknown, START).await.is_err());
    let refund = NewRefund { key: "refund:x:1".to_owned(), money: won(1) };
    assert!(provider.port.refund(&unknown, &refund, START).await.is_err());
}

pub(crate) async fn captured_stays_captured(provider: &Provider) {
    let begun = reference(&provider.begin(provider.pays, 1).await);
    for _ in 0..2 {
        let captured = provider.port.capture(&begun, LATER).await.unwrap();
        assert_eq!((captured.state, captured.captured), (ChargeState::Captured, 1_000));
        assert_eq!(provider.port.void(&begun, LATER).await.unwrap().state, ChargeState::Captured);
        assert_eq!(provider.port.confirm(&begun, LATER).await.unwrap().state, ChargeState::Captured);
    }
}

pub(crate) async fn voided_stays_voided(provider: &Provider) {
    let created = reference(&provider.create(provider.pays, 1).await);
    let waiting = reference(&provider.begin(provider.waits, 2).await);
    let authorised = reference(&provider.begin(provider.pays, 3).await);
    for charge in [created, waiting, authorised] {
        for _ in 0..2 {
            assert_eq!(provider.port.void(&charge, LATER).await.unwrap().state, ChargeState::Voided);
            assert_eq!(provider.port.confirm(&charge, LATER).await.unwrap().state, ChargeState::Voided);
            assert_eq!(provider.port.capture(&charge, LATER).await.unwrap().state, ChargeState::Voided);
        }
    }
    assert!(provider.books().await.0.iter().all(|charge| charge.captured == 0));
}

pub(crate) async fn declined_stays_declined(provider: &Provider) {
    let declined = provider.begin(provider.declines, 1).await;
    assert_eq!(declined.state, ChargeState::Declined { last: true });
    assert!(declined.failure.is_some(), "a decline says why");
    let charge = reference(&declined);
    assert_eq!(provider.port.capture(&charge, LATER).await.unwrap(), declined);
    assert_eq!(provider.port.void(&charge, LATER).await.unwrap(), declined);
}

pub(crate) async fn a_refund_happens_once_per_key(provider: &Provider) {
    let charge = reference(&provider.begin(provider.pays, 1).await);
    provider.port.capture(&charge, LATER).await.unwrap();
    let asked = NewRefund { key: "refund:x:1".to_owned(), money: won(400) };
    let done = provider.port.refund(&charge, &asked, LATER).await.unwrap();
    assert_eq!((&done.progress, done.money), (&RefundProgress::Done, won(400)));
    assert_eq!((done.key.as_deref(), done.charge_id.as_str()), (Some("refund:x:1"), charge.provider_id.as_str()));
    assert!(done.provider_id.is_some());
    assert_eq!(provider.port.refund(&charge, &asked, LATER.plus_millis(1)).await.unwrap(), done);
    assert_eq!(provider.port.query(&charge, LATER).await.unwrap().refunded, 400);
}

pub(crate) async fn refunds_never_exceed_what_was_captured(provider: &Provider) {
    let charge = reference(&provider.begin(provider.pays, 1).await);
    let refund = async |key: &str, money: Money| {
        let asked = NewRefund { key: key.to_owned(), money };
        provider.port.refund(&charge, &asked, LATER).await.unwrap().progress
    };
    let is_refused = |progress| matches!(progress, RefundProgress::Refused { .. });
    assert!(is_refused(refund("refund:x:1", won(400)).await), "nothing is captured yet");
    provider.port.capture(&charge, LATER).await.unwrap();
    assert_eq!(refund("refund:x:1", won(400)).await, RefundProgress::Done, "a refusal is not the end of its key");
    assert!(is_refused(refund("refund:x:2", won(601)).await));
    let dollars = Money { amount: 1, currency: Currency::parse("USD").unwrap() };
    assert!(is_refused(refund("refund:x:2", dollars).await));
    assert_eq!(refund("refund:x:3", won(600)).await, RefundProgress::Done);
    assert!(is_refused(refund("refund:x:4", won(1)).await));
    assert_eq!(provider.port.query(&charge, LATER).await.unwrap().refunded, 1_000);
}

pub(crate) async fn the_books_show_everything_by_time(provider: &Provider) {
    let captured = reference(&provider.begin(provider.pays, 1).await);
    provider.port.capture(&captured, LATER).await.unwrap();
    let asked = NewRefund { key: "refund:x:1".to_owned(), money: won(400) };
    let refund = provider.port.refund(&captured, &asked, LATER).await.unwrap();
    // More than a page.
    for attempt in 2..=1_001 {
        provider
            .port
            .create(&charge(provider.waits, attempt), START.plus_millis(i64::from(attempt / 2)))
            .await
            .unwrap();
    }
    let (charges, refunds) = provider.books().await;
    let mut attempts: Vec<_> = charges.iter().map(|charge| charge.key.clone().unwrap()).collect();
    attempts.sort_unstable();
    attempts.dedup();
    assert_eq!((attempts.len(), charges.len()), (1_001, 1_001), "each once");
    let first = charges.iter().find(|charge| charge.provider_id == captured.provider_id).unwrap();
    assert_eq!((first.captured, first.refunded, refunds), (1_000, 400, vec![refund]));
    let before = Span { from: START.plus_millis(-1_000), until: START };
    let mut page = provider.port.list(before, None, LATER).await.unwrap();
    while let Some(next) = page.next.clone() {
        assert!(page.charges.is_empty() && page.refunds.is_empty());
        page = provider.port.list(before, Some(&next), LATER).await.unwrap();
    }
    assert!(page.charges.is_empty() && page.refunds.is_empty());
    assert!(provider.port.list(before, Some("nowhere"), LATER).await.is_err());
}
