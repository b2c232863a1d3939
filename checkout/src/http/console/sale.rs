//! The page of one sale, and the forms that control it.

use axum::response::Response;
use http::StatusCode;
use sale::{LiveFigures, OrderState};
use serde::Deserialize;
use stores::database::{
    audit_log::{self, AuditEntry},
    outbox,
    sales::Switch,
};
use web::{
    ApiError,
    pages::console::{AdmissionForm, Change, ChangeKind, ConsoleSalePage, FieldFault, Trouble},
    paths,
};

use super::{
    super::{
        access::{Caller, Seller, Write},
        extract::{Form, PageRequest, Path, Query},
        live_figures, load_sale,
        pages::redirect,
        seller_api::{self, update_admission},
    },
    sale_document::{admission_document, admission_faults},
};
use crate::sale_input::AdmissionChanges;

/// Acts that the page of a sale shows.
const ACTS: i64 = 20;

/// Unpublished events that are more than the relay has in its hands.
const MANY_EVENTS: u64 = 1_000;

/// What the page of a sale shows beyond its figures.
#[derive(Default)]
struct PageState {
    saved: bool,
    /// What was typed, when it was refused.
    typed: Option<AdmissionForm>,
    faults: Vec<FieldFault>,
}

/// The query of the page.
#[derive(Deserialize)]
pub struct Saved {
    saved: Option<String>,
}

pub async fn show(
    _: Seller,
    page: PageRequest,
    Path(id): Path<String>,
    Query(query): Query<Saved>,
) -> Result<Response, ApiError> {
    sale_page(&page, &id, PageState { saved: query.saved.is_some(), ..PageState::default() }).await
}

async fn sale_page(page: &PageRequest, id: &str, state: PageState) -> Result<Response, ApiError> {
    let app = &page.app;
    let stocked = load_sale(app, id).await?;
    let (figures, mut trouble) = match live_figures::read(app, &stocked).await {
        Ok(figures) => {
            let trouble = trouble(&figures);
            (figures, trouble)
        }
        Err(_) => (live_figures::of_database_alone(app, &stocked), vec![Trouble::Store]),
    };
    let waiting_events = outbox::unpublished_count(&app.database).await?;
    if waiting_events > MANY_EVENTS {
        trouble.push(Trouble::Events(waiting_events));
    }
    let layout = page.layout();
    let (language, nonce) = (layout.language, layout.nonce.clone());
    let entries = audit_log::latest(&app.database, &stocked.sale.id, ACTS).await?;
    let admission = state.typed.unwrap_or_else(|| AdmissionForm::from(stocked.sale.admission));
    let status = if state.faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let html = ConsoleSalePage {
        layout,
        sale: id.to_owned(),
        name: stocked.sale.name.in_language(language).to_owned(),
        opens_at: stocked.sale.opens_at,
        figures,
        admission,
        trouble,
        changes: entries.iter().map(change).collect(),
        saved: state.saved,
        faults: state.faults,
    }
    .render();
    Ok(page.page(&nonce, status, html))
}

fn trouble(figures: &LiveFigures) -> Vec<Trouble> {
    let orders = |state: OrderState| figures.orders.get(&state).copied().filter(|orders| *orders > 0);
    let found = [
        (figures.conservation != 0).then_some(Trouble::Conservation(figures.conservation)),
        orders(OrderState::NeedsReview).map(Trouble::NeedsReview),
        orders(OrderState::PaymentUnknown).map(Trouble::PaymentUnknown),
    ];
    found.into_iter().flatten().collect()
}

/// An audit entry as the page shows it.
fn change(entry: &AuditEntry) -> Change {
    let kind = match entry.action.as_str() {
        "create" => ChangeKind::Created,
        "change" => ChangeKind::Edited,
        "pause" => ChangeKind::Paused,
        "resume" => ChangeKind::Resumed,
        "close" => ChangeKind::Closed,
        "admission" => ChangeKind::Admission(serde_json::from_str(&entry.detail).ok()),
        other => ChangeKind::Other(other.to_owned()),
    };
    Change { at: entry.at, kind }
}

pub async fn set_admission(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Path(id): Path<String>,
    Form(form): Form<AdmissionForm>,
) -> Result<Response, ApiError> {
    let updated = match AdmissionChanges::parse(&admission_document(&form)) {
        Ok(changes) => update_admission(&page.app, &id, changes, caller).await,
        Err(error) => Err(error),
    };
    match updated {
        Ok(_) => Ok(redirect(&paths::console::saved_sale(id))),
        Err(error) if !error.errors.is_empty() => {
            let faults = admission_faults(&form, &error.errors);
            sale_page(&page, &id, PageState { saved: false, typed: Some(form), faults }).await
        }
        Err(error) => Err(error),
    }
}

pub async fn pause(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    set_switch(&page, &id, Switch::Pause, caller).await
}

pub async fn resume(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    set_switch(&page, &id, Switch::Resume, caller).await
}

pub async fn close(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    set_switch(&page, &id, Switch::Close, caller).await
}

async fn set_switch(page: &PageRequest, id: &str, to_set: Switch, by: Caller) -> Result<Response, ApiError> {
    seller_api::set_switch(&page.app, id, to_set, by).await?;
    Ok(redirect(&paths::console::sale(id)))
}
