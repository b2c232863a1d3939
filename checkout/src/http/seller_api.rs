//! The seller's side of a sale: make it, change it, steer it, watch it.

use std::sync::Arc;

use axum::{Json as JsonAnswer, extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use sale::{Admission, Sale, SaleId};
use serde::Serialize;
use stores::database::{
    audit_log::AuditEntry,
    orders, payments,
    sales::{self, ChangeOutcome, CreateOutcome, StockedSale, Switch},
};
use stores::queue_store::StockCount;
use utoipa::ToSchema;
use web::{ApiError, ErrorCode, paths};

use super::{
    AppState,
    access::{Caller, Operator, Seller, Write},
    extract::{IfMatch, Json, Path},
    sales::{SaleView, known, with_sale},
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

/// Makes a sale and fills its queue store, so that it can be joined at once.
pub async fn make(app: &AppState, new: NewSale, caller: Caller) -> Result<StockedSale, ApiError> {
    let owner = caller.person.clone().unwrap_or_default();
    let sale = Sale { owner, ..new.into_sale(app.database.now()) };
    let entry = audit_entry(app, &caller, "create", "");
    match sales::create(&app.database, &sale, &entry).await? {
        CreateOutcome::Exists => return Err(ErrorCode::SaleExists.into()),
        CreateOutcome::Created => {}
    }
    if let Err(fault) = queue_recovery::open(&app.database, app.queue.as_ref(), &sale.id).await {
        tracing::warn!(sale = %sale.id, %fault, "the new sale's line is filled by the stock role");
    }
    known(app, sale.id.as_str()).await
}

/// Lays changes over a sale whose version is one of `versions`.
pub async fn edit(
    app: &AppState,
    id: &str,
    versions: &IfMatch,
    changes: &SaleChanges,
    caller: Caller,
) -> Result<StockedSale, ApiError> {
    loop {
        let before = known(app, id).await?.sale;
        let changed = changes.apply(&before)?;
        if !versions.matches(before.version) {
            return Err(other_version(before.version));
        }
        let entry = audit_entry(app, &caller, "change", changes.to_json());
        match sales::change(&app.database, &changed, before.version, &entry).await? {
            // Somebody else's change came in between: these may be laid over that one, too.
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
pub async fn switch(app: &AppState, id: &str, switch: Switch, caller: Caller) -> Result<StockedSale, ApiError> {
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

/// What became of a change of `before`, whose items give the pointers.
fn outcome(changed: ChangeOutcome, before: Option<&Sale>) -> Result<StockedSale, ApiError> {
    match changed {
        ChangeOutcome::To(sale) => Ok(*sale),
        ChangeOutcome::NotFound => Err(ErrorCode::SaleNotFound.into()),
        ChangeOutcome::OtherVersion(version) => Err(other_version(version)),
        ChangeOutcome::BelowSold(item) => {
            let at = before.and_then(|sale| sale.items.iter().position(|known| known.id == item)).unwrap_or(0);
            let pointer = format!("/items/{at}/units");
            Err(ApiError::field(ErrorCode::InvalidField, pointer)
                .detail("Units that are held or sold cannot be taken away."))
        }
    }
}

/// Tells the gate of changed units. Should it not answer, the reconciler does.
async fn restock(app: &AppState, after: &StockedSale) {
    let key = after.queue_key();
    for item in &after.sale.items {
        if let Err(fault) = app.queue.restock(&key, &item.id, item.units, after.sale.version).await {
            tracing::warn!(sale = %after.sale.id, %fault, "the gate hears of the changed units later");
        }
    }
}

/// Makes a sale.
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
    let known = make(&app, new, caller).await?;
    let mut response = sale_answer(&app, StatusCode::CREATED, &known);
    if let Ok(location) = HeaderValue::try_from(paths::api::sale(&known.sale.id)) {
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
    let known = edit(&app, &id, &versions, &changes, caller).await?;
    Ok(sale_answer(&app, StatusCode::OK, &known))
}

fn sale_answer(app: &AppState, status: StatusCode, known: &StockedSale) -> Response {
    with_sale(status, &SaleView::for_seller(known, app.database.now()))
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
    let known = update_admission(&app, &id, changes, caller).await?;
    Ok(settings(&app, &known))
}

/// Lays new settings over those in force.
pub async fn update_admission(
    app: &AppState,
    id: &str,
    changes: AdmissionChanges,
    caller: Caller,
) -> Result<StockedSale, ApiError> {
    let in_force = known(app, id).await?.sale.admission;
    switch(app, id, Switch::Admission(changes.apply(in_force)), caller).await
}

/// The settings now in force.
#[derive(Serialize, ToSchema)]
pub struct Settings {
    #[serde(flatten)]
    admission: Admission,
    state: sale::SaleState,
    paused: bool,
    version: i64,
}

fn settings(app: &AppState, known: &StockedSale) -> JsonAnswer<Settings> {
    let sale = &known.sale;
    let state = known.state(app.database.now());
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
    Ok(settings(&app, &switch(&app, &id, Switch::Pause, caller).await?))
}

/// Goes on calling people.
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
    Ok(settings(&app, &switch(&app, &id, Switch::Resume, caller).await?))
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
    Ok(settings(&app, &switch(&app, &id, Switch::Close, caller).await?))
}

/// The sale's figures at this moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Live {
    pub state: sale::SaleState,
    pub waiting: u64,
    pub called: u64,
    pub active: u64,
    pub max_active: u32,
    pub called_total: u64,
    pub admitted_total: u64,
    pub rate_per_minute: u32,
    pub units: Units,
    pub orders: std::collections::BTreeMap<String, u64>,
    /// total − free − held − sold; anything but 0 is a fault.
    pub conservation: i64,
    /// Median seconds from the request of a payment to the money, of the newest orders; `null` before the first.
    pub payment_seconds: Option<f64>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Units {
    pub total: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

/// Reads the figures: the line's and the units' from the queue store in one step, the rest from the database.
pub async fn figures(app: &AppState, id: &str) -> Result<Live, ApiError> {
    let known = known(app, id).await?;
    let now = app.database.now();
    let key = known.queue_key();
    let seen = app.queue.observe(&key, 1).await?;
    let orders = orders::counts(&app.database, &known.sale.id).await?;
    let paying = payments::median_ms(&app.database, &known.sale.id).await?;
    let total = i64::try_from(known.sale.units()).unwrap_or(i64::MAX);
    // The gate counts free, held and sold in one step; the database says how many exist. Their sum must agree.
    let sum = |count: fn(&StockCount) -> i64| seen.stock.iter().map(count).fold(0, i64::saturating_add);
    let units = Units { total, free: sum(|c| c.free), held: sum(|c| c.held), sold: sum(|c| c.sold) };
    let state = known.state(now);
    Ok(Live {
        state,
        waiting: seen.waiting,
        called: seen.called,
        active: seen.active,
        max_active: known.sale.admission.max_active,
        called_total: seen.called_total,
        admitted_total: seen.admitted_total,
        rate_per_minute: if state == sale::SaleState::Open { known.sale.admission.per_minute } else { 0 },
        conservation: units.total - units.free - units.held - units.sold,
        payment_seconds: paying.map(|ms| f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1_000.0),
        units,
        orders: orders.into_iter().map(|(state, count)| (state.as_str().to_owned(), count)).collect(),
    })
}

/// The sale's figures at this moment.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/live",
    operation_id = "show_live_figures",
    tag = "seller",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The figures", body = Live))
)]
pub async fn live(
    _: Seller,
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<JsonAnswer<Live>, ApiError> {
    Ok(JsonAnswer(figures(&app, &id).await?))
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
    let sale = known(&app, &id).await?.sale.id;
    let verifier =
        Verifier { database: app.database.clone(), queue: Arc::clone(&app.queue), provider: Arc::clone(&app.provider) };
    Ok(JsonAnswer(verifier.verify(Some(&sale), GRACE).await?))
}
