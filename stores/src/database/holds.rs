//! Holds: how they end without payment, and how the stock gate is synced with that.

use std::collections::BTreeMap;

use sale::{
    HoldId, HoldState, OrderId, OrderState, PaymentState, SaleId, Timestamp,
    order::{FinancialState, VoidFor},
};
use sqlx::Row as _;

pub use super::hold_transitions::HoldRow;
use super::{
    Database, Sql, Tx,
    hold_transitions::{self, hold_id},
    order_transitions::{OrderTransition, move_orders, order_state},
    parameters,
    payments::lock_all,
    row::{Column, corrupt_row, order_id},
};
use crate::{
    StoreError,
    queue_store::{HoldEnd, HoldEnding, QueueKey},
};

/// What became of a buyer's wish to let an order go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The units are free again.
    Released,
    /// The payment is being called back; the order ends when the provider has confirmed it.
    Voiding,
    /// Ended before.
    Already,
    /// Money is taken, or about to be.
    TooLate,
    NotFound,
}

/// Lets an order go for its buyer. While a payment is under way this sets its intent; whoever set one first wins.
pub async fn cancel(database: &Database, order: OrderId, now: Timestamp) -> Result<Cancelled, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[order]).await?;
    let Some(hold) = hold_transitions::current_hold(&holds) else { return Ok(Cancelled::NotFound) };
    match hold.state {
        HoldState::Held => {
            let to = (HoldState::Released, OrderTransition::CANCELLED);
            hold_transitions::release_holds(database, &mut tx, std::slice::from_ref(hold), to, now).await?;
            database.commit(tx).await?;
            Ok(Cancelled::Released)
        }
        HoldState::Paying => {
            let won = call_back(&mut tx, order, VoidFor::Cancel, now).await?;
            let outcome = if won { Cancelled::Voiding } else { voiding_for(&mut tx, order).await? };
            database.commit(tx).await?;
            Ok(outcome)
        }
        HoldState::Released => cancelled_before(&mut tx, order).await,
        HoldState::Committed | HoldState::Expired | HoldState::Returned => Ok(Cancelled::TooLate),
    }
}

/// Sets the intent of the open payment to void; false when it has one, or nothing is open.
pub(super) async fn call_back(
    tx: &mut Tx,
    order: OrderId,
    reason: VoidFor,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let set = sqlx::query(
        "UPDATE payments SET intent = 'void', void_for = $2, due_at = $3, polls = 0 WHERE purchase_id = $1 \
             AND intent IS NULL AND state IN ('created', 'authorised', 'unknown')",
    )
    .bind(order.to_string())
    .bind(reason.as_str())
    .bind(now.as_millis())
    .execute(&mut **tx)
    .await?;
    Ok(set.rows_affected() > 0)
}

/// A second cancel while the first is being carried out is the same wish.
async fn voiding_for(tx: &mut Tx, order: OrderId) -> Result<Cancelled, StoreError> {
    let row = sqlx::query("SELECT 1 FROM payments WHERE purchase_id = $1 AND intent = 'void' AND state IN ('created', 'authorised', 'unknown')")
    .bind(order.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(if row.is_some() { Cancelled::Voiding } else { Cancelled::TooLate })
}

async fn cancelled_before(tx: &mut Tx, order: OrderId) -> Result<Cancelled, StoreError> {
    let row = sqlx::query("SELECT state, financial_state, fulfilment FROM orders WHERE id = $1")
        .bind(order.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(Cancelled::NotFound) };
    let cancelled = order_state(&row)? == OrderState::Cancelled;
    Ok(if cancelled { Cancelled::Already } else { Cancelled::TooLate })
}

/// What is looked for among orders whose time has come.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    pub now: Timestamp,
    /// How many at most.
    pub limit: i64,
    /// Orders that are left out.
    pub except: &'a [OrderId],
}

impl Due<'_> {
    async fn read(&self, database: &Database, statement: Sql) -> Result<Vec<OrderId>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar(database.sql(statement))
            .bind(self.now.as_millis())
            .bind(self.limit)
            .bind(parameters::list(self.except))
            .fetch_all(database.reader())
            .await?;
        ids.iter().map(|id| order_id(id)).collect()
    }
}

/// Orders whose hold nobody pays for and whose deadline has passed.
pub async fn lapsed(database: &Database, due: Due<'_>) -> Result<Vec<OrderId>, StoreError> {
    const LAPSED: Sql = Sql {
        postgres: "SELECT order_id FROM holds WHERE state = 'held' AND deadline <= $1 \
                   AND order_id <> ALL (ARRAY(SELECT json_array_elements_text($3::json))) ORDER BY deadline LIMIT $2",
        sqlite: "SELECT order_id FROM holds WHERE state = 'held' AND deadline <= $1 \
                 AND order_id NOT IN (SELECT value FROM json_each($3)) ORDER BY deadline LIMIT $2",
    };
    due.read(database, LAPSED).await
}

