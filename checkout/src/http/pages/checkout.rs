//! `/sales/{sale}/checkout`: who holds a pass chooses and reserves.

use std::{collections::BTreeMap, slice};

use axum::response::Response;
use http::StatusCode;
use sale::{OrderState, Pass, PaymentState, SaleState};
use serde::Deserialize;
use stores::database::{
    orders::{self, Order},
    passes,
    sales::StockedSale,
};
use web::{
    ApiError, ErrorCode,
    pages::{CheckoutPage, CheckoutState, Choice, QuantityFault},
    paths,
    request::credentials::is_idempotency_key,
};

use super::{
    super::{
        AppState,
        access::{PassHolder, Write},
        extract::{Form, PageRequest, TraceId},
        load_sale,
    },
    fresh_key, held, redirect,
};
use crate::{
    ReserveRequest,
    reserve::{RequestedContact, RequestedLine, ReserveBody},
};

pub async fn show(PassHolder(pass): PassHolder, page: PageRequest) -> Result<Response, ApiError> {
    let pass = renewed(&page.app, pass).await?;
    let stocked = load_sale(&page.app, pass.sale.as_str()).await?;
    let state = state(&page, &stocked, &pass).await?;
    Ok(checkout_page(&page, &stocked, state, StatusCode::OK))
}

/// The pass with the end that counts.
async fn renewed(app: &AppState, mut pass: Pass) -> Result<Pass, ApiError> {
    passes::update_expiries(&app.database, slice::from_mut(&mut pass), app.database.now()).await?;
    Ok(pass)
}

fn checkout_page(page: &PageRequest, stocked: &StockedSale, state: CheckoutState, status: StatusCode) -> Response {
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    let sale_name = stocked.sale.name.in_language(layout.language).to_owned();
    let html = CheckoutPage { layout, sale: stocked.sale.id.to_string(), sale_name, state }.render();
    page.page(&nonce, status, html)
}

/// Where the holder of this pass stands.
async fn state(page: &PageRequest, stocked: &StockedSale, pass: &Pass) -> Result<CheckoutState, ApiError> {
    let app = &page.app;
    if let Some(id) = orders::of_pass(&app.database, pass.id).await? {
        let order = orders::view(&app.database, id).await?;
        return Ok(order.map_or(CheckoutState::PassUsed { order: None }, |order| ordered(page, &order)));
    }
    let now = app.database.now();
    if pass.check_time(now).is_err() {
        return Ok(CheckoutState::PassExpired);
    }
    if stocked.state(now) == SaleState::Closed {
        return Err(ErrorCode::SaleClosed.into());
    }
    if stocked.stock.iter().all(|count| count.free <= 0) {
        return Ok(CheckoutState::SoldOut { pass_until: pass.expires_at });
    }
    Ok(choosing(page, stocked, pass, &CheckoutForm::default(), None))
}

/// The form; as it was typed when it comes back with an error.
fn choosing(
    page: &PageRequest,
    stocked: &StockedSale,
    pass: &Pass,
    form: &CheckoutForm,
    error: Option<&ApiError>,
) -> CheckoutState {
    let language = page.visitor().language();
    let limit = u64::from(stocked.sale.per_buyer_limit);
    let choices = stocked.sale.items.iter().zip(&stocked.stock).enumerate().map(|(at, (item, count))| {
        let most = u64::try_from(count.free).unwrap_or(0).min(limit);
        let typed = form.quantity(item.id.as_str());
        Choice {
            id: item.id.to_string(),
            name: item.name.in_language(language).to_owned(),
            price: item.price,
            most,
            quantity: typed.cloned().unwrap_or_else(|| u64::from(at == 0).min(most).to_string()),
            fault: error.and_then(|error| form.quantity_fault(item.id.as_str(), most, error)),
        }
    });
    CheckoutState::Choosing {
        choices: choices.collect(),
        pass_until: pass.expires_at,
        per_buyer_limit: limit,
        hold_seconds: stocked.sale.hold_seconds.into(),
        email: form.email.clone(),
        is_email_invalid: error.is_some_and(is_about_the_email),
        error: error.map(|error| error.code),
        key: fresh_key(),
    }
}

fn ordered(page: &PageRequest, order: &Order) -> CheckoutState {
    match order.state {
        OrderState::PendingPayment => {
            let held = held(page, order, page.visitor().language());
            let declined = order.payment.as_ref().is_some_and(|attempt| attempt.state == PaymentState::Declined);
            if declined { CheckoutState::Declined(held) } else { CheckoutState::Held(held) }
        }
        OrderState::PaymentProcessing | OrderState::PaymentUnknown => {
            CheckoutState::Paying { order: order.id.to_string() }
        }
        OrderState::Expired => CheckoutState::HoldExpired,
        _ => CheckoutState::PassUsed { order: Some(order.id.to_string()) },
    }
}

/// What the buyer typed.
#[derive(Default, Deserialize)]
pub struct CheckoutForm {
    /// Names the press of the button.
    #[serde(default)]
    key: String,
    #[serde(default)]
    email: String,
    /// Each `quantity_{item}`.
    #[serde(flatten)]
    quantities: BTreeMap<String, String>,
}

impl CheckoutForm {
    fn quantity(&self, item: &str) -> Option<&String> {
        self.quantities.get(&format!("quantity_{item}"))
    }

