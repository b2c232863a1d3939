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

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use sale::{Currency, Money, OrderId, Timestamp, ids::parse_charge_key};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use sqlx::{Row as _, any::AnyRow};
use tokio_util::task::TaskTracker;

use super::{Charge, ChargeState, NewCharge, PaymentProvider};
use crate::{
    StoreError,
    batch::Batcher,
    database::{Database, Sql, Tx},
};

/// The slow bank's time, longer than a worker waits for one call.
const SLOW_MS: i64 = 3_000;
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

/// What is to be written into the ledger, and when it was asked for.
#[derive(Clone, Debug)]
enum Call {
    /// Write the charge down unless its key is known.
    Begin(NewCharge, Promise),
    /// Only read it.
    Read(String),
    Capture(String, Timestamp),
}

/// What the bank behind a charge that begins `now` will do.
#[derive(Clone, Copy, Debug)]
struct Promise {
    bank: Bank,
    now: Timestamp,
    answers_at: Option<Timestamp>,
}

/// The entry after a call, if there is one, and whether the call made it.
type Written = (Option<Entry>, bool);

impl Call {
    fn key(&self) -> &str {
        match self {
            Self::Begin(charge, ..) => &charge.key,
            Self::Read(key) | Self::Capture(key, _) => key,
        }
    }

    /// The row of a charge that begins.
    fn row(&self) -> Option<serde_json::Value> {
        let Self::Begin(charge, Promise { bank, now, answers_at }) = self else { return None };
        let (state, last) = bank.verdict();
        Some(json!({
            "key": charge.key, "order_id": charge.order.to_string(), "method": charge.method,
            "amount": charge.money.amount, "currency": charge.money.currency.as_str(), "state": state,
            "final": i64::from(last), "answers_at": answers_at.map(Timestamp::as_millis), "at": now.as_millis(),
        }))
    }
}

/// How the bank behind a charge behaves; the `method` column of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bank {
    Authorises,
    Declines { last: bool },
    Leaves,
    LosesTheAnswer,
    IsSlow,
}

const METHODS: &[&str] = &[
    "sandbox_ok",
    "sandbox_declined",
    "sandbox_declined_once",
    "sandbox_leave",
    "sandbox_timeout",
    "sandbox_slow",
    "sandbox_random",
];

impl Bank {
    /// The bank of a charge. `None` for a method that is none of the sandbox's.
    fn of(method: &str, key: &str, settings: &SandboxSettings) -> Option<Self> {
        Some(match method {
            "sandbox_ok" => Self::Authorises,
            "sandbox_declined" => Self::Declines { last: true },
            "sandbox_declined_once" if parse_charge_key(key).is_some_and(|(_, attempt)| attempt > 1) => {
                Self::Authorises
            }
            "sandbox_declined_once" => Self::Declines { last: false },
            "sandbox_leave" => Self::Leaves,
            "sandbox_timeout" => Self::LosesTheAnswer,
            "sandbox_slow" => Self::IsSlow,
            "sandbox_random" => Self::by_lot(lot(settings.seed, key), settings),
            _ => return None,
        })
    }

    fn by_lot(lot: f64, settings: &SandboxSettings) -> Self {
        let declined = settings.decline_share;
        let left = declined + settings.leave_share;
        let lost = left + settings.timeout_share;
        if lot < declined {
            Self::Declines { last: true }
        } else if lot < left {
            Self::Leaves
        } else if lot < lost {
            Self::LosesTheAnswer
        } else {
            Self::Authorises
        }
    }

    /// After how long the bank answers; never when it does not.
    const fn answers_after_ms(self, latency_ms: i64) -> Option<i64> {
        match self {
            Self::Authorises | Self::Declines { .. } | Self::LosesTheAnswer => Some(latency_ms),
            Self::Leaves => None,
            Self::IsSlow => Some(SLOW_MS),
        }
    }

    /// What the ledger keeps of it: how the bank answers, and whether for good.
    const fn verdict(self) -> (&'static str, bool) {
        match self {
            Self::Authorises | Self::LosesTheAnswer | Self::IsSlow | Self::Leaves => ("authorised", false),
            Self::Declines { last } => ("declined", last),
        }
    }
}

