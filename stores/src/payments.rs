//! Port: the payment provider.
//!
//! A charge is made in two steps. [`PaymentProvider::create`] registers it and moves no money; the provider's id is then
//! committed here; only then [`PaymentProvider::confirm`] asks for the money. A key that the provider has forgotten is so
//! never a second charge: at worst it is a second one that nobody confirms.
//!
//! Money is first authorised, then captured or voided. An `Err` means *unknown*, never *failed*.
//!
//! A further provider is one adapter beside `sandbox`, its settings, a line in [`connect`], and a case
//! of the contract in `stores/tests/payments.rs`.

mod sandbox;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sale::{Money, Timestamp};

pub use self::sandbox::{Sandbox, SandboxSettings, SharesTooLarge};
use crate::{StoreError, database::Database};

/// A charge to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCharge {
    /// `pay:{purchase}:{attempt}`: the same key is the same charge, for as long as the provider remembers it.
    pub key: String,
    pub money: Money,
    pub method: String,
}

/// What names a charge that was created: our key, and the id that the provider gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeRef {
    pub key: String,
    pub provider_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// Registered and not confirmed: no money moves.
    Created,
    /// The buyer has to go on at this address.
    RequiresAction {
        url: String,
    },
    /// The buyer or the bank has not decided.
    Pending,
    Authorised,
    Captured,
    /// `last`: no other attempt can succeed.
    Declined {
        last: bool,
    },
    Voided,
}

/// A charge as the provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Our key; `None` on a charge that this program did not make.
    pub key: Option<String>,
    pub provider_id: String,
    pub money: Money,
    pub state: ChargeState,
    /// Minor units taken.
    pub captured: i64,
    /// Minor units given back.
    pub refunded: i64,
    /// Until when an authorised charge can be captured.
    pub authorised_until: Option<Timestamp>,
    /// Why it was declined, in the provider's words.
    pub failure: Option<String>,
}

/// Money to give back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefund {
    /// `refund:{payment}:{n}`: the same key is the same refund, however late it comes again.
    pub key: String,
    pub money: Money,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundProgress {
    /// The provider has it and will carry it out.
    Pending,
    Done,
    /// The provider will not carry it out. Asking again may change that.
    Refused {
        reason: String,
    },
}

/// A refund as the provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Our key; `None` on a refund that this program did not ask for.
    pub key: Option<String>,
    /// `None` while it is refused: there is no refund then.
    pub provider_id: Option<String>,
    /// The provider's id of the charge.
    pub charge_id: String,
    pub money: Money,
    pub progress: RefundProgress,
}

/// From when to when something was made by the provider's clock, `until` not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// A page of the provider's books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Charges that were created in the span, as they are now.
    pub charges: Vec<Charge>,
    /// Refunds that were made in the span.
    pub refunds: Vec<Refund>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// How long to wait before the outcome counts as unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// For the answer to one call.
    pub call: Duration,
    /// For the buyer, and the buyer's bank, once a charge is confirmed. A hold lives at least so long after that.
    pub action: Duration,
}

#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Its name in the rows of payments.
    fn name(&self) -> &'static str;

    /// The methods that a buyer can choose.
    fn methods(&self) -> &'static [&'static str];

    fn limits(&self) -> TimeLimits;

    /// Registers a charge, or answers the one with this key. No money moves before it is confirmed.
    async fn create(&self, charge: &NewCharge, now: Timestamp) -> Result<Charge, StoreError>;

    /// Asks for the money of a created charge. Once confirmed it stays so: a second time answers what became of it, and a
    /// voided charge stays voided.
    async fn confirm(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// What has become of a charge. A charge that the provider does not know is an error: nothing is known of it.
    async fn query(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// Captures an authorised charge. The answer is what became of it; a captured one stays captured.
    async fn capture(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// Voids a charge that is not captured, also a pending one or one that was never confirmed. The answer is what became
    /// of it.
    async fn void(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// Gives money of a captured charge back, once per key. All refunds together never exceed what was captured.
    async fn refund(&self, charge: &ChargeRef, refund: &NewRefund, now: Timestamp) -> Result<Refund, StoreError>;

    /// The provider's own books of a span, in an order that does not change, from `cursor` on. What is made while
    /// somebody reads may be missing.
    async fn list(&self, span: Span, cursor: Option<&str>, now: Timestamp) -> Result<Page, StoreError>;
}

/// A URL that names no provider of this build, or one with impossible settings.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadPaymentsUrl(String);

/// The provider that `OPENRUN_PAYMENTS_URL` names.
pub fn connect(
    url: &str,
    database: &Database,
    settings: SandboxSettings,
) -> Result<Arc<dyn PaymentProvider>, BadPaymentsUrl> {
    match url.split_once(':') {
        Some(("sandbox", "")) => {
            settings.validate().map_err(|fault| BadPaymentsUrl(format!("the shares of the sandbox {fault}")))?;
            Ok(Arc::new(Sandbox::new(database.clone(), settings)))
        }
        Some(("stripe", _)) => Err(BadPaymentsUrl(
            "OPENRUN_PAYMENTS_URL names Stripe, which this version does not support yet; use `sandbox:`".to_owned(),
        )),
        _ => Err(BadPaymentsUrl("OPENRUN_PAYMENTS_URL must be `sandbox:`".to_owned())),
    }
}
