//! The seller's side of a sale: make it, change it, steer it, watch it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sale::{Admission, Sale, SaleId, token::Authority};
use serde::Serialize;
use stores::database::{
    acts::Act,
    orders, payments,
    sales::{self, Changed, Created, StockedSale, Switch},
    snapshot,
};
use stores::queue_store::StockCount;
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Code, Problem};

use super::{
    Answer, Refused, Shop,
    asked::Path,
    read_json,
    sales::{SaleView, known, with_sale},
    sellers::authority,
    store_trouble,
};
use crate::{
    new_sale,
    verify::{GRACE, Verifier},
};

pub fn routes() -> OpenApiRouter<Shop> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(change))
        .routes(routes!(set_admission))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(close))
        .routes(routes!(live))
        .routes(routes!(verify))
}

/// The record of an act by this authority.
pub fn act(shop: &Shop, authority: Authority, act: &str, detail: impl Into<String>) -> Act {
    Act { at: shop.database.now(), actor: authority.as_str().to_owned(), act: act.to_owned(), detail: detail.into() }
}

/// Makes a sale and fills its queue store, so that it can be joined at once.
pub async fn make(shop: &Shop, document: &serde_json::Value, authority: Authority) -> Result<StockedSale, Problem> {
    let sale = new_sale::parse(document, shop.database.now())?;
    let act = act(shop, authority, "create", "");
    match sales::create(&shop.database, &sale, &act).await.map_err(|fault| store_trouble(&fault))? {
        Created::Exists => return Err(Code::SaleExists.into()),
        Created::Created => {}
    }
    if let Err(fault) = snapshot::begin(&shop.database, shop.queue.as_ref(), &sale.id).await {
        tracing::warn!(sale = %sale.id, %fault, "the new sale's line is filled by the stock role");
    }
    known(shop, sale.id.as_str()).await
}

/// Lays changes over a sale, when `version` is still the one that they were made from.
pub async fn edit(
    shop: &Shop,
    id: &str,
    version: i64,
    changes: &serde_json::Value,
    authority: Authority,
) -> Result<StockedSale, Problem> {
    let before = known(shop, id).await?;
    let changed = new_sale::patch(&before.sale, changes)?;
    let act = act(shop, authority, "change", changes.to_string());
    let answer = sales::change(&shop.database, &changed, version, &act).await.map_err(|fault| store_trouble(&fault))?;
    let after = outcome(answer, Some(&before.sale))?;
    restock(shop, &after).await;
    Ok(after)
}

/// Turns one of the seller's switches.
pub async fn turn(shop: &Shop, id: &str, switch: Switch, authority: Authority) -> Result<StockedSale, Problem> {
    let id: SaleId = id.parse().map_err(|_| Code::SaleNotFound)?;
    let (name, detail) = match switch {
        Switch::Pause => ("pause", String::new()),
        Switch::Resume => ("resume", String::new()),
        Switch::Close => ("close", String::new()),
        Switch::Admission(admission) => ("admission", serde_json::to_string(&admission).unwrap_or_default()),
    };
    let act = act(shop, authority, name, detail);
    let answer = sales::switch(&shop.database, &id, switch, &act).await.map_err(|fault| store_trouble(&fault))?;
    outcome(answer, None)
}

/// What became of a change of `before`, whose items give the pointers.
fn outcome(changed: Changed, before: Option<&Sale>) -> Result<StockedSale, Problem> {
    match changed {
        Changed::To(sale) => Ok(*sale),
        Changed::NotFound => Err(Code::SaleNotFound.into()),
        Changed::OtherVersion(version) => {
            Err(Problem::from(Code::PreconditionFailed).detail(format!("The version is {version} now.")))
        }
        Changed::BelowSold(item) => {
            let at = before.and_then(|sale| sale.items.iter().position(|known| known.id == item)).unwrap_or(0);
            let pointer = format!("/items/{at}/units");
            Err(Problem::field(Code::InvalidField, pointer).detail("Units that are held or sold cannot be taken away."))
        }
    }
}

/// Tells the gate of changed units. Should it not answer, the reconciler does.
async fn restock(shop: &Shop, after: &StockedSale) {
    let key = after.queue_key();
    for item in &after.sale.items {
        if let Err(fault) = shop.queue.restock(&key, &item.id, item.units, after.sale.version).await {
            tracing::warn!(sale = %after.sale.id, %fault, "the gate hears of the changed units later");
        }
    }
}

/// The version that If-Match names.
fn wanted_version(headers: &HeaderMap) -> Result<i64, Problem> {
    let value = headers.get(header::IF_MATCH).ok_or(Code::PreconditionRequired)?;
    let version = value.to_str().ok().and_then(|value| value.trim_matches('"').parse().ok());
    version.ok_or_else(|| Code::PreconditionFailed.into())
}

fn sale_answer(shop: &Shop, status: StatusCode, known: &StockedSale) -> Response {
    with_sale(status, &SaleView::for_seller(known, shop.database.now()))
}

/// Makes a sale.
#[utoipa::path(post, path = "/v1/sales", tag = "seller", security(("token" = [])),
    responses((status = 201, description = "The sale"), (status = 409, description = "sale_exists"),
        (status = 422, description = "invalid_field, not_supported")))]
async fn create(State(shop): State<Shop>, request: Request) -> Answer {
    let headers = request.headers().clone();
    let made = async {
        let authority = authority(&shop, &headers).await?;
        make(&shop, &read_json(request).await?, authority).await
    };
    let known = made.await.map_err(|problem| Refused::new(problem, &headers))?;
    let mut response = sale_answer(&shop, StatusCode::CREATED, &known);
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/sales/{}", known.sale.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Changes a sale, when nobody else has since it was read.
#[utoipa::path(patch, path = "/v1/sales/{sale}", tag = "seller", security(("token" = [])), params(("sale" = String, Path)),
    responses((status = 200, description = "The sale"), (status = 412, description = "precondition_failed"),
        (status = 428, description = "precondition_required")))]
