//! Requesting an attempt to pay.

use std::{collections::HashMap, slice::from_ref};

use sale::{
    Currency, Event, EventKind, HoldId, HoldState, OrderId, PaymentState, SaleId, Timestamp, ids::PaymentId,
    order::FinancialState,
};
use serde_json::json;

use super::{
    super::{
        Database, Tx,
        hold_transitions::{self, HoldRow},
        order_transitions::{OrderTransition, move_orders},
        outbox, parameters,
        row::{row, unsigned},
        sql::{Sql, sql},
    },
    PaymentRow, STEP_TIMEOUT_MS, lock_all,
};
use crate::StoreError;

/// A buyer's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayRequest {
    pub order: OrderId,
    pub idempotency_key: String,
    pub method: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayOutcome {
    Requested,
    /// Requested before with the same key.
    Existing,
    /// The same key was used with another method.
    KeyReused,
    HoldExpired,
    InProgress,
    AlreadyPaid,
    NotFound,
    /// Another transaction has locked the order; see [`pay_alone`].
    Locked,
}

row! {
    struct OrderColumns {
        id: OrderId,
        sale: SaleId,
        amount: i64,
        currency: Currency,
        financial_state: FinancialState,
        holds: i64,
    }
}

row! {
    struct KeyColumns {
        purchase_id: OrderId,
        idempotency_key: String,
        method: String,
    }
}

/// An order whose holds and attempts are locked, and what is known of its payment.
struct Payable {
    order: OrderColumns,
    hold: HoldId,
    hold_state: HoldState,
    deadline: Timestamp,
    earlier: Vec<PaymentRow>,
    /// The methods by the keys that requested them.
    methods: HashMap<String, String>,
}

impl Payable {
    /// Decides a request. One that is accepted counts for those after it.
    fn decide(&mut self, request: &PayRequest, now: Timestamp) -> PayOutcome {
        if let Some(method) = self.methods.get(&request.idempotency_key) {
            return if *method == request.method { PayOutcome::Existing } else { PayOutcome::KeyReused };
        }
        let is_in_review = self.order.financial_state == FinancialState::NeedsReview;
        if let Some(refused) = refuse((self.hold_state, self.deadline), &self.earlier, is_in_review, now) {
            return refused;
        }
        self.hold_state = HoldState::Paying;
        self.methods.insert(request.idempotency_key.clone(), request.method.clone());
        PayOutcome::Requested
    }

    fn next_attempt(&self) -> u32 {
        self.earlier.last().map_or(0, |payment| payment.attempt).saturating_add(1)
    }
}

/// Inserts attempts to pay through a provider, each with its event, in one transaction, and returns the outcomes in the order
/// of the requests. Of two requests about one order the second sees what the first has done. No request waits for the lock of
/// another one's order.
pub async fn pay(
    database: &Database,
    provider: &str,
    requests: &[PayRequest],
    now: Timestamp,
) -> Result<Vec<PayOutcome>, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_free_holds(database, &mut tx, &orders_of(requests)).await?;
    pay_locked(database, tx, holds, (provider, requests), now).await
}

/// The same for one request, which waits for the lock of its order.
pub async fn pay_alone(
    database: &Database,
    provider: &str,
    request: &PayRequest,
    now: Timestamp,
) -> Result<PayOutcome, StoreError> {
    let mut tx = database.begin().await?;
    let holds = hold_transitions::lock_holds(database, &mut tx, &[request.order]).await?;
    let outcomes = pay_locked(database, tx, holds, (provider, from_ref(request)), now).await?;
    outcomes.first().copied().ok_or_else(|| StoreError::unexpected("database", "a request without an outcome"))
}

fn orders_of(requests: &[PayRequest]) -> Vec<OrderId> {
    requests.iter().map(|request| request.order).collect()
}

