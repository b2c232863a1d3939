//! Sales as everybody sees them.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use sale::{Admission, Item, SaleId, SaleState, Text, Timestamp, sale::Kind};
use serde::Serialize;
use serde_json::{Value, json};
use stores::database::sales::{self, StockedSale};
use utoipa::ToSchema;
use web::ApiError;

use super::{
    AppState,
    access::{Anyone, Principal},
    extract::{Path, Query},
    load_sale,
    paging::{Cursor, PAGE, Page, next_cursor},
};

/// A sale on the wire.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(examples(example))]
pub struct SaleView {
    pub id: SaleId,
    pub kind: Kind,
    pub state: SaleState,
    pub name: Text,
    pub message: Option<Text>,
    pub opens_at: Timestamp,
    pub closes_at: Option<Timestamp>,
    pub items: Vec<ItemView>,
    pub per_buyer_limit: u32,
    pub hold_seconds: u32,
    pub enter_seconds: u32,
    pub pass_seconds: u32,
    pub version: i64,
    /// Only for the seller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Admission>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ItemView {
    #[serde(flatten)]
    pub item: Item,
    /// Units that nobody holds or has bought.
    pub left: u64,
}

impl SaleView {
    pub fn new(stocked: &StockedSale, now: Timestamp) -> Self {
        let sale = &stocked.sale;
        let items = sale
            .items
            .iter()
            .zip(&stocked.stock)
            .map(|(item, count)| ItemView { item: item.clone(), left: u64::try_from(count.free).unwrap_or(0) });
        Self {
            id: sale.id.clone(),
            kind: sale.kind,
            state: stocked.state(now),
            name: sale.name.clone(),
            message: sale.message.clone(),
            opens_at: sale.opens_at,
            closes_at: sale.closes_at,
            items: items.collect(),
            per_buyer_limit: sale.per_buyer_limit,
            hold_seconds: sale.hold_seconds,
            enter_seconds: sale.enter_seconds,
            pass_seconds: sale.pass_seconds,
            version: sale.version,
            admission: None,
        }
    }

    /// The same for its seller.
    pub fn for_seller(stocked: &StockedSale, now: Timestamp) -> Self {
        Self { admission: Some(stocked.sale.admission), ..Self::new(stocked, now) }
    }
}

/// A sale as its seller sees it.
fn example() -> Value {
    json!({
        "id": "sneaker",
        "kind": "open_run",
        "state": "open",
        "name": {"ko": "한정판 운동화", "en": "Limited sneaker"},
        "message": null,
        "opens_at": "2026-11-21T09:00:00.000Z",
        "closes_at": null,
        "items": [{
            "id": "pair",
            "name": {"ko": "한 켤레", "en": "One pair"},
            "price": {"amount": 189_000, "currency": "KRW"},
            "units": 1000,
            "left": 312,
        }],
        "per_buyer_limit": 1,
        "hold_seconds": 300,
        "enter_seconds": 120,
        "pass_seconds": 600,
        "version": 1,
        "admission": {"mode": "manual", "per_minute": 600, "max_active": 200, "overcall": 0.0},
    })
}

/// The `ETag` of a sale: its version.
pub fn etag(version: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// An answer with a sale in it.
pub fn with_sale(status: StatusCode, view: &SaleView) -> Response {
    let mut response = (status, Json(view)).into_response();
    response.headers_mut().insert(header::ETAG, etag(view.version));
    response
}

/// All sales, newest opening first.
#[utoipa::path(
    get,
    path = "/v1/sales",
    operation_id = "list_sales",
    tag = "sales",
    params(("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses(
        (status = 200, description = "A page of sales", body = Page<SaleView>),
        (status = 422, description = "invalid_field")
    )
)]
pub async fn list(
    _: Anyone,
    State(app): State<AppState>,
    Query(query): Query<Cursor>,
) -> Result<Json<Page<SaleView>>, ApiError> {
    let after = query.parse(|cursor| cursor.parse::<SaleId>().ok())?;
    let ids = sales::list(&app.database, PAGE, after.as_ref()).await?;
    let mut data = Vec::with_capacity(ids.len());
    for id in &ids {
        if let Some(stocked) = sales::load(&app.database, id).await? {
            data.push(SaleView::new(&stocked, app.database.now()));
        }
    }
    Ok(Json(Page { data, next_cursor: next_cursor(&ids, SaleId::to_string) }))
}

/// One sale. Sellers see its admission settings, too.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}",
    operation_id = "show_sale",
    tag = "sales",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The sale", body = SaleView, headers(("ETag" = String, description = "its version, for If-Match"))))
)]
pub async fn show(
    principal: Principal,
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let stocked = load_sale(&app, &id).await?;
    let now = app.database.now();
    let view = if principal.is_seller() { SaleView::for_seller(&stocked, now) } else { SaleView::new(&stocked, now) };
    Ok(with_sale(StatusCode::OK, &view))
}