/// Ends the holds of these orders that nobody pays for and whose deadline has passed; tells how many. Holds that somebody
/// else has locked are left to them.
pub async fn expire(database: &Database, orders: &[OrderId], now: Timestamp) -> Result<usize, StoreError> {
    const LOCK: Sql = Sql {
        postgres: "SELECT order_id, n, sale, buyer, state, deadline FROM holds \
                   WHERE order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) \
                   AND state = 'held' AND deadline <= $2 ORDER BY order_id, n FOR UPDATE SKIP LOCKED",
        sqlite: "SELECT order_id, n, sale, buyer, state, deadline FROM holds \
                 WHERE order_id IN (SELECT value FROM json_each($1)) AND state = 'held' AND deadline <= $2",
    };
    let mut tx = database.begin().await?;
    let due: Vec<HoldRow> = sqlx::query_as(database.sql(LOCK))
        .bind(parameters::list(orders))
        .bind(now.as_millis())
        .fetch_all(&mut *tx)
        .await?;
    if !due.is_empty() {
        hold_transitions::release_holds(database, &mut tx, &due, (HoldState::Expired, OrderTransition::EXPIRED), now)
            .await?;
        database.commit(tx).await?;
    }
    Ok(due.len())
}

/// Orders with a payment in progress whose deadline has passed. Left out are those whose charge was never sent, which does
/// not expire, and those whose payment is unknown or needs review already.
pub async fn overdue_payments(database: &Database, due: Due<'_>) -> Result<Vec<OrderId>, StoreError> {
    const OVERDUE: Sql = Sql {
        postgres: "SELECT h.order_id FROM holds h JOIN orders o ON o.id = h.order_id JOIN payments p ON p.purchase_id = o.id \
                   AND p.attempt = (SELECT max(l.attempt) FROM payments l WHERE l.purchase_id = o.id) \
                   WHERE h.state = 'paying' AND h.deadline <= $1 AND o.state = 'reserved' \
                   AND o.financial_state = 'processing' AND (p.sent_at IS NOT NULL OR p.state <> 'created') \
                   AND h.order_id <> ALL (ARRAY(SELECT json_array_elements_text($3::json))) ORDER BY h.deadline LIMIT $2",
        sqlite: "SELECT h.order_id FROM holds h JOIN orders o ON o.id = h.order_id JOIN payments p ON p.purchase_id = o.id \
                 AND p.attempt = (SELECT max(l.attempt) FROM payments l WHERE l.purchase_id = o.id) \
                 WHERE h.state = 'paying' AND h.deadline <= $1 AND o.state = 'reserved' \
                 AND o.financial_state = 'processing' AND (p.sent_at IS NOT NULL OR p.state <> 'created') \
                 AND h.order_id NOT IN (SELECT value FROM json_each($3)) ORDER BY h.deadline LIMIT $2",
    };
    due.read(database, OVERDUE).await
}

/// Marks hold ids that the gate knows and the database does not, so that they can never be placed. Tells which of them
/// are marked now: only those may be freed as never placed. The others have an order by now.
pub async fn mark_never_placed(
    database: &Database,
    sale: &SaleId,
    ids: &[HoldId],
    now: Timestamp,
) -> Result<Vec<HoldId>, StoreError> {
    const MARK: Sql = Sql {
        postgres: "INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at) \
                   SELECT r.order_id, r.n, $1, '', 'released', '{}', $3, $3 \
                   FROM json_to_recordset($2::json) AS r(order_id text, n bigint) ORDER BY r.order_id, r.n \
                   ON CONFLICT DO NOTHING",
        sqlite: "INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at) \
                 SELECT value ->> 'order_id', value ->> 'n', $1, '', 'released', '{}', $3, $3 FROM json_each($2) \
                 WHERE true ON CONFLICT DO NOTHING",
    };
    const MARKED: Sql = Sql {
        postgres: "SELECT h.order_id, h.n FROM json_to_recordset($1::json) AS r(order_id text, n bigint) \
                   JOIN holds h ON h.order_id = r.order_id AND h.n = r.n WHERE h.buyer = ''",
        sqlite: "SELECT h.order_id, h.n FROM json_each($1) AS r JOIN holds h ON h.order_id = r.value ->> 'order_id' \
                 AND h.n = r.value ->> 'n' WHERE h.buyer = ''",
    };
    let keys = parameters::hold_ids(ids);
    let mut tx = database.begin().await?;
    sqlx::query(database.sql(MARK))
        .bind(sale.as_str())
        .bind(keys.as_str())
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?;
    let found = sqlx::query(database.sql(MARKED)).bind(keys).fetch_all(&mut *tx).await?;
    database.commit(tx).await?;
    found.iter().map(|row| Ok(hold_id(row)?)).collect()
}