async fn pay_locked(
    database: &Database,
    mut tx: Tx,
    holds: Vec<HoldRow>,
    (provider, requests): (&str, &[PayRequest]),
    now: Timestamp,
) -> Result<Vec<PayOutcome>, StoreError> {
    let mut orders = read(database, &mut tx, holds, &orders_of(requests)).await?;
    let mut outcomes = Vec::with_capacity(requests.len());
    let mut accepted = Vec::new();
    for request in requests {
        let outcome = match orders.get_mut(&request.order) {
            Some(Some(payable)) => payable.decide(request, now),
            Some(None) => PayOutcome::Locked,
            None => PayOutcome::NotFound,
        };
        if outcome == PayOutcome::Requested {
            accepted.push(request);
        }
        outcomes.push(outcome);
    }
    if accepted.is_empty() {
        // Awaited: as long as the locks are held, the next request about one of these orders could not share a batch.
        tx.rollback().await?;
        return Ok(outcomes);
    }
    // In key order, as every transaction locks and writes.
    accepted.sort_unstable_by_key(|request| request.order);
    let accepted: Vec<_> =
        accepted.into_iter().filter_map(|request| Some((request, orders.get(&request.order)?.as_ref()?))).collect();
    insert(database, &mut tx, provider, &accepted, now).await?;
    let holds: Vec<_> = accepted.iter().map(|(_, payable)| payable.hold).collect();
    hold_transitions::move_holds(database, &mut tx, &holds, (&[HoldState::Held], HoldState::Paying)).await?;
    let moved: Vec<_> = accepted.iter().map(|(request, _)| request.order).collect();
    move_orders(database, &mut tx, &moved, OrderTransition::PAYMENT_REQUESTED, now).await?;
    let event = |(request, payable): &(&PayRequest, &Payable)| {
        Event::about(EventKind::PaymentRequested, &payable.order.sale, request.order, now, payable.next_attempt())
    };
    outbox::append(database, &mut tx, &accepted.iter().map(event).collect::<Vec<_>>()).await?;
    database.commit(tx).await?;
    Ok(outcomes)
}

/// Reads and locks what is known of the payment of these orders; `None` for one whose holds are not all among those locked.
/// An order without a hold that was placed is left out.
async fn read(
    database: &Database,
    tx: &mut Tx,
    locked: Vec<HoldRow>,
    orders: &[OrderId],
) -> Result<HashMap<OrderId, Option<Payable>>, StoreError> {
    const ORDERS: Sql = sql!(
        "SELECT o.id, o.sale, o.amount, o.currency, o.financial_state, \
           (SELECT count(*) FROM holds h WHERE h.order_id = o.id) AS holds FROM orders o WHERE o.id @in($1)"
    );
    const KEYS: Sql = sql!("SELECT purchase_id, idempotency_key, method FROM payments WHERE purchase_id @in($1)");
    let mut holds: HashMap<OrderId, Vec<HoldRow>> = HashMap::new();
    for hold in locked {
        holds.entry(hold.id.order).or_default().push(hold);
    }
    let mut earlier: HashMap<OrderId, Vec<PaymentRow>> = HashMap::new();
    let free: Vec<_> = holds.keys().copied().collect();
    for payment in lock_all(database, tx, &free).await? {
        earlier.entry(payment.order).or_default().push(payment);
    }
    let ids = parameters::list(orders);
    let mut methods: HashMap<OrderId, HashMap<String, String>> = HashMap::new();
    let keys: Vec<KeyColumns> = sqlx::query_as(database.sql(KEYS)).bind(ids.as_str()).fetch_all(&mut **tx).await?;
    for row in keys {
        methods.entry(row.purchase_id).or_default().insert(row.idempotency_key, row.method);
    }
    let rows: Vec<OrderColumns> = sqlx::query_as(database.sql(ORDERS)).bind(ids).fetch_all(&mut **tx).await?;
    let found = rows.into_iter().filter_map(|order| {
        let id = order.id;
        let holds = holds.remove(&id).unwrap_or_default();
        if unsigned(order.holds) != holds.len() as u64 {
            return Some((id, None));
        }
        let hold = hold_transitions::current_hold(&holds)?;
        let payable = Payable {
            order,
            hold: hold.id,
            hold_state: hold.state,
            deadline: hold.deadline,
            earlier: earlier.remove(&id).unwrap_or_default(),
            methods: methods.remove(&id).unwrap_or_default(),
        };
        Some((id, Some(payable)))
    });
    Ok(found.collect())
}

