//! The seller's side of a sale: create it, change it, control its admission, verify it.

use std::sync::Arc;

use axum::{Json as JsonAnswer, extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use sale::{Admission, Sale, SaleId};
use serde::Serialize;
use stores::database::{
    audit_log::AuditEntry,
    sales::{self, ChangeOutcome, CreateOutcome, StockedSale, Switch},
};
use utoipa::ToSchema;
use web::{ApiError, ErrorCode, paths};

use super::{
    AppState,
    access::{Caller, Operator, Seller, Write},
    extract::{IfMatch, Json, Path},
    load_sale,
    sales::{SaleView, with_sale},
};
use crate::{
    queue_recovery,
    sale_input::{AdmissionChanges, NewSale, SaleChanges},
    verify::{GRACE, Report, Verifier},
};

/// The audit entry of an action.
pub fn audit_entry(app: &AppState, caller: &Caller, action: &str, detail: impl Into<String>) -> AuditEntry {
    AuditEntry { at: app.database.now(), actor: caller.actor(), action: action.to_owned(), detail: detail.into() }
}

/// Creates a sale and fills its queue store, so that it can be joined at once.
pub async fn create_sale(app: &AppState, new: NewSale, caller: Caller) -> Result<StockedSale, ApiError> {
    let owner = caller.person.clone().unwrap_or_default();
    let sale = Sale { owner, ..new.into_sale(app.database.now()) };
    let entry = audit_entry(app, &caller, "create", "");
    match sales::create(&app.database, &sale, &entry).await? {
        CreateOutcome::Exists => return Err(ErrorCode::SaleExists.into()),
        CreateOutcome::Created => {}
    }
    if let Err(fault) = queue_recovery::open(&app.database, app.queue.as_ref(), &sale.id).await {
        tracing::warn!(sale = %sale.id, %fault, "the queue of the new sale is filled by the stock role");
    }
    load_sale(app, sale.id.as_str()).await
}

/// Changes a sale whose version is one of `versions`.
pub async fn change_sale(
    app: &AppState,
    id: &str,
    versions: &IfMatch,
    changes: &SaleChanges,
    caller: Caller,
) -> Result<StockedSale, ApiError> {
    loop {
        let before = load_sale(app, id).await?.sale;
        let changed = changes.apply(&before)?;
        if !versions.matches(before.version) {
            return Err(other_version(before.version));
        }
        let entry = audit_entry(app, &caller, "change", changes.to_json());
        match sales::change(&app.database, &changed, before.version, &entry).await? {
            // Another change came in between; this one may be applied to its version, too.
            ChangeOutcome::OtherVersion(_) if *versions == IfMatch::Any => {}
            answer => {
                let after = outcome(answer, Some(&before))?;
                restock(app, &after).await;
                return Ok(after);
            }
        }
    }
}

fn other_version(now: i64) -> ApiError {
    ApiError::from(ErrorCode::PreconditionFailed).detail(format!("The version is {now} now."))
}

/// Sets one of the seller's switches.
pub async fn set_switch(app: &AppState, id: &str, switch: Switch, caller: Caller) -> Result<StockedSale, ApiError> {
    let id: SaleId = id.parse().map_err(|_| ErrorCode::SaleNotFound)?;
    let (name, detail) = match switch {
        Switch::Pause => ("pause", String::new()),
        Switch::Resume => ("resume", String::new()),
        Switch::Close => ("close", String::new()),
        Switch::Admission(admission) => ("admission", serde_json::to_string(&admission).unwrap_or_default()),
    };
    let entry = audit_entry(app, &caller, name, detail);
    let answer = sales::switch(&app.database, &id, switch, &entry).await?;
    outcome(answer, None)
}

/// The sale as it was changed, or why it was not; the items of `before` give the pointers.
fn outcome(changed: ChangeOutcome, before: Option<&Sale>) -> Result<StockedSale, ApiError> {
    match changed {
        ChangeOutcome::To(sale) => Ok(*sale),
        ChangeOutcome::NotFound => Err(ErrorCode::SaleNotFound.into()),
        ChangeOutcome::OtherVersion(version) => Err(other_version(version)),
        ChangeOutcome::BelowSold(item) => {
            let at = before.and_then(|sale| sale.items.iter().position(|other| other.id == item)).unwrap_or(0);
            let pointer = format!("/items/{at}/units");
            Err(ApiError::field(ErrorCode::InvalidField, pointer)
                .detail("Units that are held or sold cannot be taken away."))
        }
    }
}

/// Sets the changed units at the gate. If it does not answer, the reconciler does so later.
async fn restock(app: &AppState, after: &StockedSale) {
    let key = after.queue_key();
    for item in &after.sale.items {
        if let Err(fault) = app.queue.restock(&key, &item.id, item.units, after.sale.version).await {
            tracing::warn!(sale = %after.sale.id, %fault, "the reconciler sets the changed units at the gate");
        }
    }
}

/// Creates a sale.
#[utoipa::path(
    post,
    path = "/v1/sales",
    operation_id = "create_sale",
    tag = "seller",
    request_body = NewSale,
    responses(
        (status = 201, description = "The sale", body = SaleView,
            headers(("ETag" = String, description = "its version, for If-Match"), ("Location" = String, description = "the sale"))),
        (status = 409, description = "sale_exists"),
        (status = 422, description = "invalid_field, not_supported")
    )
)]
pub async fn create(
    Write(Seller(caller)): Write<Seller>,
    State(app): State<AppState>,
    Json(new): Json<NewSale>,
) -> Result<Response, ApiError> {
    let stocked = create_sale(&app, new, caller).await?;
    let mut response = sale_answer(&app, StatusCode::CREATED, &stocked);
    if let Ok(location) = HeaderValue::try_from(paths::api::sale(&stocked.sale.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Changes a sale, when nobody else has since it was read.
#[utoipa::path(
    patch,
    path = "/v1/sales/{sale}",
    operation_id = "change_sale",
    tag = "seller",
    request_body = SaleChanges,
    params(("sale" = SaleId, Path), ("If-Match" = String, Header, description = "the version that was read; `*` for any")),
    responses(
        (status = 200, description = "The sale", body = SaleView, headers(("ETag" = String, description = "its version, for If-Match"))),
        (status = 412, description = "precondition_failed"),
        (status = 422, description = "invalid_field, not_supported"),
        (status = 428, description = "precondition_required")
    )
)]
pub async fn change(
    Write(Seller(caller)): Write<Seller>,
    State(app): State<AppState>,
    Path(id): Path<String>,
    versions: IfMatch,
    Json(changes): Json<SaleChanges>,
) -> Result<Response, ApiError> {
    let stocked = change_sale(&app, &id, &versions, &changes, caller).await?;
    Ok(sale_answer(&app, StatusCode::OK, &stocked))
}

fn sale_answer(app: &AppState, status: StatusCode, stocked: &StockedSale) -> Response {
    with_sale(status, &SaleView::for_seller(stocked, app.database.now()))
}

/// Sets the rate, the cap and the share of calls beyond the free units.
#[utoipa::path(
    put,
    path = "/v1/sales/{sale}/admission",
    operation_id = "update_admission",
    tag = "seller",
    request_body = AdmissionChanges,
    params(("sale" = SaleId, Path)),
    responses(
        (status = 200, description = "The settings now in force", body = Settings),
        (status = 422, description = "invalid_field, not_supported")
    )
)]
pub async fn set_admission(
    Write(Seller(caller)): Write<Seller>,
    State(app): State<AppState>,
    Path(id): Path<String>,
    Json(changes): Json<AdmissionChanges>,
) -> Result<JsonAnswer<Settings>, ApiError> {
    let stocked = update_admission(&app, &id, changes, caller).await?;
    Ok(settings(&app, &stocked))
}

