//! The buyer's pages: the list of sales, the checkout, the order.

pub mod checkout;
pub mod order;
pub mod sales;

use axum::{body::Body, response::Response};
use sale::{Language, Money, SessionId, Timestamp};
use stores::database::orders::Order;
use web::{
    page_context::see_other,
    pages::{HeldOrder, OrderLine},
};

use super::extract::PageRequest;

/// Leads to another page after a form.
pub(super) fn redirect(path: &str) -> Response {
    see_other(path).map(Body::new)
}

/// A key for one press of one button: the same form sent twice is one action.
fn fresh_key() -> String {
    SessionId::random().expose()
}

/// An order whose units are held, with what its buyer can pay by.
fn held(page: &PageRequest, order: &Order, language: Language) -> HeldOrder {
    HeldOrder {
        order: order.id.to_string(),
        lines: lines(order, language),
        total: order.total,
        until: order.hold.map_or(Timestamp::default(), |hold| hold.deadline),
        methods: page.app.provider.methods().iter().map(|method| (*method).to_owned()).collect(),
        key: fresh_key(),
    }
}

fn lines(order: &Order, language: Language) -> Vec<OrderLine> {
    let lines = order.lines.iter().map(|line| OrderLine {
        name: line.name.in_language(language).to_owned(),
        quantity: line.quantity.into(),
        total: Money {
            amount: line.unit_amount.saturating_mul(i64::from(line.quantity)),
            currency: order.total.currency,
        },
    });
    lines.collect()
}
