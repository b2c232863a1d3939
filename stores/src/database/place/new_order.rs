//! An order before it is placed.

use sale::{
    BuyerId, Currency, HoldState, ItemId, Language, Money, OrderId, OrderState, PassId, SaleId, Text, Timestamp,
    ids::PurchaseId,
    order::{Fulfilment, LineKind},
};

use crate::database::orders::{CurrentHold, HistoryStep, Order, OrderLine};

/// An order whose units the gate has reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    pub id: OrderId,
    pub pass: PassId,
    pub number: u64,
    pub buyer: BuyerId,
    pub lines: Vec<PricedLine>,
    pub currency: Currency,
    /// SHA-256 of the request, to tell a repeated key with another body.
    pub request_hash: String,
    pub locale: Language,
    /// The sealed e-mail address.
    pub contact: Option<Vec<u8>>,
    /// W3C trace id of the request.
    pub trace: String,
}

/// Units of one item, with its name and price at the time of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedLine {
    pub item: ItemId,
    pub name: Text,
    pub quantity: u32,
    /// Of one unit, in minor units of the currency.
    pub unit_amount: i64,
}

impl NewOrder {
    /// The order as it is once it was placed.
    pub fn placed(self, sale: &SaleId, at: Timestamp, hold_until: Timestamp) -> Order {
        let total = Money { amount: self.amount(), currency: self.currency };
        Order {
            id: self.id,
            purchase: PurchaseId::of(self.id),
            sale: sale.clone(),
            pass: Some(self.pass),
            number: Some(self.number),
            buyer: self.buyer,
            state: OrderState::PendingPayment,
            fulfilment: Fulfilment::None,
            request_hash: self.request_hash,
            total,
            locale: self.locale,
            contact: self.contact,
            trace: self.trace,
            created_at: at,
            lines: self
                .lines
                .into_iter()
                .map(|line| OrderLine {
                    kind: LineKind::Item,
                    item: Some(line.item),
                    name: line.name,
                    quantity: line.quantity,
                    unit_amount: line.unit_amount,
                })
                .collect(),
            hold: Some(CurrentHold { state: HoldState::Held, deadline: hold_until }),
            payment: None,
            history: vec![HistoryStep { state: OrderState::PendingPayment, at }],
        }
    }

    pub(super) fn units(&self) -> i64 {
        self.lines.iter().map(|line| i64::from(line.quantity)).sum()
    }

    pub(super) fn amount(&self) -> i64 {
        let of = |line: &PricedLine| line.unit_amount.saturating_mul(i64::from(line.quantity));
        self.lines.iter().map(of).fold(0, i64::saturating_add)
    }
}
