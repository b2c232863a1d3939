//! The contract of the payment provider, on the sandbox over both databases.

use rstest::rstest;
use sale::{Currency, Money, OrderId, Timestamp, ids::charge_key};
use stores::{
    payments::{Charge, ChargeState, NewCharge, PaymentProvider, Sandbox, SandboxSettings, connect},
    testing::{Fresh, live_postgres, sqlite},
};

const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);

struct Bank {
    _fresh: Fresh,
    provider: Sandbox,
    order: OrderId,
}

#[cfg(test)]
impl Bank {
    fn over(fresh: Fresh) -> Self {
        let settings = SandboxSettings { latency_ms: 10, ..SandboxSettings::default() };
        let provider = Sandbox::new(fresh.database.clone(), settings);
        Self { _fresh: fresh, provider, order: OrderId::derive(START, &[b"order"]) }
    }

    fn key(&self, attempt: u32) -> String {
        charge_key(self.order, attempt)
    }

    fn charge(&self, method: &str, attempt: u32) -> NewCharge {
        NewCharge { key: self.key(attempt), order: self.order, money: won(1_000), method: method.to_owned() }
    }

    async fn begin(&self, method: &str, attempt: u32) -> Charge {
        self.provider.begin(&self.charge(method, attempt), START).await.unwrap()
    }
}