/// Inserts an attempt for each accepted request, and the part of it that pays its order.
async fn insert(
    database: &Database,
    tx: &mut Tx,
    provider: &str,
    accepted: &[(&PayRequest, &Payable)],
    now: Timestamp,
) -> Result<(), StoreError> {
    const ATTEMPTS: Sql = Sql {
        postgres: "INSERT INTO payments (id, purchase_id, attempt, idempotency_key, method, amount, currency, state, due_at, \
                     created_at, changed_at, provider) \
                   SELECT r.id, r.order_id, r.attempt, r.idempotency_key, r.method, r.amount, r.currency, 'created', $2, $3, \
                     $3, $4 \
                   FROM json_to_recordset($1::json) AS r(id text, order_id text, attempt bigint, idempotency_key text, \
                     method text, amount bigint, currency text)",
        sqlite: "INSERT INTO payments (id, purchase_id, attempt, idempotency_key, method, amount, currency, state, due_at, \
                   created_at, changed_at, provider) \
                 SELECT r.value ->> 'id', r.value ->> 'order_id', r.value ->> 'attempt', r.value ->> 'idempotency_key', \
                   r.value ->> 'method', r.value ->> 'amount', r.value ->> 'currency', 'created', $2, $3, $3, $4 \
                 FROM json_each($1) AS r",
    };
    const PARTS: Sql = Sql {
        postgres: "INSERT INTO payment_parts (payment_id, order_id, amount) SELECT r.id, r.order_id, r.amount \
                   FROM json_to_recordset($1::json) AS r(id text, order_id text, amount bigint)",
        sqlite: "INSERT INTO payment_parts (payment_id, order_id, amount) \
                 SELECT r.value ->> 'id', r.value ->> 'order_id', r.value ->> 'amount' FROM json_each($1) AS r",
    };
    let rows: Vec<_> = accepted
        .iter()
        .map(|(request, payable)| {
            let attempt = payable.next_attempt();
            json!({
                "id": PaymentId::of(request.order, attempt).to_string(), "order_id": request.order, "attempt": attempt,
                "idempotency_key": request.idempotency_key, "method": request.method,
                "amount": payable.order.amount, "currency": payable.order.currency.as_str(),
            })
        })
        .collect();
    let rows = parameters::rows(&rows);
    sqlx::query(database.sql(ATTEMPTS))
        .bind(rows.as_str())
        .bind(now.plus_millis(STEP_TIMEOUT_MS).as_millis())
        .bind(now.as_millis())
        .bind(provider)
        .execute(&mut **tx)
        .await?;
    sqlx::query(database.sql(PARTS)).bind(rows).execute(&mut **tx).await?;
    Ok(())
}

/// Why a new attempt is not allowed, if it is not. While an order needs review, its payment counts as in progress.
fn refuse(
    (hold, deadline): (HoldState, Timestamp),
    earlier: &[PaymentRow],
    is_in_review: bool,
    now: Timestamp,
) -> Option<PayOutcome> {
    let is_over = |payment: &PaymentRow| {
        payment.state == PaymentState::Voided || (payment.state == PaymentState::Declined && !payment.last)
    };
    let took_money = |payment: &PaymentRow| payment.state == PaymentState::Captured;
    match hold {
        HoldState::Committed | HoldState::Returned => Some(PayOutcome::AlreadyPaid),
        HoldState::Paying if earlier.iter().any(took_money) => Some(PayOutcome::AlreadyPaid),
        HoldState::Paying => Some(PayOutcome::InProgress),
        HoldState::Released | HoldState::Expired => Some(PayOutcome::HoldExpired),
        HoldState::Held if deadline <= now => Some(PayOutcome::HoldExpired),
        HoldState::Held if is_in_review => Some(PayOutcome::InProgress),
        HoldState::Held if !earlier.iter().all(is_over) => Some(PayOutcome::InProgress),
        HoldState::Held => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_new_attempt_needs_a_live_hold_and_no_open_one() {
        let now = Timestamp::from_millis(10);
        let later = now.plus_millis(1);
        let order = OrderId::derive(now, &[]);
        let attempt = |state, last| PaymentRow { last, ..testing::attempt(order, state) };
        let rows = [
            (HoldState::Held, later, vec![], None),
            (HoldState::Held, now, vec![], Some(PayOutcome::HoldExpired)),
            (HoldState::Held, later, vec![attempt(PaymentState::Declined, false)], None),
            (HoldState::Held, later, vec![attempt(PaymentState::Voided, false)], None),
            (HoldState::Held, later, vec![attempt(PaymentState::Unknown, false)], Some(PayOutcome::InProgress)),
            (HoldState::Held, later, vec![attempt(PaymentState::Declined, true)], Some(PayOutcome::InProgress)),
            (HoldState::Paying, later, vec![], Some(PayOutcome::InProgress)),
            (HoldState::Paying, now, vec![], Some(PayOutcome::InProgress)),
            (HoldState::Committed, later, vec![], Some(PayOutcome::AlreadyPaid)),
            (HoldState::Released, later, vec![], Some(PayOutcome::HoldExpired)),
            (HoldState::Expired, later, vec![], Some(PayOutcome::HoldExpired)),
            (HoldState::Returned, later, vec![], Some(PayOutcome::AlreadyPaid)),
        ];
        for (hold, deadline, earlier, expected) in rows {
            assert_eq!(refuse((hold, deadline), &earlier, false, now), expected, "{hold:?} {earlier:?}");
            let expected = expected.or(Some(PayOutcome::InProgress));
            assert_eq!(refuse((hold, deadline), &earlier, true, now), expected, "{hold:?} {earlier:?} in review");
        }
    }
}
