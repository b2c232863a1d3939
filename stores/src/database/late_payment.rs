//! Late payments: money was captured after the units of the order were freed. The order is sold after all, or the money is
//! refunded.

use sale::{
    HoldId, ItemId, OrderId, PaymentState, Timestamp,
    order::RefundReason,
    sale::{Line, Place, quantity},
};

use super::{
    Database, Tx,
    epochs::queue_key_in,
    hold_transitions::{self, HoldRow},
    order_transitions::{OrderTransition, move_orders},
    outbox, parameters,
    payments::{PaymentRow, lock_all},
    refunds,
    row::{column, corrupt_row, row},
    settle::{mark_settled, paid_event},
    sql::{Sql, sql},
};
use crate::{
    StoreError,
    queue_store::{QueueKey, Reservation},
};

/// An order whose holds and payments are locked until this is dropped, sold or refunded.
#[derive(Debug)]
pub struct LatePayment {
    database: Database,
    tx: Tx,
    /// The latest hold that had units.
    hold: HoldRow,
    payments: Vec<PaymentRow>,
    /// The id of the hold that would reserve units again.
    next: HoldId,
}

/// The units that the gate is to reserve again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reacquisition {
    pub key: QueueKey,
    /// The units of the hold that ended, under a new one.
    pub reservation: Reservation,
    /// Nothing is sold after the end of a sale, and a closed sale has no gate any more.
    pub is_closed: bool,
}

row! {
    struct EndedLine {
        number: Option<u64>,
        per_buyer_limit: u32,
        closed_at: Option<Timestamp>,
        item: ItemId,
        quantity: u32,
    }
}

impl LatePayment {
    /// Locks the order; `None` when it has no hold.
    pub async fn lock(database: &Database, order: OrderId) -> Result<Option<Self>, StoreError> {
        let mut tx = database.begin().await?;
        let holds = hold_transitions::lock_holds(database, &mut tx, &[order]).await?;
        let payments = lock_all(database, &mut tx, &[order]).await?;
        let (Some(hold), Some(last)) = (hold_transitions::current_hold(&holds).cloned(), holds.last()) else {
            return Ok(None);
        };
        Ok(Some(Self { database: database.clone(), tx, hold, payments, next: last.id.next() }))
    }

    pub const fn hold(&self) -> &HoldRow {
        &self.hold
    }

    pub fn payments(&self) -> &[PaymentRow] {
        &self.payments
    }

    /// Reads the units to reserve again, under the terms of the sale as they are now.
    pub async fn reacquisition(&mut self) -> Result<Reacquisition, StoreError> {
        const READ: &str = "SELECT o.number, s.per_buyer_limit, s.closed_at, l.item, l.quantity \
            FROM orders o JOIN sales s ON s.id = o.sale JOIN hold_lines l ON l.order_id = o.id \
            WHERE o.id = $1 AND l.n = $2 ORDER BY l.item";
        let rows: Vec<EndedLine> = sqlx::query_as(READ)
            .bind(self.hold.id.order.to_string())
            .bind(i64::from(self.hold.id.n))
            .fetch_all(&mut *self.tx)
            .await?;
        let first = rows.first().ok_or_else(|| corrupt_row("hold without units"))?;
        let lines = rows.iter().map(|row| Line { item: row.item.clone(), quantity: row.quantity });
        Ok(Reacquisition {
            key: queue_key_in(&mut self.tx, &self.hold.sale).await?,
            reservation: Reservation {
                hold: self.next,
                place: Place {
                    buyer: self.hold.buyer.ok_or_else(|| corrupt_row("buyer"))?,
                    number: first.number.unwrap_or_default(),
                },
                limit: first.per_buyer_limit,
                lines: lines.collect(),
            },
            is_closed: first.closed_at.is_some(),
        })
    }

    /// Locks the items and the buyer, and returns whether the units are free and within the limit; `None` when the gate that
    /// reserved them is of an earlier epoch.
    pub async fn has_room(&mut self, reacquisition: &Reacquisition) -> Result<Option<bool>, StoreError> {
        let is_free = self.is_free(&reacquisition.reservation).await?;
        let is_within = self.is_within_limit(&reacquisition.reservation).await?;
        // Read after the items are locked: raising the epoch locks them too.
        let is_alive = queue_key_in(&mut self.tx, &self.hold.sale).await? == reacquisition.key;
        Ok(is_alive.then_some(is_free && is_within))
    }

