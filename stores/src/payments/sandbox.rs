//! The sandbox: a payment provider whose ledger lies in tables of its own.
//!
//! Every call is committed before it answers, as another company's would be, so a killed worker, two workers and
//! verification see the same truth. What a charge has become is a pure function of its row and the time: the row says
//! how the bank will answer and when, and a later capture or void.
//!
//! | method | the bank |
//! |---|---|
//! | `sandbox_ok` | authorises after the latency |
//! | `sandbox_declined` | declines for good |
//! | `sandbox_declined_once` | declines the first attempt, authorises the next |
//! | `sandbox_leave` | never answers |
//! | `sandbox_timeout` | authorises, but the answer to the first call is lost |
//! | `sandbox_slow` | authorises after three seconds; `begin` answers that it is pending |
//! | `sandbox_random` | one of the above, by the shares of the settings and a hash of the key |

mod bank;
mod ledger;

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sale::{Money, OrderId, Timestamp, ids::parse_charge_key};
use tokio_util::task::TaskTracker;

use self::{
    bank::{Bank, METHODS},
    ledger::{Call, Entry, Ledger, Promise, Written, entries_of, read_all, set_state, state_at},
};
use super::{Charge, ChargeState, NewCharge, PaymentProvider};
use crate::{
    StoreError,
    batch::Batcher,
    database::{Database, Tx},
};

/// Within it every bank that answers at all has answered.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// When the caller of `sandbox_timeout` is told that there is no answer.
const LOST_ANSWER_AFTER: Duration = Duration::from_secs(1);

/// Calls that may wait for the ledger.
const MOST_CALLS: usize = 20_000;

/// How the sandbox behaves. Shares lie within 0 to 1 and concern `sandbox_random` only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SandboxSettings {
    pub latency_ms: u32,
    /// Charges that the bank works on at the same time; 0 is any number.
    pub at_once: u32,
    pub decline_share: f64,
    pub leave_share: f64,
    pub timeout_share: f64,
    pub seed: u64,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self { latency_ms: 300, at_once: 0, decline_share: 0.0, leave_share: 0.0, timeout_share: 0.0, seed: 0 }
    }
}

/// The provider `sandbox:`. Calls that come in while the ledger is being written travel together.
pub struct Sandbox {
    database: Database,
    settings: SandboxSettings,
    ledger: Batcher<Call, Written>,
    /// When each of the bank's clerks is free again; empty when there is one for everybody.
    clerks: Mutex<Vec<Timestamp>>,
}

impl Sandbox {
    /// A sandbox whose ledger is written by a task of its own until it is dropped.
    pub fn new(database: Database, settings: SandboxSettings) -> Self {
        let ledger = Ledger { database: database.clone() };
        let ledger = Batcher::new("sandbox", &TaskTracker::new(), MOST_CALLS, move |calls| {
            let ledger = ledger.clone();
            Box::pin(async move { ledger.carry_out(&calls).await })
        });
        let clerks = (0..settings.at_once).map(|_| Timestamp::default()).collect();
        Self { database, settings, ledger, clerks: Mutex::new(clerks) }
    }

    /// When the bank answers a charge that comes now: after its latency, once the first of its clerks is free.
    fn answers_at(&self, bank: Bank, now: Timestamp) -> Option<Timestamp> {
        let after = bank.answers_after_ms(i64::from(self.settings.latency_ms))?;
        let mut clerks = self.clerks.lock();
        let Some(first) = clerks.iter_mut().min() else { return Some(now.plus_millis(after)) };
        *first = (*first).max(now).plus_millis(after);
        Some(*first)
    }

    async fn ask(&self, call: Call) -> Result<Written, StoreError> {
        self.ledger.ask(call).await.map_err(|fault| StoreError::unavailable("sandbox", fault))
    }

    async fn lock(&self, tx: &mut Tx, key: &str) -> Result<Option<Entry>, StoreError> {
        Ok(read_all(&self.database, tx, &[key]).await?.pop())
    }
}

fn unknown_charge(key: &str) -> StoreError {
    StoreError::unexpected("sandbox", format!("no charge {key}"))
}

