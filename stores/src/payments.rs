//! Port: the payment provider.
//!
//! Money is first authorised, then captured or voided. Every call carries a key of its own, so that asking again is the
//! same call. An `Err` means *unknown*, never *failed*.

mod sandbox;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sale::{Money, OrderId, Timestamp};

pub use self::sandbox::{Sandbox, SandboxSettings};
use crate::{StoreError, database::Database};

/// A charge to begin. `key` is `pay:{order}:{attempt}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCharge {
    pub key: String,
    pub order: OrderId,
    pub money: Money,
    pub method: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargeState {
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
    pub key: String,
    pub provider_id: String,
    pub order: OrderId,
    pub money: Money,
    pub state: ChargeState,
    /// Minor units given back.
    pub refunded: i64,
}

#[async_trait]
pub trait PaymentProvider: Send + Sync {
    /// Begins a charge, or tells how far the one with this key is.
    async fn begin(&self, charge: &NewCharge, now: Timestamp) -> Result<Charge, StoreError>;

    /// The charge with this key; `None` when the provider never heard of it.
    async fn query(&self, key: &str, now: Timestamp) -> Result<Option<Charge>, StoreError>;

    /// Captures an authorised charge. The answer tells what became of it; a captured one stays captured.
    async fn capture(&self, key: &str, now: Timestamp) -> Result<Charge, StoreError>;

    /// Voids a charge that is not captured, a pending one too. A charge that was never begun is voided beforehand:
    /// `None`, and a later `begin` with this key must not charge.
    async fn void(&self, key: &str, now: Timestamp) -> Result<Option<Charge>, StoreError>;

    /// Gives back `money` of a captured charge, once per `refund_key` (`refund:{payment}:{n}`).
    async fn refund(&self, key: &str, refund_key: &str, money: Money, now: Timestamp) -> Result<Charge, StoreError>;

    /// How long a charge may be under way before it is fair to call it back. A hold lives at least so long after its
    /// charge was sent.
    fn answers_within(&self) -> Duration;

    /// The methods that a buyer can choose.
    fn methods(&self) -> &'static [&'static str];

    /// Every charge of these orders, for verification.
    async fn charges_of(&self, orders: &[OrderId], now: Timestamp) -> Result<Vec<Charge>, StoreError>;
}

/// A URL that names no provider of this build.
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
        Some(("sandbox", "")) => Ok(Arc::new(Sandbox::new(database.clone(), settings))),
        Some(("stripe", _)) => Err(BadPaymentsUrl(
            "OPENRUN_PAYMENTS_URL names Stripe, which this version does not speak yet; use `sandbox:`".to_owned(),
        )),
        _ => Err(BadPaymentsUrl("OPENRUN_PAYMENTS_URL must be `sandbox:`".to_owned())),
    }
}
