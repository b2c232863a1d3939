//! Refunds of the ledger: done at once, or refused.

use std::collections::BTreeSet;

use sale::{Currency, Money, Timestamp};

use super::{
    super::{ChargeRef, ChargeState, NewRefund, Refund, RefundProgress, Span},
    charges::Entry,
    ledger::{Place, lock_all, new_id, save},
};
use crate::{
    StoreError,
    database::{Database, row::row},
};

row! {
    struct RefundRow {
        id: String,
        key: String,
        charge_id: String,
        amount: i64,
        currency: Currency,
        created_at: Timestamp,
    }
}

macro_rules! select_refunds {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.key, r.charge_id, r.amount, c.currency, r.created_at FROM sandbox_refunds r ",
            "JOIN sandbox_charges c ON c.id = r.charge_id ",
            $rest
        )
    };
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Self {
        Self {
            key: Some(row.key),
            provider_id: Some(row.id),
            charge_id: row.charge_id,
            money: Money { amount: row.amount, currency: row.currency },
            progress: RefundProgress::Done,
        }
    }
}

/// Refunds money, once per key.
pub(super) async fn refund(
    database: &Database,
    charge: &ChargeRef,
    refund: &NewRefund,
    now: Timestamp,
) -> Result<Refund, StoreError> {
    let mut tx = database.begin().await?;
    let locked = lock_all(database, &mut tx, &BTreeSet::from([charge.provider_id.as_str()])).await?;
    let Some(mut entry) = locked.into_iter().next() else {
        return Err(StoreError::unexpected("sandbox", format!("no charge {}", charge.provider_id)));
    };
    let known: Option<RefundRow> =
        sqlx::query_as(select_refunds!("WHERE r.key = $1")).bind(refund.key.as_str()).fetch_optional(&mut *tx).await?;
    if let Some(known) = known {
        return Ok(known.into());
    }
    let answer = |provider_id, progress| Refund {
        key: Some(refund.key.clone()),
        provider_id,
        charge_id: charge.provider_id.clone(),
        money: refund.money,
        progress,
    };
    if let Some(reason) = refuse(&entry, refund.money, now) {
        return Ok(answer(None, RefundProgress::Refused { reason: reason.to_owned() }));
    }
    let id = new_id("re");
    entry.refunded = entry.refunded.saturating_add(refund.money.amount);
    sqlx::query("INSERT INTO sandbox_refunds (id, key, charge_id, amount, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(id.as_str())
        .bind(refund.key.as_str())
        .bind(charge.provider_id.as_str())
        .bind(refund.money.amount)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    save(database, &mut tx, &[entry]).await?;
    tx.commit().await?;
    Ok(answer(Some(id), RefundProgress::Done))
}

/// Why this amount cannot be refunded, if it cannot.
fn refuse(entry: &Entry, money: Money, now: Timestamp) -> Option<&'static str> {
    if entry.state_at(now) != ChargeState::Captured {
        return Some("the charge is not captured");
    }
    if money.currency != entry.money.currency {
        return Some("the charge has another currency");
    }
    (entry.refunded.saturating_add(money.amount) > entry.captured()).then_some("more than is left of the charge")
}

/// The refunds of a span after this place, by time and id, and where the next page begins if this one is full.
pub(super) async fn list(
    database: &Database,
    span: Span,
    after: &Place,
    limit: i64,
) -> Result<(Vec<Refund>, Option<Place>), StoreError> {
    let rows: Vec<RefundRow> = sqlx::query_as(select_refunds!(
        "WHERE r.created_at < $3 AND (r.created_at > $1 OR (r.created_at = $1 AND r.id > $2)) \
         ORDER BY r.created_at, r.id LIMIT $4"
    ))
    .bind(after.at.as_millis())
    .bind(after.id.as_str())
    .bind(span.until.as_millis())
    .bind(limit)
    .fetch_all(database.reader())
    .await?;
    let next = Place::after(&rows, limit, |row| (row.created_at, &row.id));
    Ok((rows.into_iter().map(Refund::from).collect(), next))
}