    /// The quantities that were typed, as lines of an order.
    fn lines(&self) -> Vec<RequestedLine> {
        let lines = self.quantities.iter().filter_map(|(name, value)| {
            let item = name.strip_prefix("quantity_")?.to_owned();
            let typed = value.trim();
            // What is no number is refused, like 0 alone.
            let quantity = typed.parse().unwrap_or(if typed.is_empty() { 0 } else { -1 });
            Some(RequestedLine { item, quantity })
        });
        let mut lines: Vec<RequestedLine> = lines.collect();
        if lines.iter().any(|line| line.quantity != 0) {
            lines.retain(|line| line.quantity != 0);
        }
        lines
    }

    /// What an error says about the quantity of an item of which `most` can be had.
    fn quantity_fault(&self, item: &str, most: u64, error: &ApiError) -> Option<QuantityFault> {
        let lines = self.lines();
        let at = lines.iter().position(|line| line.item == item);
        let is_named = |pointer: &str| match pointer.strip_prefix("/lines") {
            Some("") => true,
            Some(rest) => rest.split('/').nth(1).and_then(|index| index.parse().ok()) == at,
            None => false,
        };
        if at.is_some() && error.errors.iter().any(|error| is_named(&error.pointer)) {
            return Some(QuantityFault::OutOfRange);
        }
        let quantity = at.map_or(0, |at| lines[at].quantity);
        match error.code {
            ErrorCode::SoldOut if u64::try_from(quantity).is_ok_and(|quantity| quantity > most) => {
                Some(QuantityFault::OutOfRange)
            }
            ErrorCode::LimitReached if quantity > 0 => Some(QuantityFault::AboveLimit),
            _ => None,
        }
    }

    fn body(&self, language: &str) -> ReserveBody {
        let email = Some(self.email.trim()).filter(|email| !email.is_empty());
        let contact =
            email.map(|email| RequestedContact { email: email.to_owned(), locale: Some(language.to_owned()) });
        ReserveBody { lines: self.lines(), contact }
    }
}

fn is_about_the_email(error: &ApiError) -> bool {
    error.errors.iter().any(|error| error.pointer == "/contact/email")
}

pub async fn reserve(
    Write(PassHolder(pass)): Write<PassHolder>,
    TraceId(trace): TraceId,
    page: PageRequest,
    Form(form): Form<CheckoutForm>,
) -> Result<Response, ApiError> {
    let pass = renewed(&page.app, pass).await?;
    if !is_idempotency_key(&form.key) {
        return Err(ErrorCode::MalformedForm.into());
    }
    let body = form.body(page.visitor().language().tag());
    let request = ReserveRequest { pass: pass.clone(), key: form.key.clone(), body, trace };
    match page.app.reserver.reserve(request).await.map_err(ApiError::from) {
        Ok(_) => Ok(redirect(&paths::checkout(&pass.sale))),
        Err(error) if is_about_the_form(error.code) => refused(&page, &pass, &form, &error).await,
        Err(error) => Err(error),
    }
}

const fn is_about_the_form(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::SoldOut
            | ErrorCode::LimitReached
            | ErrorCode::InvalidQuantity
            | ErrorCode::InvalidField
            | ErrorCode::UnknownItem
            | ErrorCode::PassUsed
            | ErrorCode::PassExpired
    )
}

/// The checkout again: what was typed stays, and the pass is as good as before.
async fn refused(page: &PageRequest, pass: &Pass, form: &CheckoutForm, error: &ApiError) -> Result<Response, ApiError> {
    let stocked = load_sale(&page.app, pass.sale.as_str()).await?;
    let state = match state(page, &stocked, pass).await? {
        CheckoutState::Choosing { .. } => choosing(page, &stocked, pass, form, Some(error)),
        elsewhere => elsewhere,
    };
    Ok(checkout_page(page, &stocked, state, error.code.status()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(quantities: &[(&str, &str)]) -> CheckoutForm {
        let quantities = quantities.iter().map(|(item, typed)| (format!("quantity_{item}"), (*typed).to_owned()));
        CheckoutForm { quantities: quantities.collect(), ..CheckoutForm::default() }
    }

    #[test]
    fn an_error_marks_the_quantity_that_it_is_about() {
        let at = |pointer| ApiError::field(ErrorCode::InvalidQuantity, pointer);
        let typed = form(&[("ink", "0"), ("red", "x"), ("white", "-1")]);
        let fault = |item, error: &ApiError| typed.quantity_fault(item, 2, error);
        // What was left at nothing is no line.
        assert_eq!(fault("red", &at("/lines/0/quantity")), Some(QuantityFault::OutOfRange));
        assert_eq!(fault("white", &at("/lines/1/quantity")), Some(QuantityFault::OutOfRange));
        assert_eq!(fault("ink", &at("/lines/0/quantity")), None);
        let nothing = form(&[("ink", "0"), ("white", "0")]);
        assert_eq!(nothing.quantity_fault("white", 2, &at("/lines/1/quantity")), Some(QuantityFault::OutOfRange));
        assert_eq!(nothing.quantity_fault("ink", 2, &at("/contact/email")), None);
    }

    #[test]
    fn what_is_too_much_is_marked_where_it_was_chosen() {
        let typed = form(&[("ink", "0"), ("white", "2")]);
        let fault = |item, most, code: ErrorCode| typed.quantity_fault(item, most, &code.into());
        assert_eq!(fault("white", 2, ErrorCode::LimitReached), Some(QuantityFault::AboveLimit));
        assert_eq!(fault("ink", 2, ErrorCode::LimitReached), None);
        assert_eq!(fault("white", 1, ErrorCode::SoldOut), Some(QuantityFault::OutOfRange));
        assert_eq!(fault("white", 2, ErrorCode::SoldOut), None);
        assert_eq!(fault("white", 2, ErrorCode::PassUsed), None);
    }
}
