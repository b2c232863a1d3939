//! Pass rows: committed before the pass is given out, one per ticket ever.

use std::collections::{HashMap, HashSet};

use sale::{BuyerId, Pass, PassId, SaleId, Timestamp};
use serde_json::json;
use sqlx::{Row as _, any::AnyRow};

use super::{
    Database, Sql,
    row::{corrupt_row, signed, unsigned},
};
use crate::StoreError;

/// Commits the rows of these passes in one statement and tells each as it stands, and whether it is new: a pass that has
/// a row keeps its own times, so asking again gives the same pass.
pub async fn give(database: &Database, passes: &[Pass]) -> Result<Vec<(Pass, bool)>, StoreError> {
    const GIVE: Sql = Sql {
        postgres: "INSERT INTO passes (id, sale, number, buyer, bound, issued_at, expires_at) \
                   SELECT r.id, r.sale, r.number, r.buyer, r.bound, r.issued_at, r.expires_at \
                   FROM json_to_recordset($1::json) AS r(id text, sale text, number bigint, buyer text, \
                        bound bigint, issued_at bigint, expires_at bigint) ORDER BY r.id \
                   ON CONFLICT (sale, number) DO NOTHING RETURNING id",
        sqlite: "INSERT INTO passes (id, sale, number, buyer, bound, issued_at, expires_at) \
                 SELECT value ->> 'id', value ->> 'sale', value ->> 'number', value ->> 'buyer', value ->> 'bound', \
                        value ->> 'issued_at', value ->> 'expires_at' \
                 FROM json_each($1) WHERE true ON CONFLICT (sale, number) DO NOTHING RETURNING id",
    };
    const READ: Sql = Sql {
        postgres: "SELECT id, sale, number, buyer, bound, issued_at, expires_at FROM passes \
                   WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "SELECT id, sale, number, buyer, bound, issued_at, expires_at FROM passes \
                 WHERE id IN (SELECT value FROM json_each($1))",
    };
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
    let ids: Vec<_> = passes.iter().map(|pass| pass.id.to_string()).collect();
    if passes.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = database.begin().await?;
    let rows = serde_json::Value::from(rows).to_string();
    let inserted = sqlx::query(database.sql(GIVE)).bind(rows).fetch_all(&mut *tx).await?;
    let mut new = inserted.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<HashSet<_>, _>>()?;
    let found = sqlx::query(database.sql(READ)).bind(json!(ids).to_string()).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    let mut by_id = HashMap::new();
    for row in &found {
        let pass = read_row(row)?;
        by_id.insert(pass.id, pass);
    }
    passes
        .iter()
        .map(|pass| {
            let given = by_id.get(&pass.id).cloned();
            let given = given.ok_or_else(|| StoreError::unexpected("database", "a pass row of another ticket"))?;
            Ok((given, new.remove(&pass.id.to_string())))
        })
        .collect()
}

/// The passes with the ends that count at `now`. A pass whose own time is over may have been given time back after a lost
/// store, which only its row knows; the others need no question.
pub async fn renew(database: &Database, passes: &mut [Pass], now: Timestamp) -> Result<(), StoreError> {
    const ENDS: Sql = Sql {
        postgres: "SELECT id, expires_at FROM passes WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "SELECT id, expires_at FROM passes WHERE id IN (SELECT value FROM json_each($1))",
    };
    let over: Vec<_> = passes.iter().filter(|pass| now >= pass.expires_at).map(|pass| pass.id.to_string()).collect();
    if over.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(database.sql(ENDS)).bind(json!(over).to_string()).fetch_all(database.reader()).await?;
    let ends = rows.iter().map(|row| Ok((row.try_get::<String, _>(0)?, Timestamp::from_millis(row.try_get(1)?))));
    let ends = ends.collect::<Result<HashMap<_, _>, StoreError>>()?;
    for pass in passes {
        pass.expires_at = ends.get(&pass.id.to_string()).copied().unwrap_or(pass.expires_at).max(pass.expires_at);
    }
    Ok(())
}

/// Ends the pass of a number that its buyer gave up.
pub async fn end(database: &Database, sale: &SaleId, number: u64) -> Result<(), StoreError> {
    sqlx::query("UPDATE passes SET ended = 1 WHERE sale = $1 AND number = $2")
        .bind(sale.as_str())
        .bind(signed(number))
        .execute(database.writer())
        .await?;
    Ok(())
}

fn read_row(row: &AnyRow) -> Result<Pass, StoreError> {
    Ok(Pass {
        id: PassId::parse(row.try_get(0)?).ok_or_else(|| corrupt_row("id"))?,
        sale: row.try_get::<&str, _>(1)?.parse().map_err(|_| corrupt_row("sale"))?,
        number: unsigned(row.try_get(2)?),
        buyer: BuyerId::parse(row.try_get(3)?).ok_or_else(|| corrupt_row("buyer"))?,
        bound: row.try_get::<i64, _>(4)? != 0,
        issued_at: Timestamp::from_millis(row.try_get(5)?),
        expires_at: Timestamp::from_millis(row.try_get(6)?),
    })
}
