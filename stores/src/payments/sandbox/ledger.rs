//! The ledger: what was created, confirmed, captured and voided, many calls in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sale::{Currency, Money, Timestamp};
use serde_json::json;

use super::{
    super::{NewCharge, Span},
    bank::{Bank, Clerks},
    charges::{Entry, Standing},
    settings::SandboxSettings,
};
use crate::{
    StoreError,
    database::{
        Database, Tx,
        row::row,
        sql::{Sql, sql},
    },
};

/// A call on the ledger, with its time. All but the first name a charge by its id.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Create(NewCharge, Timestamp),
    Confirm(String, Timestamp),
    Capture(String, Timestamp),
    Void(String, Timestamp),
    Read(String),
}

/// The entry after a call, if there is one, and whether the call moved it.
pub(super) type Written = Option<(Entry, bool)>;

impl Call {
    /// What the call names its charge by: our key, or the id.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Create(charge, _) => &charge.key,
            Self::Confirm(id, _) | Self::Capture(id, _) | Self::Void(id, _) | Self::Read(id) => id,
        }
    }
}

/// Writes the ledger.
pub(super) struct Ledger {
    pub(super) database: Database,
    pub(super) settings: SandboxSettings,
    pub(super) clerks: Clerks,
}

impl Ledger {
    pub(super) async fn carry_out(&self, calls: &[Call]) -> Result<Vec<Written>, StoreError> {
        let mut tx = self.database.begin().await?;
        let mut created = self.create(&mut tx, calls).await?;
        let ids: BTreeSet<_> = calls.iter().filter(|call| !matches!(call, Call::Create(..))).map(Call::name).collect();
        let mut entries: HashMap<_, _> =
            lock_all(&self.database, &mut tx, &ids).await?.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
        let mut moved = BTreeMap::new();
        let written = calls
            .iter()
            .map(|call| match call {
                Call::Create(charge, _) => created.get_mut(&charge.key).map(|(entry, is_new)| {
                    let is_first = std::mem::take(is_new);
                    (entry.clone(), is_first)
                }),
                _ => entries.get_mut(call.name()).map(|entry| {
                    let has_moved = self.carry_out_one(call, entry);
                    if has_moved {
                        moved.insert(entry.id.clone(), entry.clone());
                    }
                    (entry.clone(), has_moved)
                }),
            })
            .collect();
        let moved: Vec<_> = moved.into_values().collect();
        save(&self.database, &mut tx, &moved).await?;
        tx.commit().await?;
        Ok(written)
    }

    /// Applies a call to the entry that it names. Returns whether that changed it.
    fn carry_out_one(&self, call: &Call, entry: &mut Entry) -> bool {
        match call {
            Call::Create(..) | Call::Read(_) => false,
            Call::Capture(_, now) => entry.capture(*now),
            Call::Void(_, now) => entry.void(*now),
            Call::Confirm(_, now) => {
                let bank = Bank::of(&entry.method, &entry.key, &self.settings);
                let Some(bank) = bank.filter(|_| entry.standing == Standing::Created) else { return false };
                let takes_ms = bank.answers_after_ms(i64::from(self.settings.latency_ms));
                entry.confirm(bank, takes_ms.map(|takes_ms| self.clerks.answer_at(takes_ms, *now)));
                true
            }
        }
    }

    /// The entries of the charges to create, by key, and whether each is new.
    async fn create(&self, tx: &mut Tx, calls: &[Call]) -> Result<HashMap<String, (Entry, bool)>, StoreError> {
        const CREATE: Sql = Sql {
            postgres: "INSERT INTO sandbox_charges (id, key, method, amount, currency, state, created_at) \
                       SELECT r.id, r.key, r.method, r.amount, r.currency, 'created', r.at \
                       FROM json_to_recordset($1::json) AS r(id text, key text, method text, amount bigint, \
                         currency text, at bigint) ORDER BY r.key ON CONFLICT (key) WHERE remembered = 1 DO NOTHING \
                       RETURNING id, key, method, amount, currency, state, last, answers_at, refunded, created_at",
            sqlite: "INSERT INTO sandbox_charges (id, key, method, amount, currency, state, created_at) \
                     SELECT value ->> 'id', value ->> 'key', value ->> 'method', value ->> 'amount', \
                       value ->> 'currency', 'created', value ->> 'at' \
                     FROM json_each($1) WHERE true ON CONFLICT (key) WHERE remembered = 1 DO NOTHING \
                     RETURNING id, key, method, amount, currency, state, last, answers_at, refunded, created_at",
        };
        let rows: Vec<_> = calls
            .iter()
            .filter_map(|call| match call {
                Call::Create(charge, now) => Some(json!({
                    "id": new_id("ch"), "key": charge.key, "method": charge.method, "amount": charge.money.amount,
                    "currency": charge.money.currency.as_str(), "at": now.as_millis(),
                })),
                Call::Confirm(..) | Call::Capture(..) | Call::Void(..) | Call::Read(_) => None,
            })
            .collect();
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: BTreeSet<_> = calls.iter().filter(|call| matches!(call, Call::Create(..))).map(Call::name).collect();
        let rows = serde_json::Value::from(rows).to_string();
        let new: Vec<EntryRow> = sqlx::query_as(self.database.sql(CREATE)).bind(rows).fetch_all(&mut **tx).await?;
        let mut created = by_key(new, true)?;
        let known: Vec<_> = keys.into_iter().filter(|key| !created.contains_key(*key)).collect();
        if !known.is_empty() {
            created.extend(by_key(read_by_key(&self.database, tx, &known).await?, false)?);
        }
        Ok(created)
    }
}

