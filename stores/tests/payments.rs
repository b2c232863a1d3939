//! The contract of the payment provider: every rule, on every adapter. A further adapter is one more case.

#[cfg(test)]
#[path = "payments/rules.rs"]
mod rules;

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use rstest::rstest;
use sale::{Currency, Money, OrderId, Timestamp, ids::charge_key};
use stores::{
    payments::{
        Charge, ChargeRef, ChargeState, NewCharge, PaymentProvider, ProviderSettings, Refund, Sandbox, SandboxSettings,
        Span, connect,
    },
    testing::{self, Fresh, live_postgres, sqlite},
};

const START: Timestamp = Timestamp::from_millis(1_780_000_000_000);

/// An adapter under test, with methods that behave as their names say.
struct Provider {
    /// Keeps its database, where it has one.
    _fresh: Option<Fresh>,
    port: Box<dyn PaymentProvider>,
    /// Authorised at once.
    pays: &'static str,
    /// Declined for good at once.
    declines: &'static str,
    /// The buyer never decides.
    waits: &'static str,
    /// Makes the provider forget the keys of its charges, as each does after some time.
    forget_keys: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

fn sandbox(fresh: Fresh) -> Provider {
    let settings = SandboxSettings { latency_ms: 10, ..SandboxSettings::default() };
    let port = Box::new(Sandbox::new(fresh.database.clone(), settings));
    let database = fresh.database.clone();
    let forget_keys = move || {
        let database = database.clone();
        async move { testing::forget_keys(&database).await }.boxed()
    };
    Provider {
        _fresh: Some(fresh),
        port,
        pays: "sandbox_ok",
        declines: "sandbox_declined",
        waits: "sandbox_leave",
        forget_keys: Box::new(forget_keys),
    }
}

#[cfg(test)]
impl Provider {
    async fn create(&self, method: &str, attempt: u32) -> Charge {
        self.port.create(&charge(method, attempt), START).await.unwrap()
    }

    async fn begin(&self, method: &str, attempt: u32) -> Charge {
        let created = reference(&self.create(method, attempt).await);
        self.port.confirm(&created, START).await.unwrap()
    }

    /// Everything in the books of the first hour, page by page.
    async fn books(&self) -> (Vec<Charge>, Vec<Refund>) {
        let span = Span { from: START, until: START.plus_millis(3_600_000) };
        let (mut charges, mut refunds, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = self.port.list(span, cursor.as_deref(), LATER).await.unwrap();
            charges.extend(page.charges);
            refunds.extend(page.refunds);
            cursor = page.next;
            if cursor.is_none() {
                return (charges, refunds);
            }
        }
    }
}

const LATER: Timestamp = Timestamp::from_millis(1_780_000_000_100);

fn order() -> OrderId {
    OrderId::derive(START, &[b"order"])
}

fn charge(method: &str, attempt: u32) -> NewCharge {
    NewCharge { key: charge_key(order(), attempt), money: won(1_000), method: method.to_owned() }
}

#[cfg(test)]
fn reference(charge: &Charge) -> ChargeRef {
    ChargeRef { key: charge.key.clone().unwrap(), provider_id: charge.provider_id.clone() }
}

#[cfg(test)]
fn won(amount: i64) -> Money {
    Money { amount, currency: Currency::parse("KRW").unwrap() }
}

/// What every adapter has to keep.
#[derive(Clone, Copy, Debug)]
enum Rule {
    CreatingMovesNoMoney,
    TheSameKeyIsTheSameCharge,
    AForgottenKeyIsNeverASecondCharge,
    AnUnknownChargeIsAnError,
    CapturedStaysCaptured,
    VoidedStaysVoided,
    DeclinedStaysDeclined,
    ARefundHappensOncePerKey,
    RefundsNeverExceedWhatWasCaptured,
    TheBooksShowEverythingByTime,
}

#[rstest]
#[case::sandbox_on_sqlite(async { sandbox(sqlite().await) })]
#[case::sandbox_on_live_postgres(async { sandbox(live_postgres().await) })]
#[tokio::test]
async fn contract(
    #[future(awt)]
    #[case]
    provider: Provider,
    #[values(
        Rule::CreatingMovesNoMoney,
        Rule::TheSameKeyIsTheSameCharge,
        Rule::AForgottenKeyIsNeverASecondCharge,
        Rule::AnUnknownChargeIsAnError,
        Rule::CapturedStaysCaptured,
        Rule::VoidedStaysVoided,
        Rule::DeclinedStaysDeclined,
        Rule::ARefundHappensOncePerKey,
        Rule::RefundsNeverExceedWhatWasCaptured,
        Rule::TheBooksShowEverythingByTime
    )]
    rule: Rule,
) {
    match rule {
        Rule::CreatingMovesNoMoney => rules::creating_moves_no_money(&provider).await,
        Rule::TheSameKeyIsTheSameCharge => rules::the_same_key_is_the_same_charge(&provider).await,
        Rule::AForgottenKeyIsNeverASecondCharge => rules::a_forgotten_key_is_never_a_second_charge(&provider).await,
        Rule::AnUnknownChargeIsAnError => rules::an_unknown_charge_is_an_error(&provider).await,
        Rule::CapturedStaysCaptured => rules::captured_stays_captured(&provider).await,
        Rule::VoidedStaysVoided => rules::voided_stays_voided(&provider).await,
        Rule::DeclinedStaysDeclined => rules::declined_stays_declined(&provider).await,
        Rule::ARefundHappensOncePerKey => rules::a_refund_happens_once_per_key(&provider).await,
        Rule::RefundsNeverExceedWhatWasCaptured => rules::refunds_never_exceed_what_was_captured(&provider).await,
        Rule::TheBooksShowEverythingByTime => rules::the_books_show_everything_by_time(&provider).await,
    }
}