async fn change(State(shop): State<Shop>, Path(id): Path<String>, request: Request) -> Answer {
    let headers = request.headers().clone();
    let changed = async {
        let authority = authority(&shop, &headers).await?;
        let version = wanted_version(&headers)?;
        edit(&shop, &id, version, &read_json(request).await?, authority).await
    };
    let known = changed.await.map_err(|problem| Refused::new(problem, &headers))?;
    Ok(sale_answer(&shop, StatusCode::OK, &known))
}

/// Sets the rate, the cap and the share of calls beyond the free units.
#[utoipa::path(put, path = "/v1/sales/{sale}/admission", tag = "seller", security(("token" = [])), params(("sale" = String, Path)),
    responses((status = 200, description = "The settings now in force")))]
async fn set_admission(State(shop): State<Shop>, Path(id): Path<String>, request: Request) -> Answer {
    let headers = request.headers().clone();
    let set = async {
        let authority = authority(&shop, &headers).await?;
        let document = read_json(request).await?;
        steer(&shop, &id, &document, authority).await
    };
    let known = set.await.map_err(|problem| Refused::new(problem, &headers))?;
    Ok(settings(&shop, &known))
}

/// Lays new settings over those in force.
pub async fn steer(
    shop: &Shop,
    id: &str,
    document: &serde_json::Value,
    authority: Authority,
) -> Result<StockedSale, Problem> {
    let in_force = known(shop, id).await?.sale.admission;
    let admission = new_sale::admission(document, in_force)?;
    turn(shop, id, Switch::Admission(admission), authority).await
}

/// The settings now in force.
#[derive(Serialize)]
struct Settings {
    #[serde(flatten)]
    admission: Admission,
    state: sale::SaleState,
    paused: bool,
    version: i64,
}

fn settings(shop: &Shop, known: &StockedSale) -> Response {
    let sale = &known.sale;
    let state = known.state(shop.database.now());
    Json(Settings { admission: sale.admission, state, paused: sale.paused, version: sale.version }).into_response()
}

async fn switch(shop: Shop, id: String, headers: HeaderMap, to: Switch) -> Answer {
    let turned = async {
        let authority = authority(&shop, &headers).await?;
        turn(&shop, &id, to, authority).await
    };
    turned.await.map(|known| settings(&shop, &known)).map_err(|problem| Refused::new(problem, &headers))
}

/// Stops calling people.
#[utoipa::path(post, path = "/v1/sales/{sale}/pause", tag = "seller", security(("token" = [])), params(("sale" = String, Path)),
    responses((status = 200, description = "The settings now in force")))]
async fn pause(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    switch(shop, id, headers, Switch::Pause).await
}

/// Goes on calling people.
#[utoipa::path(post, path = "/v1/sales/{sale}/resume", tag = "seller", security(("token" = [])), params(("sale" = String, Path)),
    responses((status = 200, description = "The settings now in force")))]
async fn resume(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    switch(shop, id, headers, Switch::Resume).await
}

/// Closes the sale to newcomers; those inside may finish.
#[utoipa::path(post, path = "/v1/sales/{sale}/close", tag = "seller", security(("token" = [])), params(("sale" = String, Path)),
    responses((status = 200, description = "The settings now in force")))]
async fn close(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    switch(shop, id, headers, Switch::Close).await
}

/// The sale's figures at this moment.
#[derive(Clone, Debug, Serialize)]
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

#[derive(Clone, Debug, Serialize)]
pub struct Units {
    pub total: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

/// Reads the figures: the line's and the units' from the queue store in one step, the rest from the database.
pub async fn figures(shop: &Shop, id: &str) -> Result<Live, Problem> {
    let known = known(shop, id).await?;
    let now = shop.database.now();
    let key = known.queue_key();
    let seen = shop.queue.observe(&key, 1).await.map_err(|fault| store_trouble(&fault))?;
    let orders = orders::counts(&shop.database, &known.sale.id).await.map_err(|fault| store_trouble(&fault))?;
    let paying = payments::median_ms(&shop.database, &known.sale.id).await.map_err(|fault| store_trouble(&fault))?;
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
#[utoipa::path(get, path = "/v1/sales/{sale}/live", tag = "seller", security(("token" = [])), params(("sale" = String, Path)),
    responses((status = 200, description = "The figures")))]
async fn live(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let read = async {
        authority(&shop, &headers).await?;
        figures(&shop, &id).await
    };
    read.await.map(|live| Json(live).into_response()).map_err(|problem| Refused::new(problem, &headers))
}

/// Compares queue, stock, database, event log and payments; only differences that last over two reads count.
#[utoipa::path(get, path = "/v1/sales/{sale}/verify", tag = "seller", security(("token" = [])), params(("sale" = String, Path)),
    responses((status = 200, description = "What was compared, and what did not fit"),
        (status = 403, description = "not_allowed: only operators")))]
async fn verify(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let verified = async {
        if authority(&shop, &headers).await? < Authority::Operator {
            return Err(Code::NotAllowed.into());
        }
        let sale = known(&shop, &id).await?.sale.id;
        let verifier = Verifier {
            database: shop.database.clone(),
            queue: Arc::clone(&shop.queue),
            provider: Arc::clone(&shop.provider),
        };
        verifier.verify(Some(&sale), GRACE).await.map_err(|fault| store_trouble(&fault))
    };
    verified.await.map(|report| Json(report).into_response()).map_err(|problem| Refused::new(problem, &headers))
}
