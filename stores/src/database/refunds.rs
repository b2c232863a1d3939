//! Refunds that the rules owe: written down with the move that owes them, carried out until the provider has confirmed.

use sale::{
    Currency, Event, EventKind, Money, OrderId, OrderState, PaymentState, SaleId, Timestamp,
    ids::{PaymentId, charge_key},
    order::RefundState,
};
use sqlx::Row as _;

use super::{
    Database, Sql, Tx,
    moves::{self, bad, order_id},
    outbox,
    payments::PaymentRow,
};
use crate::{StoreError, payments::ChargeRef};

/// A refund to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRow {
    /// Also the key of the provider's call: `refund:{payment}:{n}`.
    pub id: String,
    pub payment: PaymentId,
    pub order: OrderId,
    /// The charge that is given back.
    pub charge: ChargeRef,
    pub money: Money,
    /// How often the provider was asked, this time included.
    pub tries: u32,
}

/// Owes the whole amount of a captured attempt, once.
pub(super) async fn owe(
    database: &Database,
    tx: &mut Tx,
    sale: &SaleId,
    payment: &PaymentRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let owes = payment.money.amount > 0;
    sqlx::query("UPDATE payments SET state = $2, due_at = NULL, changed_at = $3 WHERE id = $1 AND state = 'captured'")
        .bind(payment.id.to_string())
        .bind(if owes { PaymentState::RefundPending } else { PaymentState::Refunded }.as_str())
        .bind(now.as_millis())
        .execute(&mut **tx)
        .await?;
    if !owes {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO refunds (id, payment_id, order_id, amount, state, ask_at, created_at, changed_at) \
         VALUES ($1, $2, $3, $4, 'pending', $5, $5, $5) ON CONFLICT DO NOTHING",
    )
    .bind(format!("refund:{}:1", payment.id))
    .bind(payment.id.to_string())
    .bind(payment.order.to_string())
    .bind(payment.money.amount)
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    let event = Event::about(EventKind::RefundRequested, sale, payment.order, now, payment.attempt);
    outbox::append(database, tx, &[event]).await
}

/// Takes refunds whose time has come; until `next` no other worker takes them.
pub async fn claim_due(
    database: &Database,
    now: Timestamp,
    next: Timestamp,
    limit: i64,
) -> Result<Vec<RefundRow>, StoreError> {
    const CLAIM: Sql = Sql {
        postgres: "UPDATE refunds SET ask_at = $2, tries = tries + 1 WHERE id IN ( \
                     SELECT id FROM refunds WHERE ask_at <= $1 ORDER BY ask_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
                   RETURNING id",
        sqlite: "UPDATE refunds SET ask_at = $2, tries = tries + 1 WHERE id IN ( \
                   SELECT id FROM refunds WHERE ask_at <= $1 ORDER BY ask_at LIMIT $3) RETURNING id",
    };
    const READ: Sql = Sql {
        postgres: "SELECT r.id, r.payment_id, r.order_id, p.attempt, r.amount, p.currency, r.tries, p.provider_id FROM refunds r \
                   JOIN payments p ON p.id = r.payment_id WHERE r.id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))",
        sqlite: "SELECT r.id, r.payment_id, r.order_id, p.attempt, r.amount, p.currency, r.tries, p.provider_id FROM refunds r \
                 JOIN payments p ON p.id = r.payment_id WHERE r.id IN (SELECT value FROM json_each($1))",
    };
    let claimed = sqlx::query(database.sql(CLAIM))
        .bind(now.as_millis())
        .bind(next.as_millis())
        .bind(limit)
        .fetch_all(database.writer())
        .await?;
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    let ids = claimed.iter().map(|row| Ok(row.try_get::<String, _>(0)?)).collect::<Result<Vec<_>, StoreError>>()?;
    let rows = sqlx::query(database.sql(READ)).bind(moves::list(ids)).fetch_all(database.reader()).await?;
    rows.iter()
        .map(|row| {
            let order = order_id(row.try_get(2)?)?;
            let attempt = u32::try_from(row.try_get::<i64, _>(3)?).map_err(|_| bad("attempt"))?;
            Ok(RefundRow {
                id: row.try_get(0)?,
                payment: PaymentId::parse(row.try_get(1)?).ok_or_else(|| bad("payment id"))?,
                order,
                charge: ChargeRef { key: charge_key(order, attempt), provider_id: row.try_get(7)? },
                money: Money {
                    amount: row.try_get(4)?,
                    currency: Currency::parse(row.try_get(5)?).ok_or_else(|| bad("currency"))?,
                },
                tries: u32::try_from(row.try_get::<i64, _>(6)?).unwrap_or(u32::MAX),
            })
        })
        .collect()
}

/// The provider has confirmed: the money is on its way.
pub async fn done(database: &Database, refund: &RefundRow, now: Timestamp) -> Result<(), StoreError> {
    finish(database, refund, RefundState::Done, OrderState::Refunded, now).await
}

/// The provider refused too often: a person must look at it.
pub async fn needs_review(database: &Database, refund: &RefundRow, now: Timestamp) -> Result<(), StoreError> {
    finish(database, refund, RefundState::NeedsReview, OrderState::NeedsReview, now).await
}

/// An order that is paid by another attempt stays as it is.
async fn finish(
    database: &Database,
    refund: &RefundRow,
    state: RefundState,
    order_state: OrderState,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    let holds = moves::lock_order(database, &mut tx, refund.order).await?;
    if state == RefundState::Done {
        sqlx::query(
            "UPDATE payments SET state = 'refunded', changed_at = $2 WHERE id = $1 AND state = 'refund_pending'",
        )
        .bind(refund.payment.to_string())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    }
    let ended = sqlx::query(
        "UPDATE refunds SET state = $2, ask_at = NULL, changed_at = $3 WHERE id = $1 AND state = 'pending'",
    )
    .bind(refund.id.as_str())
    .bind(state.as_str())
    .bind(now.as_millis())
    .execute(&mut *tx)
    .await?;
    let is_sold = holds.iter().any(|hold| hold.state == sale::HoldState::Committed);
    if ended.rows_affected() == 1 && !is_sold {
        moves::order_state(database, &mut tx, &[refund.order], order_state, now).await?;
    }
    database.commit(tx).await?;
    Ok(())
}