/// An id as a real provider gives it: it does not follow from ours.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{:032x}", rand::random::<u128>())
}

row! {
    struct EntryRow {
        id: String,
        key: String,
        method: String,
        amount: i64,
        currency: Currency,
        state: String,
        last: bool,
        answers_at: Option<Timestamp>,
        refunded: i64,
        created_at: Timestamp,
    }
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let standing = Standing::parse(&row.state);
        Ok(Self {
            id: row.id,
            key: row.key,
            method: row.method,
            money: Money { amount: row.amount, currency: row.currency },
            standing: standing.ok_or_else(|| StoreError::unexpected("sandbox", "a charge with a bad state"))?,
            last: row.last,
            answers_at: row.answers_at,
            refunded: row.refunded,
        })
    }
}

fn entries(rows: Vec<EntryRow>) -> Result<Vec<Entry>, StoreError> {
    rows.into_iter().map(Entry::try_from).collect()
}

fn by_key(rows: Vec<EntryRow>, is_new: bool) -> Result<HashMap<String, (Entry, bool)>, StoreError> {
    Ok(entries(rows)?.into_iter().map(|entry| (entry.key.clone(), (entry, is_new))).collect())
}

macro_rules! select_entries {
    ($rest:literal) => {
        sql!(concat!(
            "SELECT c.id, c.key, c.method, c.amount, c.currency, c.state, c.last, c.answers_at, c.refunded, c.created_at ",
            "FROM sandbox_charges c ",
            $rest
        ))
    };
}

async fn read_by_key(database: &Database, tx: &mut Tx, keys: &[&str]) -> Result<Vec<EntryRow>, StoreError> {
    const READ: Sql = select_entries!("WHERE c.key @in($1) AND c.remembered = 1");
    Ok(sqlx::query_as(database.sql(READ)).bind(json!(keys).to_string()).fetch_all(&mut **tx).await?)
}

/// The entries with these ids, locked until the transaction ends.
pub(super) async fn lock_all(database: &Database, tx: &mut Tx, ids: &BTreeSet<&str>) -> Result<Vec<Entry>, StoreError> {
    const LOCK: Sql = select_entries!("WHERE c.id @in($1) ORDER BY c.id @lock(c)");
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    entries(sqlx::query_as(database.sql(LOCK)).bind(json!(ids).to_string()).fetch_all(&mut **tx).await?)
}

/// Updates locked entries.
pub(super) async fn save(database: &Database, tx: &mut Tx, moved: &[Entry]) -> Result<(), StoreError> {
    const SAVE: Sql = Sql {
        postgres: "UPDATE sandbox_charges SET state = r.state, last = r.last, answers_at = r.answers_at, \
                     refunded = r.refunded \
                   FROM json_to_recordset($1::json) AS r(id text, state text, last bigint, answers_at bigint, \
                     refunded bigint) WHERE sandbox_charges.id = r.id",
        sqlite: "UPDATE sandbox_charges SET state = r.value ->> 'state', last = r.value ->> 'last', \
                   answers_at = r.value ->> 'answers_at', refunded = r.value ->> 'refunded' \
                 FROM json_each($1) AS r WHERE sandbox_charges.id = r.value ->> 'id'",
    };
    if moved.is_empty() {
        return Ok(());
    }
    let row = |entry: &Entry| {
        json!({
            "id": entry.id, "state": entry.standing.as_str(), "last": i64::from(entry.last),
            "answers_at": entry.answers_at.map(Timestamp::as_millis), "refunded": entry.refunded,
        })
    };
    let rows = serde_json::Value::from(moved.iter().map(row).collect::<Vec<_>>()).to_string();
    sqlx::query(database.sql(SAVE)).bind(rows).execute(&mut **tx).await?;
    Ok(())
}

/// Where a page of the books begins: after an entry of that time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: Timestamp,
    pub(super) id: String,
}

impl Place {
    pub(super) const fn beginning_of(span: Span) -> Self {
        Self { at: span.from, id: String::new() }
    }

    /// The place after a page of rows; `None` when it is not full, because then it is the last one.
    pub(super) fn after<Row>(rows: &[Row], limit: i64, key: impl Fn(&Row) -> (Timestamp, &String)) -> Option<Self> {
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
        let (at, id) = rows.last().filter(|_| is_full).map(key)?;
        Some(Self { at, id: id.clone() })
    }
}

/// The charges of a span after this place, by time and id, and where the next page begins if this one is full.
pub(super) async fn list(
    database: &Database,
    span: Span,
    after: &Place,
    limit: i64,
) -> Result<(Vec<Entry>, Option<Place>), StoreError> {
    const READ: Sql = select_entries!(
        "WHERE c.created_at < $3 AND (c.created_at > $1 OR (c.created_at = $1 AND c.id > $2)) \
         ORDER BY c.created_at, c.id LIMIT $4"
    );
    let rows: Vec<EntryRow> = sqlx::query_as(database.sql(READ))
        .bind(after.at.as_millis())
        .bind(after.id.as_str())
        .bind(span.until.as_millis())
        .bind(limit)
        .fetch_all(database.reader())
        .await?;
    let next = Place::after(&rows, limit, |row| (row.created_at, &row.id));
    Ok((entries(rows)?, next))
}
