//! Passes: each is committed before it is given out, and a ticket gets at most one.

use std::collections::{HashMap, HashSet};

use sale::{BuyerId, Pass, PassId, SaleId, Timestamp};
use serde_json::json;

use super::{
    Database, parameters,
    row::{column, row, signed},
    sql::{Sql, sql},
};
use crate::StoreError;

row! {
    struct Columns {
        id: PassId,
        sale: SaleId,
        number: u64,
        buyer: BuyerId,
        bound: bool,
        issued_at: Timestamp,
        expires_at: Timestamp,
    }
}

impl From<Columns> for Pass {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            sale: row.sale,
            number: row.number,
            buyer: row.buyer,
            bound: row.bound,
            issued_at: row.issued_at,
            expires_at: row.expires_at,
        }
    }
}

row! {
    struct Expiry {
        id: PassId,
        expires_at: Timestamp,
    }
}

/// Commits the rows of these passes, and returns each as it is stored and whether it is new; `None` where its ticket has
/// another pass. A pass that had a row keeps its times, so a repeated request gets the same pass.
pub async fn issue(database: &Database, passes: &[Pass]) -> Result<Vec<Option<(Pass, bool)>>, StoreError> {
    // Without a target: two processes that insert the same row may meet in either of its unique keys.
    const INSERT: Sql = Sql {
        postgres: "INSERT INTO passes (id, sale, number, buyer, bound, issued_at, expires_at) \
                   SELECT r.id, r.sale, r.number, r.buyer, r.bound, r.issued_at, r.expires_at \
                   FROM json_to_recordset($1::json) AS r(id text, sale text, number bigint, buyer text, \
                        bound bigint, issued_at bigint, expires_at bigint) ORDER BY r.id \
                   ON CONFLICT DO NOTHING RETURNING id",
        sqlite: "INSERT INTO passes (id, sale, number, buyer, bound, issued_at, expires_at) \
                 SELECT value ->> 'id', value ->> 'sale', value ->> 'number', value ->> 'buyer', value ->> 'bound', \
                        value ->> 'issued_at', value ->> 'expires_at' \
                 FROM json_each($1) WHERE true ON CONFLICT DO NOTHING RETURNING id",
    };
    const READ: Sql = sql!("SELECT id, sale, number, buyer, bound, issued_at, expires_at FROM passes WHERE id @in($1)");
    let rows: Vec<_> = passes
        .iter()
        .map(|pass| {
            json!({
                "id": pass.id, "sale": pass.sale, "number": pass.number, "buyer": pass.buyer.to_string(),
                "bound": i64::from(pass.bound), "issued_at": pass.issued_at.as_millis(),
                "expires_at": pass.expires_at.as_millis(),
            })
        })
        .collect();
    if passes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = database.begin().await?;
    let rows = serde_json::Value::from(rows).to_string();
    let inserted = sqlx::query(database.sql(INSERT)).bind(rows).fetch_all(&mut *tx).await?;
    let mut new: HashSet<PassId> = column(&inserted, "id")?;
    let ids = parameters::list(passes.iter().map(|pass| pass.id));
    let stored: Vec<Columns> = sqlx::query_as(database.sql(READ)).bind(ids).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    let by_id: HashMap<_, _> = stored.into_iter().map(|row| (row.id, Pass::from(row))).collect();
    let stored = |pass: &Pass| Some((by_id.get(&pass.id).cloned()?, new.remove(&pass.id)));
    Ok(passes.iter().map(stored).collect())
}

/// Updates the passes that have expired by `now` to the expiry of their rows: it was extended if the queue store was lost
/// meanwhile. The others need no query.
pub async fn update_expiries(database: &Database, passes: &mut [Pass], now: Timestamp) -> Result<(), StoreError> {
    const READ: Sql = sql!("SELECT id, expires_at FROM passes WHERE id @in($1)");
    let expired: Vec<_> = passes.iter().filter(|pass| now >= pass.expires_at).map(|pass| pass.id).collect();
    if expired.is_empty() {
        return Ok(());
    }
    let rows: Vec<Expiry> =
        sqlx::query_as(database.sql(READ)).bind(parameters::list(expired)).fetch_all(database.reader()).await?;
    let expiries: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row.expires_at)).collect();
    for pass in passes {
        pass.expires_at = expiries.get(&pass.id).copied().unwrap_or(pass.expires_at).max(pass.expires_at);
    }
    Ok(())
}

/// Ends the pass of a number whose buyer has left.
pub async fn end(database: &Database, sale: &SaleId, number: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE passes SET ended = 1 WHERE sale = $1 AND number = $2")
        .bind(sale.as_str())
        .bind(signed(number))
        .execute(database.writer())
        .await?;
    Ok(())
}
