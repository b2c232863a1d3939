//! Reading orders: one statement, so that order, hold, payment and history are of one moment.

use std::collections::{BTreeMap, HashSet};

use sale::{
    BuyerId, HoldState, ItemId, Language, Money, OrderId, OrderState, PassId, PaymentState, SaleId, Text, Timestamp,
    ids::{PaymentId, PurchaseId},
    order::{Fulfilment, LineKind},
};
use serde::{Deserialize, de::DeserializeOwned};
use sqlx::{FromRow, Row as _, any::AnyRow};

use super::{
    Database,
    order_transitions::order_state,
    parameters,
    row::{Column, column, corrupt},
    sql::{Sql, sql},
};
use crate::StoreError;

/// An order with its lines, hold, payment and history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub purchase: PurchaseId,
    pub sale: SaleId,
    /// The pass that it was bought with, where one was required.
    pub pass: Option<PassId>,
    /// The number of the pass's ticket.
    pub number: Option<u64>,
    pub buyer: BuyerId,
    pub state: OrderState,
    pub fulfilment: Fulfilment,
    pub request_hash: String,
    pub total: Money,
    pub locale: Language,
    /// The sealed e-mail address.
    pub contact: Option<Vec<u8>>,
    pub trace: String,
    pub created_at: Timestamp,
    pub lines: Vec<OrderLine>,
    /// The current hold.
    pub hold: Option<CurrentHold>,
    /// The latest attempt to pay.
    pub payment: Option<Attempt>,
    pub history: Vec<HistoryStep>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OrderLine {
    pub kind: LineKind,
    /// `None` for shipping and discounts.
    pub item: Option<ItemId>,
    /// The name at the time of the reservation.
    pub name: Text,
    pub quantity: u32,
    /// Of one unit, in minor units; frozen when it was reserved.
    pub unit_amount: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct CurrentHold {
    pub state: HoldState,
    #[serde(deserialize_with = "millis")]
    pub deadline: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attempt {
    pub id: PaymentId,
    pub attempt: u32,
    pub method: String,
    pub state: PaymentState,
    /// Whether the provider was called.
    #[serde(deserialize_with = "flag")]
    pub sent: bool,
    /// Whether the charge is being voided.
    #[serde(deserialize_with = "flag")]
    pub voiding: bool,
    /// The address where the buyer has to continue.
    pub next_action: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct HistoryStep {
    pub state: OrderState,
    #[serde(deserialize_with = "millis")]
    pub at: Timestamp,
}

fn millis<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    i64::deserialize(from).map(Timestamp::from_millis)
}

fn flag<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    i64::deserialize(from).map(|flag| flag != 0)
}

/// Orders by id; those that do not exist are left out.
pub async fn read(database: &Database, ids: &[OrderId]) -> Result<Vec<Order>, StoreError> {
    const READ: Sql = Sql {
        postgres: "SELECT o.id, o.purchase_id, o.sale, o.pass, o.number, o.buyer, o.state, o.financial_state, o.fulfilment, o.request_hash, o.amount, \
            o.currency, o.locale, o.contact, o.trace, o.created_at, \
            (SELECT json_agg(json_build_object('kind', l.kind, 'item', l.item, \
                'name', json_build_object('ko', l.name_ko, 'en', l.name_en), 'quantity', l.quantity, \
                'unit_amount', l.unit_amount) ORDER BY l.line_no)::text FROM order_lines l WHERE l.order_id = o.id) AS lines, \
            (SELECT json_build_object('state', h.state, 'deadline', h.deadline)::text FROM holds h \
                WHERE h.order_id = o.id AND h.buyer <> '' ORDER BY h.n DESC LIMIT 1) AS hold, \
            (SELECT json_build_object('id', p.id, 'attempt', p.attempt, 'method', p.method, 'state', p.state, \
                'sent', (p.sent_at IS NOT NULL)::int, 'voiding', (coalesce(p.intent, '') = 'void')::int, \
                'next_action', p.next_action)::text \
                FROM payments p WHERE p.purchase_id = o.id ORDER BY p.attempt DESC LIMIT 1) AS payment, \
            (SELECT json_agg(json_build_object('state', s.state, 'at', s.at) ORDER BY s.nth)::text \
                FROM order_history s WHERE s.order_id = o.id) AS history \
            FROM orders o WHERE o.id = ANY (ARRAY(SELECT json_array_elements_text($1::json))) ORDER BY o.created_at DESC, o.id",
        sqlite: "SELECT o.id, o.purchase_id, o.sale, o.pass, o.number, o.buyer, o.state, o.financial_state, o.fulfilment, o.request_hash, o.amount, \
            o.currency, o.locale, o.contact, o.trace, o.created_at, \
            (SELECT json_group_array(json_object('kind', l.kind, 'item', l.item, \
                'name', json_object('ko', l.name_ko, 'en', l.name_en), 'quantity', l.quantity, \
                'unit_amount', l.unit_amount) ORDER BY l.line_no) FROM order_lines l WHERE l.order_id = o.id) AS lines, \
            (SELECT json_object('state', h.state, 'deadline', h.deadline) FROM holds h \
                WHERE h.order_id = o.id AND h.buyer <> '' ORDER BY h.n DESC LIMIT 1) AS hold, \
            (SELECT json_object('id', p.id, 'attempt', p.attempt, 'method', p.method, 'state', p.state, \
                'sent', p.sent_at IS NOT NULL, 'voiding', coalesce(p.intent, '') = 'void', \
                'next_action', p.next_action) \
                FROM payments p WHERE p.purchase_id = o.id ORDER BY p.attempt DESC LIMIT 1) AS payment, \
            (SELECT json_group_array(json_object('state', s.state, 'at', s.at) ORDER BY s.nth) \
                FROM order_history s WHERE s.order_id = o.id) AS history \
            FROM orders o WHERE o.id IN (SELECT value FROM json_each($1)) ORDER BY o.created_at DESC, o.id",
    };
    Ok(sqlx::query_as(database.sql(READ)).bind(parameters::list(ids)).fetch_all(database.reader()).await?)
}

/// One order.
pub async fn view(database: &Database, id: OrderId) -> Result<Option<Order>, StoreError> {
    Ok(read(database, &[id]).await?.pop())
}

/// The order that was bought with a pass.
pub async fn of_pass(database: &Database, pass: PassId) -> Result<Option<OrderId>, StoreError> {
    let row = sqlx::query("SELECT id FROM orders WHERE pass = $1")
        .bind(pass.to_string())
        .fetch_optional(database.reader())
        .await?;
    Ok(row.map(|row| OrderId::read(&row, "id")).transpose()?)
}

/// The last order of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub created_at: Timestamp,
    pub id: OrderId,
}

