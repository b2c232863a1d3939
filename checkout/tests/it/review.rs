//! What a person has to look at: it stays so, and takes no money by itself.

use checkout::CheckoutError;
use rstest_reuse::apply;
use sale::{OrderId, OrderState, ids::charge_key, testing::PRICE};
use stores::{
    database::{cases, payments},
    payments::{ChargeRef, ChargeState, NewCharge, PaymentProvider as _},
    testing,
};

use crate::shop::{Engine, Shop, every_engine};

impl Shop {
    /// The provider takes the money under a second charge of the first attempt's key, and its webhook says so.
    async fn other_charge_takes_the_money(&self, order: OrderId) -> ChargeRef {
        testing::forget_keys(&self.database).await;
        let (key, now) = (charge_key(order, 1), self.database.now());
        let charge =
            NewCharge { key: key.clone(), money: self.view(order).await.total, method: "sandbox_ok".to_owned() };
        let provider_id = self.provider.create(&charge, now).await.unwrap().provider_id;
        let other = ChargeRef { key, provider_id };
        assert_eq!(self.provider.confirm(&other, now).await.unwrap().state, ChargeState::Authorised);
        self.process.payments.on_webhook(&other).await.unwrap();
        assert_ne!(self.state(order).await, OrderState::NeedsReview, "it has taken nothing yet");
        self.provider.capture(&other, now).await.unwrap();
        self.process.payments.on_webhook(&other).await.unwrap();
        assert_eq!(self.state(order).await, OrderState::NeedsReview);
        other
    }

    async fn committed_charge(&self, order: OrderId) -> Option<String> {
        payments::of_order(&self.database, order).await.unwrap()[0].provider_id.clone()
    }

    /// An order with a case: its charge is of another amount than ours.
    async fn in_review(&self, method: &str) -> OrderId {
        let order = self.paying(method).await;
        self.deliver().await;
        testing::force_charge_amount(&self.database, &charge_key(order, 1), PRICE - 1).await;
        self.webhook(&charge_key(order, 1)).await;
        testing::force_charge_amount(&self.database, &charge_key(order, 1), PRICE).await;
        assert_eq!(self.state(order).await, OrderState::NeedsReview);
        order
    }
}

#[apply(every_engine)]
#[tokio::test]
async fn money_under_another_id_than_the_committed_one_needs_a_person(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_slow").await;
    shop.deliver().await;
    let committed = shop.committed_charge(order).await;
    let other = shop.other_charge_takes_the_money(order).await;
    assert_ne!(committed.as_deref(), Some(other.provider_id.as_str()));
    shop.process.payments.on_webhook(&other).await.unwrap();
    shop.calm_down().await;
    assert_eq!(cases::open_count(&shop.database).await.unwrap(), 1);
    assert_eq!(shop.committed_charge(order).await, committed, "a committed id never changes");
    assert_eq!((shop.captured().await, shop.units().await), (PRICE, (0, 1, 0)), "nothing moves by itself any more");
    assert_eq!(shop.found().await, ["charge_without_payment"]);
    // The buyer lets go: the charge of ours is called back, the other one is still for a person.
    shop.cancel(order).await.unwrap();
    shop.calm_down().await;
    assert_eq!((shop.state(order).await, shop.units().await), (OrderState::NeedsReview, (1, 0, 0)));
    testing::force_charge(&shop.database, &charge_key(order, 1), "voided").await;
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn a_paid_order_that_is_charged_once_more_needs_a_person_and_keeps_its_units(#[case] engine: Engine) {
    let shop = Shop::open(engine, 1, 1).await;
    let order = shop.paying("sandbox_ok").await;
    shop.deliver().await;
    assert_eq!(shop.state(order).await, OrderState::Paid);
    let other = shop.other_charge_takes_the_money(order).await;
    shop.calm_down().await;
    assert_eq!((shop.state(order).await, shop.units().await), (OrderState::NeedsReview, (0, 0, 1)));
    assert_eq!((shop.captured().await, shop.found().await), (2 * PRICE, vec!["charge_without_payment"]));
    let given_back = sqlx::query("DELETE FROM sandbox_charges WHERE id = $1").bind(&other.provider_id);
    given_back.execute(shop.database.writer()).await.unwrap();
    shop.close().await;
}

#[apply(every_engine)]
#[tokio::test]
async fn an_order_in_review_stays_so_when_its_hold_moves_on(#[case] engine: Engine) {
    let shop = Shop::open(engine, 4, 1).await;
    // Declined: back to held, and over at its deadline.
    let declined = shop.in_review("sandbox_slow").await;
    testing::force_charge(&shop.database, &charge_key(declined, 1), "declined").await;
    shop.pass_time(3_000);
    shop.webhook(&charge_key(declined, 1)).await;
    shop.deliver().await;
    assert_eq!(shop.state(declined).await, OrderState::NeedsReview);
    let again = shop.pay(declined, "sandbox_ok", "again").await;
    assert_eq!(again.unwrap_err(), CheckoutError::PaymentInProgress);
    // Let go by its buyer.
    let cancelled = shop.in_review("sandbox_leave").await;
    shop.cancel(cancelled).await.unwrap();
    // Captured after all.
    let captured = shop.in_review("sandbox_leave").await;
    shop.captured_after_all(captured, 1).await;
    shop.pass_time(400_000);
    shop.calm_down().await;
    for order in [declined, cancelled, captured] {
        let seen = shop.view(order).await;
        let last = seen.history.last().map(|step| step.state);
        assert_eq!((seen.state, last), (OrderState::NeedsReview, Some(OrderState::NeedsReview)));
    }
    assert_eq!(cases::open_count(&shop.database).await.unwrap(), 3);
    assert_eq!(shop.units().await, (3, 0, 1));
    shop.close().await;
}