#[async_trait]
impl PaymentProvider for Sandbox {
    async fn begin(&self, charge: &NewCharge, now: Timestamp) -> Result<Charge, StoreError> {
        let bank = Bank::of(&charge.method, &charge.key, &self.settings)
            .ok_or_else(|| StoreError::unexpected("sandbox", format!("no method {}", charge.method)))?;
        let answers_at = self.answers_at(bank, now);
        let (begun, is_new) = self.ask(Call::Begin(charge.clone(), Promise { bank, now, answers_at })).await?;
        let mut entry = begun.ok_or_else(|| unknown_charge(&charge.key))?;
        if is_new && bank == Bank::LosesTheAnswer {
            tokio::time::sleep(LOST_ANSWER_AFTER).await;
            return Err(StoreError::unavailable("sandbox", "the answer was lost"));
        }
        let waits = answers_at.map_or(0, |at| at.millis_since(now));
        if is_new && waits > 0 && matches!(bank, Bank::Authorises | Bank::Declines { .. }) {
            tokio::time::sleep(Duration::from_millis(waits.unsigned_abs())).await;
            // Read again: another caller may have voided it while the bank was thinking.
            let (read, _) = self.ask(Call::Read(charge.key.clone())).await?;
            entry = read.ok_or_else(|| unknown_charge(&charge.key))?;
        }
        let answered = entry.answers_at.filter(|_| is_new && bank != Bank::IsSlow).unwrap_or(now).max(now);
        Ok(entry.charge(entry.money.unwrap_or(charge.money), answered))
    }

    async fn query(&self, key: &str, now: Timestamp) -> Result<Option<Charge>, StoreError> {
        let (entry, _) = self.ask(Call::Read(key.to_owned())).await?;
        Ok(entry.and_then(|entry| entry.money.map(|money| entry.charge(money, now))))
    }

    async fn capture(&self, key: &str, now: Timestamp) -> Result<Charge, StoreError> {
        let (entry, _) = self.ask(Call::Capture(key.to_owned(), now)).await?;
        let entry = entry.ok_or_else(|| unknown_charge(key))?;
        let money = entry.money.ok_or_else(|| unknown_charge(key))?;
        Ok(entry.charge(money, now))
    }

    async fn void(&self, key: &str, now: Timestamp) -> Result<Option<Charge>, StoreError> {
        let (order, _) = parse_charge_key(key).ok_or_else(|| unknown_charge(key))?;
        let mut tx = self.database.begin().await?;
        sqlx::query(
            "INSERT INTO sandbox_charges (key, order_id, method, amount, currency, state, created_at, changed_at) \
             VALUES ($1, $2, '', 0, '', 'voided', $3, $3) ON CONFLICT (key) DO NOTHING",
        )
        .bind(key)
        .bind(order.to_string())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
        let mut entry = self.lock(&mut tx, key).await?.ok_or_else(|| unknown_charge(key))?;
        if matches!(state_at(&entry, now), ChargeState::Pending | ChargeState::Authorised) {
            set_state(&mut tx, key, "voided", now).await?;
            "voided".clone_into(&mut entry.state);
        }
        tx.commit().await?;
        Ok(entry.money.map(|money| entry.charge(money, now)))
    }

    async fn refund(&self, key: &str, refund_key: &str, money: Money, now: Timestamp) -> Result<Charge, StoreError> {
        let mut tx = self.database.begin().await?;
        let entry = self.lock(&mut tx, key).await?.ok_or_else(|| unknown_charge(key))?;
        let charged = entry.money.ok_or_else(|| unknown_charge(key))?;
        let known = sqlx::query("SELECT 1 FROM sandbox_refunds WHERE key = $1")
            .bind(refund_key)
            .fetch_optional(&mut *tx)
            .await?
            .is_some();
        if known {
            return Ok(entry.charge(charged, now));
        }
        let refunded = entry.refunded.saturating_add(money.amount);
        if state_at(&entry, now) != ChargeState::Captured
            || money.currency != charged.currency
            || refunded > charged.amount
        {
            return Err(StoreError::unexpected("sandbox", "a refund of more than was captured"));
        }
        sqlx::query("INSERT INTO sandbox_refunds (key, charge_key, amount, created_at) VALUES ($1, $2, $3, $4)")
            .bind(refund_key)
            .bind(key)
            .bind(money.amount)
            .bind(now.as_millis())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Entry { refunded, ..entry }.charge(charged, now))
    }

    fn answers_within(&self) -> Duration {
        ANSWERS_WITHIN.max(Duration::from_millis(u64::from(self.settings.latency_ms)))
    }

    fn methods(&self) -> &'static [&'static str] {
        METHODS
    }

    async fn charges_of(&self, orders: &[OrderId], now: Timestamp) -> Result<Vec<Charge>, StoreError> {
        let entries = entries_of(&self.database, orders).await?;
        Ok(entries.iter().filter_map(|entry| Some(entry.charge(entry.money?, now))).collect())
    }
}
