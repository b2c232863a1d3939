//! The sandbox: a payment provider with a ledger in tables of its own.
//!
//! Every call is committed before it returns, as with a real provider, so several workers and verification see the same
//! state. The state of a charge is a pure function of its row and the time: the row says how and when the bank answers, and
//! whether the charge was captured or voided.
//!
//! | method | the bank |
//! |---|---|
//! | `sandbox_ok` | authorises after the latency |
//! | `sandbox_declined` | declines for good |
//! | `sandbox_declined_once` | declines the first attempt, authorises the next |
//! | `sandbox_leave` | never answers |
//! | `sandbox_timeout` | authorises, but the answer to the first `confirm` is lost |
//! | `sandbox_slow` | authorises after three seconds; `confirm` answers that it is pending |
//! | `sandbox_random` | one of the above, by the shares of the settings and a hash of the key |

mod bank;
mod books;
mod charges;
mod ledger;
mod refunds;
mod settings;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sale::Timestamp;
use tokio_util::task::TaskTracker;

pub use self::settings::{SandboxSettings, SharesTooLarge};
use self::{
    bank::{Bank, Clerks, METHODS},
    charges::Entry,
    ledger::{Call, Ledger, Written},
};
use super::{Charge, ChargeRef, NewCharge, NewRefund, Page, PaymentProvider, Refund, Span, TimeLimits};
use crate::{StoreError, batch::Batcher, database::Database};

/// How long a caller waits for an answer.
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// Within it every bank that answers at all has answered.
const ACTION_LIMIT: Duration = Duration::from_secs(4);
/// After how long a call with `sandbox_timeout` fails.
const LOST_ANSWER_AFTER: Duration = Duration::from_secs(1);

/// Calls that may wait for the ledger.
const MOST_CALLS: usize = 20_000;

/// The provider `sandbox:`. Calls that arrive while the ledger is being written are written together.
pub struct Sandbox {
    database: Database,
    settings: SandboxSettings,
    ledger: Batcher<Call, Written>,
}

impl Sandbox {
    /// A sandbox whose ledger is written by a task of its own until it is dropped.
    pub fn new(database: Database, settings: SandboxSettings) -> Self {
        let ledger = Arc::new(Ledger { database: database.clone(), settings, clerks: Clerks::new(settings.at_once) });
        let ledger = Batcher::new("sandbox", &TaskTracker::new(), MOST_CALLS, move |calls| {
            let ledger = Arc::clone(&ledger);
            Box::pin(async move { ledger.carry_out(&calls).await })
        });
        Self { database, settings, ledger }
    }

    /// The entry after a call, and whether the call moved it.
    async fn request(&self, call: Call) -> Result<(Entry, bool), StoreError> {
        let name = call.name().to_owned();
        let written = self.ledger.submit(call).await.map_err(|error| StoreError::unavailable("sandbox", error))?;
        written.ok_or_else(|| StoreError::unexpected("sandbox", format!("no charge {name}")))
    }
}

#[async_trait]
impl PaymentProvider for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn methods(&self) -> &'static [&'static str] {
        METHODS
    }

    fn limits(&self) -> TimeLimits {
        let latency = Duration::from_millis(u64::from(self.settings.latency_ms));
        TimeLimits { call: CALL_LIMIT, action: ACTION_LIMIT.max(latency) }
    }

    async fn create(&self, charge: &NewCharge, now: Timestamp) -> Result<Charge, StoreError> {
        if Bank::of(&charge.method, &charge.key, &self.settings).is_none() {
            return Err(StoreError::unexpected("sandbox", format!("no method {}", charge.method)));
        }
        let (entry, _) = self.request(Call::Create(charge.clone(), now)).await?;
        Ok(entry.charge(now))
    }

    async fn confirm(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        let (mut entry, is_new) = self.request(Call::Confirm(charge.provider_id.clone(), now)).await?;
        if !is_new {
            return Ok(entry.charge(now));
        }
        let bank = Bank::of(&entry.method, &entry.key, &self.settings);
        if bank == Some(Bank::LosesTheAnswer) {
            tokio::time::sleep(LOST_ANSWER_AFTER).await;
            return Err(StoreError::unavailable("sandbox", "the answer was lost"));
        }
        let answered = entry.answers_at.filter(|_| bank != Some(Bank::IsSlow)).unwrap_or(now).max(now);
        let wait = answered.millis_since(now);
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait.unsigned_abs())).await;
            // Read again: it may have been voided before the bank answered.
            (entry, _) = self.request(Call::Read(charge.provider_id.clone())).await?;
        }
        Ok(entry.charge(answered))
    }

    async fn query(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        let (entry, _) = self.request(Call::Read(charge.provider_id.clone())).await?;
        Ok(entry.charge(now))
    }

    async fn capture(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        let (entry, _) = self.request(Call::Capture(charge.provider_id.clone(), now)).await?;
        Ok(entry.charge(now))
    }

    async fn void(&self, charge: &ChargeRef, now: Timestamp) -> Result<Charge, StoreError> {
        let (entry, _) = self.request(Call::Void(charge.provider_id.clone(), now)).await?;
        Ok(entry.charge(now))
    }

    async fn refund(&self, charge: &ChargeRef, refund: &NewRefund, now: Timestamp) -> Result<Refund, StoreError> {
        refunds::refund(&self.database, charge, refund, now).await
    }

    async fn list(&self, span: Span, cursor: Option<&str>, now: Timestamp) -> Result<Page, StoreError> {
        books::list(&self.database, span, cursor, now).await
    }
}
