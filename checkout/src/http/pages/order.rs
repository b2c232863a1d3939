//! `/orders/{order}`: what an order is and what became of it, and the buttons that pay and cancel it.

use axum::response::Response;
use http::StatusCode;
use sale::{HoldState, OrderState};
use serde::Deserialize;
use stores::database::{orders::Order, payments::PayRequest};
use web::{
    ApiError, ErrorCode,
    pages::{HistoryEntry, OrderPage},
    paths,
    request::credentials::is_idempotency_key,
};

use super::{
    super::{
        access::{OwnOrder, Write},
        extract::{Form, PageRequest},
        load_sale,
    },
    held, lines, redirect,
};
use crate::cancel;

pub async fn show(OwnOrder(order): OwnOrder, page: PageRequest) -> Result<Response, ApiError> {
    let stocked = load_sale(&page.app, order.sale.as_str()).await?;
    let layout = page.layout();
    let (language, nonce) = (layout.language, layout.nonce.clone());
    let now = page.app.database.now();
    let payable = order.state == OrderState::PendingPayment && order.hold.is_some_and(|hold| now < hold.deadline);
    let history = order.history.iter();
    let html = OrderPage {
        layout,
        order: order.id.to_string(),
        sale: order.sale.to_string(),
        sale_name: stocked.sale.name.in_language(language).to_owned(),
        state: order.state,
        lines: lines(&order, language),
        total: order.total,
        payment: payable.then(|| held(&page, &order, language)),
        attempt: order.payment.as_ref().map(|attempt| attempt.state.as_str().to_owned()),
        redirect_url: None,
        delayed: is_delayed(&order, now),
        cancellable: order.state == OrderState::PendingPayment,
        history: history.map(|step| HistoryEntry { state: step.state, at: step.at }).collect(),
    }
    .render();
    Ok(page.page(&nonce, StatusCode::OK, html))
}

/// Whether the payment was not sent to its provider in the time that the units are held for.
fn is_delayed(order: &Order, now: sale::Timestamp) -> bool {
    let is_late = order.hold.is_some_and(|hold| hold.state == HoldState::Paying && hold.deadline < now);
    is_late && order.payment.as_ref().is_some_and(|attempt| !attempt.sent)
}

/// The form that chooses how to pay.
#[derive(Deserialize)]
pub struct PaymentForm {
    #[serde(default)]
    method: String,
    /// Names the press of the button.
    #[serde(default)]
    key: String,
}

pub async fn pay(
    Write(OwnOrder(order)): Write<OwnOrder>,
    page: PageRequest,
    Form(form): Form<PaymentForm>,
) -> Result<Response, ApiError> {
    if !is_idempotency_key(&form.key) {
        return Err(ErrorCode::MalformedForm.into());
    }
    let request = PayRequest { order: order.id, idempotency_key: form.key, method: form.method };
    page.app.payment_requester.request(request).await?;
    Ok(redirect(&paths::order(order.id)))
}

pub async fn cancel(Write(OwnOrder(order)): Write<OwnOrder>, page: PageRequest) -> Result<Response, ApiError> {
    cancel::cancel(&page.app.database, order.id).await?;
    Ok(redirect(&paths::order(order.id)))
}
