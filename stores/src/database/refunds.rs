//! Refunds: inserted with the fact that owes them, carried out until the provider has confirmed.
//!
//! A refusal and a silence are different. After a number of refusals a refund needs review; with a silent provider it is
//! retried with the same key, less and less often, without end.

mod owe;
mod record;

use std::collections::HashSet;

use sale::{
    Currency, Money, OrderId, Timestamp,
    ids::{PaymentId, charge_key},
};

pub(super) use self::owe::owe;
pub use self::record::{RefundAnswer, record};
use super::{
    Database, parameters,
    row::row,
    sql::{Sql, sql},
};
use crate::{StoreError, charge::ChargeRef};

/// A refund that is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRow {
    /// Also the key of the provider's call: `refund:{payment}:{n}`.
    pub id: String,
    pub payment: PaymentId,
    pub order: OrderId,
    /// The charge that is refunded.
    pub charge: ChargeRef,
    pub money: Money,
    pub reason: String,
    /// How often the provider has refused it.
    pub refusals: u32,
    /// How often the provider has not answered.
    pub silences: u32,
}

row! {
    struct Columns {
        id: String,
        payment_id: PaymentId,
        purchase_id: OrderId,
        attempt: u32,
        // Only confirmed charges are refunded, and those have an id.
        provider_id: String,
        amount: i64,
        currency: Currency,
        reason: String,
        refusals: u32,
        silences: u32,
    }
}

impl From<Columns> for RefundRow {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            payment: row.payment_id,
            order: row.purchase_id,
            charge: ChargeRef { key: charge_key(row.purchase_id, row.attempt), provider_id: row.provider_id },
            money: Money { amount: row.amount, currency: row.currency },
            reason: row.reason,
            refusals: row.refusals,
            silences: row.silences,
        }
    }
}

/// Claims up to `limit` due refunds. Until `next` no other worker claims them.
pub async fn claim_due(
    database: &Database,
    now: Timestamp,
    next: Timestamp,
    limit: i64,
) -> Result<Vec<RefundRow>, StoreError> {
    const CLAIM: Sql = sql!(
        "UPDATE refunds SET due_at = $2 WHERE id IN ( \
           SELECT r.id FROM refunds r WHERE r.due_at <= $1 ORDER BY r.due_at LIMIT $3 @skip_locked(r)) RETURNING id"
    );
    const READ: Sql = sql!(
        "SELECT r.id, r.payment_id, p.purchase_id, p.attempt, p.provider_id, r.amount, r.currency, r.reason, r.refusals, \
           r.silences FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.id @in($1)"
    );
    let claimed: Vec<String> = sqlx::query_scalar(database.sql(CLAIM))
        .bind(now.as_millis())
        .bind(next.as_millis())
        .bind(limit)
        .fetch_all(database.writer())
        .await?;
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let ids = parameters::list(claimed);
    let rows: Vec<Columns> = sqlx::query_as(database.sql(READ)).bind(ids).fetch_all(database.reader()).await?;
    Ok(rows.into_iter().map(RefundRow::from).collect())
}

/// Which of these ids are refunds of ours.
pub async fn known(database: &Database, ids: &[String]) -> Result<HashSet<String>, StoreError> {
    const READ: Sql = sql!("SELECT id FROM refunds WHERE id @in($1)");
    let known: Vec<String> =
        sqlx::query_scalar(database.sql(READ)).bind(parameters::list(ids)).fetch_all(database.reader()).await?;
    Ok(known.into_iter().collect())
}
