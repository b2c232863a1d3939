//! The ledger: what was begun, captured and voided, many calls in one transaction.

use std::collections::{HashMap, HashSet};

use sale::{Currency, Money, OrderId, Timestamp};
use serde_json::json;
use sqlx::{Row as _, any::AnyRow};

use super::{
    super::{Charge, ChargeState, NewCharge},
    bank::Bank,
};
use crate::{
    StoreError,
    database::{Database, Sql, Tx},
};

/// What is to be written into the ledger, and when it was asked for.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// Write the charge down unless its key is known.
    Begin(NewCharge, Promise),
    /// Only read it.
    Read(String),
    Capture(String, Timestamp),
}

/// What the bank behind a charge that begins `now` will do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    pub(super) bank: Bank,
    pub(super) now: Timestamp,
    pub(super) answers_at: Option<Timestamp>,
}

/// The entry after a call, if there is one, and whether the call made it.
pub(super) type Written = (Option<Entry>, bool);

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

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) order: OrderId,
    /// `None` on a charge that was voided before it was begun.
    pub(super) money: Option<Money>,
    /// `authorised` and `declined` count from `answers_at` on; `captured` and `voided` at once.
    pub(super) state: String,
    pub(super) last: bool,
    pub(super) answers_at: Option<Timestamp>,
    pub(super) refunded: i64,
}

/// What has become of a charge by `now`.
pub(super) fn state_at(entry: &Entry, now: Timestamp) -> ChargeState {
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
    pub(super) fn charge(&self, money: Money, now: Timestamp) -> Charge {
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

/// Writes the ledger, many calls in one transaction.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) database: Database,
}

impl Ledger {
    pub(super) async fn carry_out(&self, calls: &[Call]) -> Result<Vec<Written>, StoreError> {
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

/// The columns that [`read_entry`] reads, in its order; `$sum` adds up a charge's refunds.
macro_rules! select_entries {
    ($sum:literal, $rest:literal) => {
        concat!(
            "SELECT c.key, c.order_id, c.amount, c.currency, c.state, c.final, c.answers_at, coalesce((SELECT ",
            $sum,
            " FROM sandbox_refunds r WHERE r.charge_key = c.key), 0) FROM sandbox_charges c ",
            $rest
        )
    };
}

/// The entries with these keys, locked until the transaction ends.
pub(super) async fn read_all(database: &Database, tx: &mut Tx, keys: &[&str]) -> Result<Vec<Entry>, StoreError> {
    const READ: Sql = Sql {
        postgres: select_entries!(
            "sum(r.amount)::bigint",
            "WHERE c.key = ANY (ARRAY(SELECT json_array_elements_text($1::json))) ORDER BY c.key FOR UPDATE"
        ),
        sqlite: select_entries!("sum(r.amount)", "WHERE c.key IN (SELECT value FROM json_each($1))"),
    };
    let rows = sqlx::query(database.sql(READ)).bind(json!(keys).to_string()).fetch_all(&mut **tx).await?;
    rows.iter().map(read_entry).collect()
}

/// The entries of these orders.
pub(super) async fn entries_of(database: &Database, orders: &[OrderId]) -> Result<Vec<Entry>, StoreError> {
    const READ: Sql = Sql {
        postgres: select_entries!(
            "sum(r.amount)::bigint",
            "WHERE c.order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) ORDER BY c.key"
        ),
        sqlite: select_entries!(
            "sum(r.amount)",
            "WHERE c.order_id IN (SELECT value FROM json_each($1)) ORDER BY c.key"
        ),
    };
    let rows = sqlx::query(database.sql(READ)).bind(json!(orders).to_string()).fetch_all(database.reader()).await?;
    rows.iter().map(read_entry).collect()
}

pub(super) async fn set_state(tx: &mut Tx, key: &str, state: &'static str, now: Timestamp) -> Result<(), StoreError> {
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
}