/// The orders of a sale, newest first, after `cursor`.
pub async fn page(
    database: &Database,
    sale: &SaleId,
    cursor: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Order>, StoreError> {
    let (before, after_id) =
        cursor.map_or((i64::MAX, String::new()), |cursor| (cursor.created_at.as_millis(), cursor.id.to_string()));
    let rows = sqlx::query(
        "SELECT id FROM orders WHERE sale = $1 AND (created_at < $2 OR (created_at = $2 AND id > $3)) \
         ORDER BY created_at DESC, id LIMIT $4",
    )
    .bind(sale.as_str())
    .bind(before)
    .bind(after_id)
    .bind(limit)
    .fetch_all(database.reader())
    .await?;
    read(database, &column::<_, Vec<_>>(&rows, "id")?).await
}

/// The number of orders of a sale in each state.
pub async fn counts(database: &Database, sale: &SaleId) -> Result<Vec<(OrderState, u64)>, StoreError> {
    let rows = sqlx::query(
        "SELECT state, financial_state, fulfilment, count(*) AS orders FROM orders WHERE sale = $1 \
         GROUP BY state, financial_state, fulfilment",
    )
    .bind(sale.as_str())
    .fetch_all(database.reader())
    .await?;
    let mut counts: BTreeMap<&str, (OrderState, u64)> = BTreeMap::new();
    for row in &rows {
        let state = order_state(row)?;
        counts.entry(state.as_str()).or_insert((state, 0)).1 += u64::read(row, "orders")?;
    }
    Ok(counts.into_values().collect())
}

impl FromRow<'_, AnyRow> for Order {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let created_at = Column::read(row, "created_at")?;
        // The first step of every order is its own row.
        let placed = HistoryStep { state: OrderState::PendingPayment, at: created_at };
        Ok(Self {
            id: Column::read(row, "id")?,
            purchase: Column::read(row, "purchase_id")?,
            sale: Column::read(row, "sale")?,
            pass: Column::read(row, "pass")?,
            number: Column::read(row, "number")?,
            buyer: Column::read(row, "buyer")?,
            state: order_state(row)?,
            fulfilment: Column::read(row, "fulfilment")?,
            request_hash: row.try_get("request_hash")?,
            total: Money { amount: row.try_get("amount")?, currency: Column::read(row, "currency")? },
            locale: Language::parse(row.try_get("locale")?).unwrap_or_default(),
            contact: row.try_get("contact")?,
            trace: row.try_get("trace")?,
            created_at,
            lines: document(row, "lines")?.unwrap_or_default(),
            hold: document(row, "hold")?,
            payment: document(row, "payment")?,
            history: [placed].into_iter().chain(document::<Vec<_>>(row, "history")?.unwrap_or_default()).collect(),
        })
    }
}

/// The JSON document in a column; `None` for NULL.
fn document<T: DeserializeOwned>(row: &AnyRow, column: &str) -> sqlx::Result<Option<T>> {
    let Some(text) = row.try_get::<Option<&str>, _>(column)? else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|_| corrupt(column))
}

/// Those of these orders that have an e-mail address.
pub async fn with_contact(database: &Database, orders: &[OrderId]) -> Result<HashSet<OrderId>, StoreError> {
    const READ: Sql = sql!("SELECT id FROM orders WHERE contact IS NOT NULL AND id @in($1)");
    if orders.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query(database.sql(READ)).bind(parameters::list(orders)).fetch_all(database.reader()).await?;
    Ok(column(&rows, "id")?)
}