/// A number from 0 to 1 that the seed and the key decide.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
fn lot(seed: u64, key: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(key.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.finalize()[..8]);
    (u64::from_be_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key: String,
    order: OrderId,
    /// `None` on a charge that was voided before it was begun.
    money: Option<Money>,
    /// `authorised` and `declined` count from `answers_at` on; `captured` and `voided` at once.
    state: String,
    last: bool,
    answers_at: Option<Timestamp>,
    refunded: i64,
}

/// What has become of a charge by `now`.
fn state_at(entry: &Entry, now: Timestamp) -> ChargeState {
    let answered = entry.answers_at.is_some_and(|at| at <= now);
    match entry.state.as_str() {
        "captured" => ChargeState::Captured,
        "voided" => ChargeState::Voided,
        "declined" if answered => ChargeState::Declined { last: entry.last },
        "authorised" if answered => ChargeState::Authorised,
        _ => ChargeState::Pending,
    }
}

impl Entry {
    fn charge(&self, money: Money, now: Timestamp) -> Charge {
        Charge {
            key: self.key.clone(),
            provider_id: format!("sandbox:{}", self.key),
            order: self.order,
            money,
            state: state_at(self, now),
            refunded: self.refunded,
        }
    }
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

/// Writes the ledger, many calls in one transaction.
#[derive(Clone, Debug)]
struct Ledger {
    database: Database,
}

impl Ledger {
    async fn carry_out(&self, calls: &[Call]) -> Result<Vec<Written>, StoreError> {
        let mut tx = self.database.begin().await?;
        let mut new = self.begin(&mut tx, calls).await?;
        self.capture(&mut tx, calls).await?;
        let keys: Vec<_> = calls.iter().map(Call::key).collect();
        let entries = read_all(&self.database, &mut tx, &keys).await?;
        tx.commit().await?;
        let by_key: HashMap<_, _> = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let written = calls.iter().map(|call| {
            let is_new = matches!(call, Call::Begin(..)) && new.remove(call.key());
            (by_key.get(call.key()).cloned(), is_new)
        });
        Ok(written.collect())
    }

    /// Writes new charges down and tells their keys.
    async fn begin(&self, tx: &mut Tx, calls: &[Call]) -> Result<HashSet<String>, StoreError> {
        const BEGIN: Sql = Sql {
            postgres: "INSERT INTO sandbox_charges (key, order_id, method, amount, currency, state, final, answers_at, \
                         created_at, changed_at) \
                       SELECT r.key, r.order_id, r.method, r.amount, r.currency, r.state, r.final, r.answers_at, r.at, r.at \
                       FROM json_to_recordset($1::json) AS r(key text, order_id text, method text, amount bigint, \
                         currency text, state text, final bigint, answers_at bigint, at bigint) ORDER BY r.key \
                       ON CONFLICT (key) DO NOTHING RETURNING key",
            sqlite: "INSERT INTO sandbox_charges (key, order_id, method, amount, currency, state, final, answers_at, \
                       created_at, changed_at) \
                     SELECT value ->> 'key', value ->> 'order_id', value ->> 'method', value ->> 'amount', \
                       value ->> 'currency', value ->> 'state', value ->> 'final', value ->> 'answers_at', \
                       value ->> 'at', value ->> 'at' \
                     FROM json_each($1) WHERE true ON CONFLICT (key) DO NOTHING RETURNING key",
        };
        let rows: Vec<_> = calls.iter().filter_map(Call::row).collect();
        if rows.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = serde_json::Value::from(rows).to_string();
        let written = sqlx::query(self.database.sql(BEGIN)).bind(rows).fetch_all(&mut **tx).await?;
        written.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Captures what the banks have authorised by then.
    async fn capture(&self, tx: &mut Tx, calls: &[Call]) -> Result<(), StoreError> {
        const LOCK: &str = "SELECT key FROM sandbox_charges WHERE key = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
                            ORDER BY key FOR UPDATE";
        const CAPTURE: Sql = Sql {
            postgres: "UPDATE sandbox_charges SET state = 'captured', changed_at = r.at \
                       FROM json_to_recordset($1::json) AS r(key text, at bigint) \
                       WHERE sandbox_charges.key = r.key AND state = 'authorised' AND answers_at <= r.at",
            sqlite: "UPDATE sandbox_charges SET state = 'captured', changed_at = r.value ->> 'at' \
                     FROM json_each($1) AS r WHERE sandbox_charges.key = r.value ->> 'key' \
                     AND state = 'authorised' AND answers_at <= r.value ->> 'at'",
        };
        let row = |call: &Call| match call {
            Call::Capture(key, at) => Some(json!({"key": key, "at": at.as_millis()})),
            Call::Begin(..) | Call::Read(_) => None,
        };
        let rows: Vec<_> = calls.iter().filter_map(row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        if self.database.is_postgres() {
            let keys: Vec<_> = calls.iter().map(Call::key).collect();
            sqlx::query(LOCK).bind(json!(keys).to_string()).execute(&mut **tx).await?;
        }
        let rows = serde_json::Value::from(rows).to_string();
        sqlx::query(self.database.sql(CAPTURE)).bind(rows).execute(&mut **tx).await?;
        Ok(())
    }
}

/// The entries with these keys, locked until the transaction ends.
async fn read_all(database: &Database, tx: &mut Tx, keys: &[&str]) -> Result<Vec<Entry>, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT c.key, c.order_id, c.amount, c.currency, c.state, c.final, c.answers_at, \
                   coalesce((SELECT sum(r.amount) FROM sandbox_refunds r WHERE r.charge_key = c.key), 0)::bigint \
                   FROM sandbox_charges c WHERE c.key = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
                   ORDER BY c.key FOR UPDATE",
        sqlite: "SELECT c.key, c.order_id, c.amount, c.currency, c.state, c.final, c.answers_at, \
                 coalesce((SELECT sum(r.amount) FROM sandbox_refunds r WHERE r.charge_key = c.key), 0) \
                 FROM sandbox_charges c WHERE c.key IN (SELECT value FROM json_each($1))",
    };
    let rows = sqlx::query(database.sql(READ)).bind(json!(keys).to_string()).fetch_all(&mut **tx).await?;
    rows.iter().map(read_entry).collect()
}

async fn set_state(tx: &mut Tx, key: &str, state: &'static str, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("UPDATE sandbox_charges SET state = $2, changed_at = $3 WHERE key = $1")
        .bind(key)
        .bind(state)
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn read_entry(row: &AnyRow) -> Result<Entry, StoreError> {
    let bad = |what: &str| StoreError::unexpected("sandbox", format!("a charge with a bad {what}"));
    let currency = Currency::parse(row.try_get(3)?);
    let amount = row.try_get(2)?;
    Ok(Entry {
        key: row.try_get(0)?,
        order: OrderId::parse(row.try_get(1)?).ok_or_else(|| bad("order"))?,
        money: currency.map(|currency| Money { amount, currency }),
        state: row.try_get(4)?,
        last: row.try_get::<i64, _>(5)? != 0,
        answers_at: row.try_get::<Option<i64>, _>(6)?.map(Timestamp::from_millis),
        refunded: row.try_get(7)?,
    })
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
        const READ: Sql = Sql {
            postgres: "SELECT c.key, c.order_id, c.amount, c.currency, c.state, c.final, c.answers_at, \
                       coalesce((SELECT sum(r.amount) FROM sandbox_refunds r WHERE r.charge_key = c.key), 0)::bigint \
                       FROM sandbox_charges c WHERE c.order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
                       ORDER BY c.key",
            sqlite: "SELECT c.key, c.order_id, c.amount, c.currency, c.state, c.final, c.answers_at, \
                     coalesce((SELECT sum(r.amount) FROM sandbox_refunds r WHERE r.charge_key = c.key), 0) \
                     FROM sandbox_charges c WHERE c.order_id IN (SELECT value FROM json_each($1)) ORDER BY c.key",
        };
        let ids = serde_json::json!(orders).to_string();
        let rows = sqlx::query(self.database.sql(READ)).bind(ids).fetch_all(self.database.reader()).await?;
        let mut charges = Vec::with_capacity(rows.len());
        for row in &rows {
            let entry = read_entry(row)?;
            if let Some(money) = entry.money {
                charges.push(entry.charge(money, now));
            }
        }
        Ok(charges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(state: &str, answers_at: Option<i64>) -> Entry {
        Entry {
            key: String::new(),
            order: OrderId::derive(Timestamp::from_millis(1), &[]),
            money: None,
            state: state.to_owned(),
            last: true,
            answers_at: answers_at.map(Timestamp::from_millis),
            refunded: 0,
        }
    }

    #[test]
    fn a_charge_is_what_its_row_and_the_time_say() {
        let rows = [
            ("authorised", Some(10), 9, ChargeState::Pending),
            ("authorised", Some(10), 10, ChargeState::Authorised),
            ("authorised", None, i64::MAX, ChargeState::Pending),
            ("declined", Some(10), 9, ChargeState::Pending),
            ("declined", Some(10), 10, ChargeState::Declined { last: true }),
            ("captured", Some(10), 0, ChargeState::Captured),
            ("voided", None, 0, ChargeState::Voided),
        ];
        for (state, answers_at, now, expected) in rows {
            assert_eq!(state_at(&entry(state, answers_at), Timestamp::from_millis(now)), expected, "{state} at {now}");
        }
    }

    #[test]
    fn the_shares_decide_repeatably() {
        let settings =
            SandboxSettings { decline_share: 0.3, leave_share: 0.1, timeout_share: 0.1, ..SandboxSettings::default() };
        let draw = |n: u32| Bank::of("sandbox_random", &format!("pay:x:{n}"), &settings);
        let count = |bank| (0..10_000).filter(|n| draw(*n) == Some(bank)).count();
        assert!((2_800..3_200).contains(&count(Bank::Declines { last: true })));
        assert!((850..1_150).contains(&count(Bank::Leaves)));
        assert!((850..1_150).contains(&count(Bank::LosesTheAnswer)));
        assert_eq!(draw(7), draw(7));
        assert_eq!(Bank::of("cash", "k", &settings), None);
    }

    #[test]
    fn declined_once_declines_the_first_attempt() {
        let key = |attempt: u32| sale::ids::charge_key(OrderId::derive(Timestamp::from_millis(1), &[]), attempt);
        let bank = |attempt| Bank::of("sandbox_declined_once", &key(attempt), &SandboxSettings::default());
        assert_eq!(bank(1), Some(Bank::Declines { last: false }));
        assert_eq!(bank(2), Some(Bank::Authorises));
    }
}