#[cfg(test)]
fn won(amount: i64) -> Money {
    Money { amount, currency: Currency::parse("KRW").unwrap() }
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn the_same_key_is_the_same_charge(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let bank = Bank::over(fresh);
    let first = bank.begin("sandbox_ok", 1).await;
    assert_eq!((first.state, first.money, first.order), (ChargeState::Authorised, won(1_000), bank.order));
    let later = START.plus_millis(100);
    assert_eq!(bank.provider.begin(&bank.charge("sandbox_declined", 1), later).await.unwrap(), first);
    assert_eq!(bank.provider.query(&bank.key(1), later).await.unwrap(), Some(first));
    assert_eq!(bank.provider.query(&bank.key(2), later).await.unwrap(), None);
    assert!(bank.provider.begin(&bank.charge("cash", 2), later).await.is_err());
    assert_eq!(bank.provider.charges_of(&[bank.order], later).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_bank_that_works_on_one_charge_at_once_answers_one_after_another() {
    let fresh = sqlite().await;
    let settings = SandboxSettings { latency_ms: 10, at_once: 1, ..SandboxSettings::default() };
    let bank = Bank { provider: Sandbox::new(fresh.database.clone(), settings), ..Bank::over(fresh) };
    for attempt in 1..=3 {
        bank.begin("sandbox_slow", attempt).await;
    }
    for (attempt, answers_after) in [(1, 3_000), (2, 6_000), (3, 9_000)] {
        for (at, state) in [(answers_after - 1, ChargeState::Pending), (answers_after, ChargeState::Authorised)] {
            let charge = bank.provider.query(&bank.key(attempt), START.plus_millis(at)).await.unwrap();
            assert_eq!(charge.map(|charge| charge.state), Some(state), "attempt {attempt} after {at} ms");
        }
    }
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn captured_stays_captured_and_voided_stays_voided(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let bank = Bank::over(fresh);
    let later = START.plus_millis(100);
    bank.begin("sandbox_ok", 1).await;
    for _ in 0..2 {
        assert_eq!(bank.provider.capture(&bank.key(1), later).await.unwrap().state, ChargeState::Captured);
        assert_eq!(bank.provider.void(&bank.key(1), later).await.unwrap().unwrap().state, ChargeState::Captured);
    }
    bank.begin("sandbox_leave", 2).await;
    for _ in 0..2 {
        assert_eq!(bank.provider.void(&bank.key(2), later).await.unwrap().unwrap().state, ChargeState::Voided);
        assert_eq!(bank.provider.capture(&bank.key(2), later).await.unwrap().state, ChargeState::Voided);
    }
    assert!(bank.provider.capture(&bank.key(3), later).await.is_err());
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_charge_that_is_voided_beforehand_never_charges(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let bank = Bank::over(fresh);
    assert_eq!(bank.provider.void(&bank.key(1), START).await.unwrap(), None);
    assert_eq!(bank.provider.void(&bank.key(1), START).await.unwrap(), None);
    let begun = bank.begin("sandbox_ok", 1).await;
    assert_eq!((begun.state, begun.money), (ChargeState::Voided, won(1_000)));
    assert!(bank.provider.capture(&bank.key(1), START).await.is_err());
    assert_eq!(bank.provider.charges_of(&[bank.order], START).await.unwrap(), []);
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn a_refund_happens_once_per_key_and_never_exceeds_the_charge(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let bank = Bank::over(fresh);
    bank.begin("sandbox_ok", 1).await;
    let later = START.plus_millis(100);
    let refund = |key: &'static str, amount| {
        let (provider, charge) = (&bank.provider, bank.key(1));
        async move { provider.refund(&charge, key, won(amount), later).await }
    };
    assert!(refund("refund:x:1", 400).await.is_err(), "nothing was captured yet");
    bank.provider.capture(&bank.key(1), later).await.unwrap();
    assert_eq!(refund("refund:x:1", 400).await.unwrap().refunded, 400);
    assert_eq!(refund("refund:x:1", 400).await.unwrap().refunded, 400);
    assert!(refund("refund:x:2", 601).await.is_err());
    assert_eq!(refund("refund:x:2", 600).await.unwrap().refunded, 1_000);
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn each_method_does_what_its_name_says(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let bank = Bank::over(fresh);
    let at = |millis| START.plus_millis(millis);
    assert_eq!(bank.begin("sandbox_declined", 1).await.state, ChargeState::Declined { last: true });
    assert_eq!(bank.begin("sandbox_declined_once", 2).await.state, ChargeState::Authorised);
    assert_eq!(bank.begin("sandbox_leave", 3).await.state, ChargeState::Pending);
    assert_eq!(
        bank.provider.query(&bank.key(3), at(1_000_000_000)).await.unwrap().unwrap().state,
        ChargeState::Pending
    );
    assert_eq!(bank.begin("sandbox_slow", 4).await.state, ChargeState::Pending);
    assert_eq!(bank.provider.query(&bank.key(4), at(2_999)).await.unwrap().unwrap().state, ChargeState::Pending);
    assert_eq!(bank.provider.query(&bank.key(4), at(3_000)).await.unwrap().unwrap().state, ChargeState::Authorised);
    assert!(bank.provider.begin(&bank.charge("sandbox_timeout", 5), START).await.is_err());
    assert_eq!(bank.provider.query(&bank.key(5), at(10)).await.unwrap().unwrap().state, ChargeState::Authorised);
    assert_eq!(bank.begin("sandbox_random", 6).await.state, ChargeState::Authorised);
    let other_order = OrderId::derive(START, &[b"other"]);
    let first =
        NewCharge { key: charge_key(other_order, 1), order: other_order, ..bank.charge("sandbox_declined_once", 1) };
    assert_eq!(bank.provider.begin(&first, START).await.unwrap().state, ChargeState::Declined { last: false });
    assert_eq!(bank.provider.methods().len(), 7);
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_refused_in_a_sentence() {
    let fresh = sqlite().await;
    let connect = |url| connect(url, &fresh.database, SandboxSettings::default());
    assert!(connect("sandbox:").is_ok());
    for url in ["stripe:", "stripe:sk_test", "paypal:", ""] {
        let refused = connect(url).err().unwrap().to_string();
        assert!(refused.starts_with("OPENRUN_PAYMENTS_URL "), "{refused}");
        assert!(!refused.contains("sk_test"), "a secret is not repeated");
    }
}