/// Changes the admission settings in force.
pub async fn update_admission(
    app: &AppState,
    id: &str,
    changes: AdmissionChanges,
    caller: Caller,
) -> Result<StockedSale, ApiError> {
    let in_force = load_sale(app, id).await?.sale.admission;
    set_switch(app, id, Switch::Admission(changes.apply(in_force)), caller).await
}

/// The settings now in force.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({
    "mode": "manual",
    "per_minute": 600,
    "max_active": 200,
    "overcall": 0.0,
    "state": "open",
    "paused": false,
    "version": 2,
})))]
pub struct Settings {
    #[serde(flatten)]
    admission: Admission,
    state: sale::SaleState,
    paused: bool,
    version: i64,
}

fn settings(app: &AppState, stocked: &StockedSale) -> JsonAnswer<Settings> {
    let sale = &stocked.sale;
    let state = stocked.state(app.database.now());
    JsonAnswer(Settings { admission: sale.admission, state, paused: sale.paused, version: sale.version })
}

/// Stops calling people.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale}/pause",
    operation_id = "pause_sale",
    tag = "seller",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The settings now in force", body = Settings))
)]
pub async fn pause(
    Write(Seller(caller)): Write<Seller>,
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<JsonAnswer<Settings>, ApiError> {
    Ok(settings(&app, &set_switch(&app, &id, Switch::Pause, caller).await?))
}

/// Resumes calling people.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale}/resume",
    operation_id = "resume_sale",
    tag = "seller",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The settings now in force", body = Settings))
)]
pub async fn resume(
    Write(Seller(caller)): Write<Seller>,
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<JsonAnswer<Settings>, ApiError> {
    Ok(settings(&app, &set_switch(&app, &id, Switch::Resume, caller).await?))
}

/// Closes the sale to newcomers; those inside may finish.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale}/close",
    operation_id = "close_sale",
    tag = "seller",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The settings now in force", body = Settings))
)]
pub async fn close(
    Write(Seller(caller)): Write<Seller>,
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<JsonAnswer<Settings>, ApiError> {
    Ok(settings(&app, &set_switch(&app, &id, Switch::Close, caller).await?))
}

/// Compares queue, stock, database, event log and payments; only differences that last over two reads count.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/verify",
    operation_id = "verify_sale",
    tag = "seller",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "What was compared, and what did not fit", body = Report))
)]
pub async fn verify(
    _: Operator,
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<JsonAnswer<Report>, ApiError> {
    let sale = load_sale(&app, &id).await?.sale.id;
    let verifier =
        Verifier { database: app.database.clone(), queue: Arc::clone(&app.queue), provider: Arc::clone(&app.provider) };
    Ok(JsonAnswer(verifier.verify(Some(&sale), GRACE).await?))
}