#[rstest]
#[case::sqlite(sqlite())]
#[case::live_postgres(live_postgres())]
#[tokio::test]
async fn each_method_of_the_sandbox_does_what_its_name_says(
    #[future(awt)]
    #[case]
    fresh: Fresh,
) {
    let sandbox = sandbox(fresh);
    let at = |millis| START.plus_millis(millis);
    let query = async |charge: &Charge, at| sandbox.port.query(&reference(charge), at).await.unwrap().state;
    assert_eq!(sandbox.begin("sandbox_declined", 1).await.state, ChargeState::Declined { last: true });
    assert_eq!(sandbox.begin("sandbox_declined_once", 2).await.state, ChargeState::Authorised);
    let left = sandbox.begin("sandbox_leave", 3).await;
    assert_eq!(left.state, ChargeState::Pending);
    assert_eq!(query(&left, at(1_000_000_000)).await, ChargeState::Pending);
    let slow = sandbox.begin("sandbox_slow", 4).await;
    assert_eq!(slow.state, ChargeState::Pending);
    assert_eq!(query(&slow, at(2_999)).await, ChargeState::Pending);
    assert_eq!(query(&slow, at(3_000)).await, ChargeState::Authorised);
    let lost = sandbox.create("sandbox_timeout", 5).await;
    assert!(sandbox.port.confirm(&reference(&lost), START).await.is_err());
    assert_eq!(query(&lost, at(10)).await, ChargeState::Authorised);
    assert_eq!(sandbox.begin("sandbox_random", 6).await.state, ChargeState::Authorised);
    let key = charge_key(OrderId::derive(START, &[b"other"]), 1);
    let first = sandbox.port.create(&NewCharge { key, ..charge("sandbox_declined_once", 1) }, START).await.unwrap();
    let first = sandbox.port.confirm(&reference(&first), START).await.unwrap();
    assert_eq!(first.state, ChargeState::Declined { last: false });
    assert_eq!(sandbox.port.methods().len(), 7);
}

#[tokio::test]
async fn a_bank_that_works_on_one_charge_at_once_answers_one_after_another() {
    let fresh = sqlite().await;
    let settings = SandboxSettings { latency_ms: 10, at_once: 1, ..SandboxSettings::default() };
    let port = Box::new(Sandbox::new(fresh.database.clone(), settings));
    let bank = Provider { port, ..sandbox(fresh) };
    for (attempt, answers_after) in [(1, 3_000), (2, 6_000), (3, 9_000)] {
        let charge = reference(&bank.begin("sandbox_slow", attempt).await);
        for (at, state) in [(answers_after - 1, ChargeState::Pending), (answers_after, ChargeState::Authorised)] {
            let charge = bank.port.query(&charge, START.plus_millis(at)).await.unwrap();
            assert_eq!(charge.state, state, "attempt {attempt} after {at} ms");
        }
    }
}

#[tokio::test]
async fn a_slow_bank_has_its_time() {
    let fresh = sqlite().await;
    let limits = |latency_ms| {
        Sandbox::new(fresh.database.clone(), SandboxSettings { latency_ms, ..SandboxSettings::default() }).limits()
    };
    assert_eq!((limits(0).call, limits(0).action), (Duration::from_secs(2), Duration::from_secs(4)));
    assert_eq!((limits(9_000).call, limits(9_000).action), (Duration::from_secs(2), Duration::from_secs(9)));
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_refused_in_a_sentence() {
    let fresh = sqlite().await;
    let connect = |url| connect(url, &fresh.database, ProviderSettings::default());
    assert!(connect("sandbox:").is_ok());
    for url in ["stripe:", "stripe:sk_test", "paypal:", ""] {
        let refused = connect(url).err().unwrap().to_string();
        assert!(refused.starts_with("OPENRUN_PAYMENTS_URL "), "{refused}");
        assert!(!refused.contains("sk_test"), "a secret is not repeated");
    }
}
