//! The order as its buyer and the seller see it.

use sale::{
    ItemId, Money, OrderId, OrderState, PaymentState, SaleId, Text, Timestamp,
    ids::{PaymentId, PurchaseId},
    order::{Fulfilment, LineKind},
};
use serde::Serialize;
use serde_json::{Value, json};
use stores::database::orders::{Attempt, HistoryStep, Order};
use utoipa::ToSchema;

/// The order of the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(held_example, paid_example))]
pub struct OrderView {
    pub id: OrderId,
    /// What it was bought with; its own id where it was bought alone.
    pub purchase: PurchaseId,
    pub sale: SaleId,
    pub state: OrderState,
    /// Where the goods are, once it is paid.
    pub fulfilment: Fulfilment,
    pub lines: Vec<LineView>,
    pub total: Money,
    /// Until when the units are held; `null` once they are sold or gone back.
    pub hold_until: Option<Timestamp>,
    pub payment: Option<PaymentView>,
    pub next_action: Option<NextAction>,
    pub created_at: Timestamp,
    pub history: Vec<StepView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LineView {
    pub kind: LineKind,
    /// `null` for what is no item: shipping, a discount.
    pub item: Option<ItemId>,
    /// As it was called when it was reserved.
    pub name: Text,
    pub quantity: u32,
    /// The price of one.
    pub price: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PaymentView {
    pub id: PaymentId,
    pub attempt: u32,
    pub state: PaymentState,
    pub method: String,
}

/// What the buyer has to do next at the provider's. The sandbox never requires anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NextAction {
    Redirect { url: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepView {
    pub state: OrderState,
    pub at: Timestamp,
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        let price = |amount| Money { amount, currency: order.total.currency };
        Self {
            id: order.id,
            purchase: order.purchase,
            sale: order.sale.clone(),
            state: order.state,
            fulfilment: order.fulfilment,
            lines: order
                .lines
                .iter()
                .map(|line| LineView {
                    kind: line.kind,
                    item: line.item.clone(),
                    name: line.name.clone(),
                    quantity: line.quantity,
                    price: price(line.unit_amount),
                })
                .collect(),
            total: order.total,
            hold_until: order.hold.filter(|hold| hold.state.is_live()).map(|hold| hold.deadline),
            payment: order.payment.as_ref().map(PaymentView::from),
            next_action: order.payment.as_ref().and_then(next_action),
            created_at: order.created_at,
            history: order.history.iter().map(StepView::from).collect(),
        }
    }
}

/// An order whose units are held, as a reservation is answered.
fn held_example() -> Value {
    json!({
        "id": "019aa5f2-6e10-7c3d-8f41-5b2a9c7e1d04",
        "purchase": "019aa5f2-6e10-7c3d-8f41-5b2a9c7e1d04",
        "sale": "sneaker",
        "state": "pending_payment",
        "fulfilment": "none",
        "lines": [{
            "kind": "item",
            "item": "pair",
            "name": {"ko": "한 켤레", "en": "One pair"},
            "quantity": 1,
            "price": {"amount": 189_000, "currency": "KRW"},
        }],
        "total": {"amount": 189_000, "currency": "KRW"},
        "hold_until": "2026-11-21T09:05:12.000Z",
        "payment": null,
        "next_action": null,
        "created_at": "2026-11-21T09:00:12.000Z",
        "history": [{"state": "pending_payment", "at": "2026-11-21T09:00:12.000Z"}],
    })
}

/// The same order, paid.
fn paid_example() -> Value {
    let mut order = held_example();
    order["state"] = json!("paid");
    order["hold_until"] = Value::Null;
    order["payment"] = json!({
        "id": "019aa5f2-b7c8-7a90-9d15-3e6f0c2b8a71",
        "attempt": 1,
        "state": "captured",
        "method": "sandbox_ok",
    });
    order["history"] = json!([
        {"state": "pending_payment", "at": "2026-11-21T09:00:12.000Z"},
        {"state": "payment_processing", "at": "2026-11-21T09:00:31.000Z"},
        {"state": "paid", "at": "2026-11-21T09:00:32.000Z"},
    ]);
    order
}

fn next_action(attempt: &Attempt) -> Option<NextAction> {
    let url = attempt.next_action.clone().filter(|_| attempt.state.is_open() && !attempt.voiding)?;
    Some(NextAction::Redirect { url })
}

impl From<&Attempt> for PaymentView {
    fn from(attempt: &Attempt) -> Self {
        Self { id: attempt.id, attempt: attempt.attempt, state: attempt.state, method: attempt.method.clone() }
    }
}

impl From<&HistoryStep> for StepView {
    fn from(step: &HistoryStep) -> Self {
        Self { state: step.state, at: step.at }
    }
}