    async fn is_free(&mut self, reservation: &Reservation) -> Result<bool, StoreError> {
        const ITEMS: Sql = Sql {
            postgres: "SELECT i.total - i.held - i.sold - u.value::bigint AS left_over FROM items i \
                       JOIN json_each_text($2::json) AS u ON u.key = i.id WHERE i.sale = $1 ORDER BY i.id FOR UPDATE OF i",
            sqlite: "SELECT i.total - i.held - i.sold - u.value AS left_over FROM items i \
                     JOIN json_each($2) AS u ON u.key = i.id WHERE i.sale = $1",
        };
        let found = sqlx::query(self.database.sql(ITEMS))
            .bind(self.hold.sale.as_str())
            .bind(units_of(reservation))
            .fetch_all(&mut *self.tx)
            .await?;
        let left_over: Vec<i64> = column(&found, "left_over")?;
        Ok(left_over.len() == reservation.lines.len() && left_over.iter().all(|units| *units >= 0))
    }

    async fn is_within_limit(&mut self, reservation: &Reservation) -> Result<bool, StoreError> {
        const BUYER: Sql = sql!("SELECT b.units FROM buyers b WHERE b.sale = $1 AND b.buyer = $2 @lock(b)");
        let bought: i64 = sqlx::query_scalar(self.database.sql(BUYER))
            .bind(self.hold.sale.as_str())
            .bind(reservation.place.buyer.to_string())
            .fetch_one(&mut *self.tx)
            .await?;
        Ok(bought.saturating_add(i64::from(quantity(&reservation.lines))) <= i64::from(reservation.limit))
    }

    /// Sells units that are free and locked, under the new hold. The gate is to be synced with it afterwards.
    pub async fn sell(mut self, reservation: &Reservation, now: Timestamp) -> Result<(), StoreError> {
        let order = self.hold.id.order;
        self.count_sold(reservation).await?;
        sqlx::query(
            "INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at, gate_synced) \
             VALUES ($1, $2, $3, $4, 'committed', $5, $6, $6, 0)",
        )
        .bind(order.to_string())
        .bind(i64::from(reservation.hold.n))
        .bind(self.hold.sale.as_str())
        .bind(reservation.place.buyer.to_string())
        .bind(units_of(reservation))
        .bind(now.as_millis())
        .execute(&mut *self.tx)
        .await?;
        move_orders(&self.database, &mut self.tx, &[order], OrderTransition::SOLD_LATE, now).await?;
        let event = paid_event(&self.hold, reservation.hold, now);
        outbox::append(&self.database, &mut self.tx, &[event]).await?;
        mark_settled(&self.database, &mut self.tx, &[order]).await?;
        self.database.commit(self.tx).await
    }

    async fn count_sold(&mut self, reservation: &Reservation) -> Result<(), StoreError> {
        const SELL: Sql = Sql {
            postgres: "UPDATE items SET sold = sold + u.value::bigint FROM json_each_text($2::json) AS u \
                       WHERE items.sale = $1 AND items.id = u.key",
            sqlite: "UPDATE items SET sold = sold + u.value FROM json_each($2) AS u \
                     WHERE items.sale = $1 AND items.id = u.key",
        };
        sqlx::query(self.database.sql(SELL))
            .bind(self.hold.sale.as_str())
            .bind(units_of(reservation))
            .execute(&mut *self.tx)
            .await?;
        sqlx::query("UPDATE buyers SET units = units + $3 WHERE sale = $1 AND buyer = $2")
            .bind(self.hold.sale.as_str())
            .bind(reservation.place.buyer.to_string())
            .bind(i64::from(quantity(&reservation.lines)))
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Requests the refunds of the money, and marks the new hold as never to be placed.
    pub async fn owe_back(mut self, now: Timestamp) -> Result<(), StoreError> {
        let (order, database) = (self.next.order, self.database);
        let captured: Vec<_> = self.payments.iter().filter(|payment| payment.state == PaymentState::Captured).collect();
        for payment in &captured {
            refunds::owe(&database, &mut self.tx, &self.hold.sale, payment, (RefundReason::LatePayment, now)).await?;
        }
        let owes = captured.iter().any(|payment| payment.captured > 0);
        let transition = if owes { OrderTransition::REFUND_OWED } else { OrderTransition::NOTHING_OWED };
        move_orders(&database, &mut self.tx, &[order], transition, now).await?;
        sqlx::query(
            "INSERT INTO holds (order_id, n, sale, buyer, state, units, deadline, created_at) \
             VALUES ($1, $2, $3, '', 'released', '{}', $4, $4)",
        )
        .bind(order.to_string())
        .bind(i64::from(self.next.n))
        .bind(self.hold.sale.as_str())
        .bind(now.as_millis())
        .execute(&mut *self.tx)
        .await?;
        mark_settled(&database, &mut self.tx, &[order]).await?;
        database.commit(self.tx).await
    }
}

fn units_of(reservation: &Reservation) -> String {
    parameters::units(reservation.lines.iter().map(|line| (&line.item, line.quantity)))
}
