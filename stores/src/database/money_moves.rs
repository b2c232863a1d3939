//! Money moves: captures and refunds, one row each, appended in the transaction of the fact and never changed.

use std::collections::HashSet;

use sale::{
    Currency, Money, OrderId, OrderState, PaymentState, SaleId, Timestamp,
    ids::PaymentId,
    order::{FinancialState, Fulfilment, ReservationState},
};
use serde_json::json;

use super::{
    Database, Tx, parameters,
    row::{column, row},
    sql::{Sql, sql},
};
use crate::StoreError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoveKind {
    /// The provider has captured money.
    Captured,
    /// The provider has refunded money.
    Refunded,
}

impl MoveKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Captured => "captured",
            Self::Refunded => "refunded",
        }
    }
}

/// A capture or a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MoneyMove {
    pub(super) purchase: OrderId,
    pub(super) payment: PaymentId,
    pub(super) refund: Option<String>,
    pub(super) kind: MoveKind,
    pub(super) money: Money,
    /// Why, in a word.
    pub(super) cause: String,
}

/// Appends moves.
pub(super) async fn append(
    database: &Database,
    tx: &mut Tx,
    all: &[MoneyMove],
    now: Timestamp,
) -> Result<(), StoreError> {
    const APPEND: Sql = Sql {
        postgres: "INSERT INTO money_moves (purchase_id, payment_id, refund_id, kind, amount, currency, cause, at) \
                   SELECT r.purchase_id, r.payment_id, r.refund_id, r.kind, r.amount, r.currency, r.cause, $2 \
                   FROM json_to_recordset($1::json) AS r(purchase_id text, payment_id text, refund_id text, kind text, \
                     amount bigint, currency text, cause text)",
        sqlite: "INSERT INTO money_moves (purchase_id, payment_id, refund_id, kind, amount, currency, cause, at) \
                 SELECT value ->> 'purchase_id', value ->> 'payment_id', value ->> 'refund_id', value ->> 'kind', \
                   value ->> 'amount', value ->> 'currency', value ->> 'cause', $2 FROM json_each($1)",
    };
    if all.is_empty() {
        return Ok(());
    }
    let row = |moved: &MoneyMove| {
        json!({
            "purchase_id": moved.purchase, "payment_id": moved.payment, "refund_id": moved.refund,
            "kind": moved.kind.as_str(), "amount": moved.money.amount, "currency": moved.money.currency.as_str(),
            "cause": moved.cause,
        })
    };
    let rows = parameters::rows(&all.iter().map(row).collect::<Vec<_>>());
    sqlx::query(database.sql(APPEND)).bind(rows).bind(now.as_millis()).execute(&mut **tx).await?;
    Ok(())
}

/// Sums of the moves of a payment, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub captured: i64,
    pub refunded: i64,
}

/// An attempt whose charge may have been confirmed, with the money according to its row and to its moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub payment: PaymentId,
    pub order: OrderId,
    pub provider_id: String,
    pub money: Money,
    pub state: PaymentState,
    pub order_state: OrderState,
    /// According to the row of the payment.
    pub row: Sums,
    pub moves: Sums,
}

row! {
    struct AccountColumns {
        id: PaymentId,
        purchase_id: OrderId,
        provider_id: String,
        amount: i64,
        currency: Currency,
        state: PaymentState,
        reservation: ReservationState,
        financial_state: FinancialState,
        fulfilment: Fulfilment,
        captured_amount: i64,
        refunded_amount: i64,
        moved_in: i64,
        moved_out: i64,
    }
}

impl From<AccountColumns> for Account {
    fn from(row: AccountColumns) -> Self {
        Self {
            payment: row.id,
            order: row.purchase_id,
            provider_id: row.provider_id,
            money: Money { amount: row.amount, currency: row.currency },
            state: row.state,
            order_state: OrderState::of(row.reservation, row.financial_state, row.fulfilment),
            row: Sums { captured: row.captured_amount, refunded: row.refunded_amount },
            moves: Sums { captured: row.moved_in, refunded: row.moved_out },
        }
    }
}

/// The accounts of a sale, or of all, by order, after the order `after`.
pub async fn accounts(
    database: &Database,
    sale: Option<&SaleId>,
    after: Option<OrderId>,
    limit: i64,
) -> Result<Vec<Account>, StoreError> {
    let rows: Vec<AccountColumns> = sqlx::query_as(
        "SELECT p.id, p.purchase_id, p.provider_id, p.amount, p.currency, p.state, \
           o.state AS reservation, o.financial_state, o.fulfilment, \
           p.captured_amount, p.refunded_amount, \
           (SELECT CAST(coalesce(sum(m.amount), 0) AS BIGINT) FROM money_moves m \
             WHERE m.payment_id = p.id AND m.kind = 'captured') AS moved_in, \
           (SELECT CAST(coalesce(sum(m.amount), 0) AS BIGINT) FROM money_moves m \
             WHERE m.payment_id = p.id AND m.kind = 'refunded') AS moved_out \
         FROM payments p JOIN orders o ON o.id = p.purchase_id \
         WHERE ($1 = '' OR o.sale = $1) AND p.sent_at IS NOT NULL AND p.purchase_id IN ( \
           SELECT q.id FROM orders q WHERE ($1 = '' OR q.sale = $1) AND q.id > $2 \
           AND EXISTS (SELECT 1 FROM payments s WHERE s.purchase_id = q.id AND s.sent_at IS NOT NULL) \
           ORDER BY q.id LIMIT $3) ORDER BY p.purchase_id, p.attempt",
    )
    .bind(sale.map_or("", SaleId::as_str))
    .bind(after.map_or_else(String::new, |after| after.to_string()))
    .bind(limit)
    .fetch_all(database.reader())
    .await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Those of these orders that belong to the sale.
pub async fn of_sale(database: &Database, sale: &SaleId, orders: &[OrderId]) -> Result<HashSet<OrderId>, StoreError> {
    const READ: Sql = sql!("SELECT id FROM orders WHERE (sale = $1) IS TRUE AND id @in($2)");
    let rows = sqlx::query(database.sql(READ))
        .bind(sale.as_str())
        .bind(parameters::list(orders))
        .fetch_all(database.reader())
        .await?;
    Ok(column(&rows, "id")?)
}