/// The rows of these holds.
pub async fn find(database: &Database, ids: &[HoldId]) -> Result<Vec<HoldRow>, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT h.order_id, h.n, h.sale, h.buyer, h.state, h.deadline \
                   FROM json_to_recordset($1::json) AS r(order_id text, n bigint) \
                   JOIN holds h ON h.order_id = r.order_id AND h.n = r.n",
        sqlite: "SELECT h.order_id, h.n, h.sale, h.buyer, h.state, h.deadline FROM json_each($1) AS r \
                 JOIN holds h ON h.order_id = r.value ->> 'order_id' AND h.n = r.value ->> 'n'",
    };
    Ok(sqlx::query_as(database.sql(READ)).bind(parameters::hold_ids(ids)).fetch_all(database.reader()).await?)
}

/// How the gate has to end a hold in this state; `None` while it lives.
pub const fn ending(state: HoldState) -> Option<HoldEnding> {
    match state {
        HoldState::Held | HoldState::Paying => None,
        HoldState::Committed | HoldState::Returned => Some(HoldEnding::Committed),
        HoldState::Released | HoldState::Expired => Some(HoldEnding::Released),
    }
}

/// Running sales with holds that their stock gates are not synced with. A closed sale has no gate any more.
pub async fn sales_to_sync(database: &Database) -> Result<Vec<SaleId>, StoreError> {
    let rows = sqlx::query(
        "SELECT id FROM sales s WHERE closed_at IS NULL \
         AND EXISTS (SELECT 1 FROM holds h WHERE h.sale = s.id AND h.gate_synced = 0) ORDER BY id",
    )
    .fetch_all(database.reader())
    .await?;
    rows.iter().map(|row| row.try_get::<&str, _>(0)?.parse().map_err(|_| corrupt_row("sale"))).collect()
}

/// The hold ends that the gate of a sale is to be synced with, oldest order first.
pub async fn pending_sync(database: &Database, sale: &SaleId, limit: i64) -> Result<Vec<HoldEnd>, StoreError> {
    let holds: Vec<HoldRow> = sqlx::query_as(
        "SELECT order_id, n, sale, buyer, state, deadline FROM holds WHERE sale = $1 AND gate_synced = 0 \
         ORDER BY order_id, n LIMIT $2",
    )
    .bind(sale.as_str())
    .bind(limit)
    .fetch_all(database.reader())
    .await?;
    Ok(holds.iter().map(hold_end).collect())
}

/// The hold ends of these orders that the gates are to be synced with, by sale.
pub async fn pending_sync_of(
    database: &Database,
    orders: &[OrderId],
) -> Result<BTreeMap<SaleId, Vec<HoldEnd>>, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT order_id, n, sale, buyer, state, deadline FROM holds \
                   WHERE order_id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) AND gate_synced = 0 \
                   ORDER BY order_id, n",
        sqlite: "SELECT order_id, n, sale, buyer, state, deadline FROM holds \
                 WHERE order_id IN (SELECT value FROM json_each($1)) AND gate_synced = 0 ORDER BY order_id, n",
    };
    let mut ends: BTreeMap<SaleId, Vec<HoldEnd>> = BTreeMap::new();
    if orders.is_empty() {
        return Ok(ends);
    }
    let holds: Vec<HoldRow> =
        sqlx::query_as(database.sql(READ)).bind(parameters::list(orders)).fetch_all(database.reader()).await?;
    for hold in holds {
        ends.entry(hold.sale.clone()).or_default().push(hold_end(&hold));
    }
    Ok(ends)
}

/// A live hold is synced only when the outcome of its payment is unknown.
fn hold_end(hold: &HoldRow) -> HoldEnd {
    HoldEnd { hold: hold.id, ending: ending(hold.state).unwrap_or(HoldEnding::Inactive) }
}

