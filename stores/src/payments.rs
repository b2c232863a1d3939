//! Port: the payment provider.
//!
//! A charge is made in two steps. [`PaymentProvider::create`] registers it and moves no money; then its id is committed in our
//! database; only then [`PaymentProvider::confirm`] requests the money. So a key that the provider has forgotten never leads
//! to a second payment: at worst there is a second charge that is never confirmed.
//!
//! Money is first authorised, then captured or voided. An `Err` means *unknown*, never *failed*.
//!
//! A further provider is one adapter with its settings beside `sandbox`, its URL in [`URLS`] and [`connect`], and a case of
//! the contract in `stores/tests/payments.rs`.

mod sandbox;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sale::{Money, Timestamp};

pub use self::sandbox::{Sandbox, SandboxSettings, SharesTooLarge};
pub use crate::charge::{Charge, ChargeRef, ChargeState, RefundProgress};
use crate::{StoreError, database::Database};

/// A charge to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCharge {
    /// `pay:{purchase}:{attempt}`: the same key is the same charge, for as long as the provider remembers it.
    pub key: String,
    pub money: Money,
    pub method: String,
}

/// A refund to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefund {
    /// `refund:{payment}:{n}`: the same key is the same refund, however late it is repeated.
    pub key: String,
    pub money: Money,
}

/// A refund in the provider's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Our key; `None` on a refund that this program did not request.
    pub key: Option<String>,
    /// `None` when it was refused, because then there is no refund.
    pub provider_id: Option<String>,
    /// The provider's id of the charge.
    pub charge_id: String,
    pub money: Money,
    pub progress: RefundProgress,
}

/// A span of time by the provider's clock; `until` is not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// A page of the provider's books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Charges that were created in the span, in their current state.
    pub charges: Vec<Charge>,
    /// Refunds that were made in the span.
    pub refunds: Vec<Refund>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// How long to wait before the outcome counts as unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// For one call.
    pub call: Duration,
    /// For the buyer and the buyer's bank, after a charge is confirmed. A hold lasts at least this long after that.
    pub action: Duration,
}

#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Its name in the rows of payments.
    fn name(&self) -> &'static str;

    /// The methods that a buyer can choose.
    fn methods(&self) -> &'static [&'static str];

    fn limits(&self) -> TimeLimits;

    /// Registers a charge, or returns the one with this key. No money moves before it is confirmed.
    async fn create(&self, charge: &NewCharge, now: Timestamp) -> Result<Charge, StoreError>;

    /// Requests the money of a created charge, once: repeated, it returns the charge's state. A voided charge stays voided.
    async fn confirm(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// The state of a charge. An unknown charge is an error, because it says nothing about the charge.
    async fn query(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// Captures an authorised charge and returns its state. A captured charge stays captured.
    async fn capture(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// Voids a charge that is not captured, even if it is pending or was never confirmed, and returns its state.
    async fn void(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError>;

    /// Refunds money of a captured charge, once per key. All refunds together never exceed what was captured.
    async fn refund(&self, charge: &ChargeRef, refund: &NewRefund, now: Timestamp) -> Result<Refund, StoreError>;

    /// The provider's books of a span in a stable order, from `cursor` on. What is made while they are read may be missing.
    async fn list(&self, span: Span, cursor: Option<&str>, now: Timestamp) -> Result<Page, StoreError>;
}

/// A URL that names no provider of this build, or settings that are impossible.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadPaymentsUrl(String);

/// The URLs that name a provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderUrls {
    /// Whole URLs.
    pub words: &'static [&'static str],
    /// Schemes that are followed by a host.
    pub schemes: &'static [&'static str],
    /// Schemes of planned providers, which are refused.
    pub later: &'static [&'static str],
    /// All that are accepted, in words.
    pub expected: &'static str,
}

pub const URLS: ProviderUrls =
    ProviderUrls { words: &["sandbox:"], schemes: &[], later: &["stripe:"], expected: "sandbox:" };

/// The settings of every provider; the URL selects the one whose settings count.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProviderSettings {
    pub sandbox: SandboxSettings,
}

/// The provider that `OPENRUN_PAYMENTS_URL` names.
pub fn connect(
    url: &str,
    database: &Database,
    settings: ProviderSettings,
) -> Result<Arc<dyn PaymentProvider>, BadPaymentsUrl> {
    match url.split_once(':') {
        Some(("sandbox", "")) => {
            let settings = settings.sandbox;
            settings.validate().map_err(|error| BadPaymentsUrl(format!("the shares of the sandbox {error}")))?;
            Ok(Arc::new(Sandbox::new(database.clone(), settings)))
        }
        Some(("stripe", _)) => Err(BadPaymentsUrl(
            "OPENRUN_PAYMENTS_URL names Stripe, which this version does not support yet; use `sandbox:`".to_owned(),
        )),
        _ => Err(BadPaymentsUrl(format!("OPENRUN_PAYMENTS_URL must be {}", URLS.expected))),
    }
}
