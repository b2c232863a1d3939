//! Owing a refund: written in the transaction of the fact that owes it.

use sale::{
    Event, EventKind, OrderId, PaymentState, SaleId, Timestamp,
    order::RefundReason,
    refund::{PaidLine, RefundLine, spread},
};
use serde_json::json;

use super::super::{
    Database, Sql, Tx, outbox, parameters,
    payments::PaymentRow,
    row::{corrupt_row, row},
};
use crate::StoreError;

/// Requests a refund of what was captured of an attempt. Does nothing when that was done before.
pub(in crate::database) async fn owe(
    database: &Database,
    tx: &mut Tx,
    sale: &SaleId,
    payment: &PaymentRow,
    (reason, now): (RefundReason, Timestamp),
) -> Result<(), StoreError> {
    let owes = payment.captured > 0;
    let moved = sqlx::query(
        "UPDATE payments SET state = $2, due_at = NULL, changed_at = $3 WHERE id = $1 AND state = 'captured'",
    )
    .bind(payment.id.to_string())
    .bind(if owes { PaymentState::RefundPending } else { PaymentState::Refunded }.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    if moved.rows_affected() == 0 || !owes {
        return Ok(());
    }
    let id = insert(tx, payment, reason, now).await?;
    insert_lines(database, tx, &id, payment).await?;
    let event = Event::about(EventKind::RefundRequested, sale, payment.order, now, payment.attempt);
    outbox::append(database, tx, &[event]).await
}

/// Inserts the refund of a whole payment, and returns its id.
async fn insert(tx: &mut Tx, payment: &PaymentRow, reason: RefundReason, now: Timestamp) -> Result<String, StoreError> {
    // It is the only one of its payment.
    const N: i64 = 1;
    let id = format!("refund:{}:{N}", payment.id);
    sqlx::query(
        "INSERT INTO refunds (id, payment_id, n, amount, currency, reason, requested_by, request_key, state, due_at, \
         created_at, changed_at) VALUES ($1, $2, $3, $4, $5, $6, 'rules', $7, 'pending', $8, $8, $8)",
    )
    .bind(id.as_str())
    .bind(payment.id.to_string())
    .bind(N)
    .bind(payment.captured)
    .bind(payment.money.currency.as_str())
    .bind(reason.as_str())
    .bind(format!("owed:{}", payment.id))
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(id)
}

row! {
    struct LineColumns {
        order_id: OrderId,
        line_no: u32,
        quantity: u32,
        unit_amount: i64,
        refunded: i64,
    }
}

/// Spreads a refund over the lines that its payment paid for.
async fn insert_lines(database: &Database, tx: &mut Tx, refund: &str, payment: &PaymentRow) -> Result<(), StoreError> {
    // An order that was paid twice is refunded per payment: only refunds of the same payment count.
    const LINES: &str = "SELECT l.order_id, l.line_no, l.quantity, l.unit_amount, ( \
            SELECT CAST(coalesce(sum(r.amount), 0) AS BIGINT) FROM refund_lines r \
            JOIN refunds f ON f.id = r.refund_id AND f.payment_id = $1 \
            WHERE r.order_id = l.order_id AND r.line_no = l.line_no) AS refunded \
        FROM ( \
            SELECT o.order_id, o.line_no, o.quantity, o.unit_amount \
            FROM payment_parts p JOIN order_lines o ON o.order_id = p.order_id WHERE p.payment_id = $1) AS l \
        ORDER BY l.order_id, l.line_no";
    const INSERT: Sql = Sql {
        postgres: "INSERT INTO refund_lines (refund_id, order_id, line_no, quantity, amount) \
                   SELECT $1, r.order_id, r.line_no, r.quantity, r.amount \
                   FROM json_to_recordset($2::json) AS r(order_id text, line_no bigint, quantity bigint, amount bigint)",
        sqlite: "INSERT INTO refund_lines (refund_id, order_id, line_no, quantity, amount) \
                 SELECT $1, value ->> 'order_id', value ->> 'line_no', value ->> 'quantity', value ->> 'amount' \
                 FROM json_each($2)",
    };
    let found: Vec<LineColumns> = sqlx::query_as(LINES).bind(payment.id.to_string()).fetch_all(&mut **tx).await?;
    let lines: Vec<_> = found.into_iter().map(PaidLine::from).collect();
    let parts = spread(payment.captured, &lines).ok_or_else(|| corrupt_row("sum of a payment's lines"))?;
    let row = |part: &RefundLine| {
        json!({
            "order_id": part.order, "line_no": part.line_no, "quantity": part.quantity, "amount": part.amount,
        })
    };
    let rows = parameters::rows(&parts.iter().map(row).collect::<Vec<_>>());
    sqlx::query(database.sql(INSERT)).bind(refund).bind(rows).execute(&mut **tx).await?;
    Ok(())
}

impl From<LineColumns> for PaidLine {
    fn from(row: LineColumns) -> Self {
        Self {
            order: row.order_id,
            line_no: row.line_no,
            quantity: row.quantity,
            unit_amount: row.unit_amount,
            refunded: row.refunded,
        }
    }
}