/// Records that the gate was synced in the epoch of `key`. Does nothing in another epoch, whose gate is synced anew.
pub async fn mark_synced(database: &Database, key: &QueueKey, ends: &[HoldEnd]) -> Result<(), StoreError> {
    const MARK: Sql = Sql {
        postgres: "UPDATE holds SET gate_synced = 1 \
                   FROM json_to_recordset($2::json) AS r(order_id text, n bigint, live bigint) \
                   WHERE holds.order_id = r.order_id AND holds.n = r.n AND (holds.state IN ('held', 'paying')) = (r.live = 1) \
                   AND EXISTS (SELECT 1 FROM sales WHERE id = $1 AND epoch = $3 AND epoch_nonce = $4)",
        sqlite: "UPDATE holds SET gate_synced = 1 \
                 FROM (SELECT value ->> 'order_id' AS order_id, value ->> 'n' AS n, value ->> 'live' AS live \
                       FROM json_each($2)) AS r \
                 WHERE holds.order_id = r.order_id AND holds.n = r.n AND (holds.state IN ('held', 'paying')) = (r.live = 1) \
                 AND EXISTS (SELECT 1 FROM sales WHERE id = $1 AND epoch = $3 AND epoch_nonce = $4)",
    };
    let synced: Vec<_> = ends
        .iter()
        .map(|end| {
            let live = i64::from(end.ending == HoldEnding::Inactive);
            serde_json::json!({"order_id": end.hold.order, "n": end.hold.n, "live": live})
        })
        .collect();
    sqlx::query(database.sql(MARK))
        .bind(key.sale.as_str())
        .bind(parameters::rows(&synced))
        .bind(key.epoch)
        .bind(key.nonce.as_bits())
        .execute(database.writer())
        .await?;
    Ok(())
}

/// Enforces the deadline of an order with a payment in progress. The charge is voided first; the units stay held until the
/// provider has confirmed that. When it has not after `grace_ms`, the order's payment becomes unknown.
///
/// Does nothing to a charge that was never sent: it does not expire.
pub async fn enforce_payment_deadline(
    database: &Database,
    order: OrderId,
    now: Timestamp,
    grace_ms: i64,
) -> Result<DeadlineOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[order]).await?;
    let overdue = |hold: &&HoldRow| hold.state == HoldState::Paying && hold.deadline <= now;
    let Some(hold) = hold_transitions::current_hold(&holds).filter(overdue) else {
        return Ok(DeadlineOutcome::Nothing);
    };
    let payments = lock_all(database, &mut tx, &[order]).await?;
    let Some(last) = payments.last() else { return Err(corrupt_row("hold that is paid by nothing")) };
    // Read after everything that moves an order is locked: another worker may have been faster.
    if financial_state(&mut tx, order).await? != FinancialState::Processing {
        return Ok(DeadlineOutcome::Nothing);
    }
    if !last.state.is_open() {
        return Ok(DeadlineOutcome::Settle);
    }
    if last.provider_id.is_none() && last.state == PaymentState::Created {
        return Ok(DeadlineOutcome::Nothing);
    }
    if last.intent.is_none() {
        call_back(&mut tx, order, VoidFor::Deadline, now).await?;
        database.commit(tx).await?;
        return Ok(DeadlineOutcome::Voiding);
    }
    if now < hold.deadline.plus_millis(grace_ms) {
        return Ok(DeadlineOutcome::Nothing);
    }
    move_orders(database, &mut tx, &[order], OrderTransition::PAYMENT_UNKNOWN, now).await?;
    sqlx::query("UPDATE holds SET gate_synced = 0 WHERE order_id = $1 AND n = $2")
        .bind(order.to_string())
        .bind(i64::from(hold.id.n))
        .execute(&mut *tx)
        .await?;
    database.commit(tx).await?;
    Ok(DeadlineOutcome::Unknown)
}

async fn financial_state(tx: &mut Tx, order: OrderId) -> Result<FinancialState, StoreError> {
    let row = sqlx::query("SELECT financial_state FROM orders WHERE id = $1").bind(order.to_string());
    Ok(Column::read(&row.fetch_one(&mut **tx).await?, "financial_state")?)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineOutcome {
    Nothing,
    /// The payment has ended; the order is to be settled.
    Settle,
    Voiding,
    /// The provider has not confirmed the void in time: the buyer no longer counts as inside.
    Unknown,
}

/// Orders whose payment has ended and that should have been settled by now: they are found even if an event is lost.
pub async fn unsettled(database: &Database, due: Due<'_>) -> Result<Vec<OrderId>, StoreError> {
    const UNSETTLED: Sql = Sql {
        postgres: "SELECT purchase_id FROM payments WHERE due_at <= $1 AND state IN ('captured', 'declined', 'voided') \
                   AND purchase_id <> ALL (ARRAY(SELECT json_array_elements_text($3::json))) ORDER BY due_at LIMIT $2",
        sqlite: "SELECT purchase_id FROM payments WHERE due_at <= $1 AND state IN ('captured', 'declined', 'voided') \
                 AND purchase_id NOT IN (SELECT value FROM json_each($3)) ORDER BY due_at LIMIT $2",
    };
    due.read(database, UNSETTLED).await
}
