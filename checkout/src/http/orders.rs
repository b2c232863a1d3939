//! Orders over HTTP: reserve, pay, look, cancel.

use axum::{
    Json as JsonAnswer,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderName, HeaderValue, StatusCode, header};
use sale::{OrderId, SaleId, Timestamp};
use serde_json::Value;
use stores::database::{
    orders::{self, Order},
    payments::PayRequest,
};
use utoipa::ToSchema;
use web::{ApiError, ErrorCode, paths};

use super::{
    AppState,
    access::{OwnOrder, PassHolder, Seller, Write},
    extract::{FromJson, IdempotencyKey, Json, Path, Query, TraceId},
    load_sale,
    paging::{Cursor, PAGE, Page, next_cursor},
};
use crate::{
    OrderView, ReserveRequest, cancel,
    reserve::{RequestedContact, RequestedLine, ReserveBody},
};

impl FromJson for ReserveBody {
    fn from_json(document: Value) -> Result<Self, ApiError> {
        let lines = document
            .get("lines")
            .and_then(Value::as_array)
            .ok_or_else(|| ApiError::field(ErrorCode::InvalidField, "/lines"))?;
        let lines = lines.iter().enumerate().map(|(at, line)| requested_line(at, line)).collect::<Result<_, _>>()?;
        let contact = match document.get("contact") {
            None | Some(Value::Null) => None,
            Some(contact) => {
                let text = |key: &str| {
                    let text = contact.get(key).and_then(Value::as_str).map(str::to_owned);
                    text.ok_or_else(|| ApiError::field(ErrorCode::InvalidField, format!("/contact/{key}")))
                };
                let has_locale = contact.get("locale").is_some_and(|locale| !locale.is_null());
                Some(RequestedContact {
                    email: text("email")?,
                    locale: has_locale.then(|| text("locale")).transpose()?,
                })
            }
        };
        Ok(Self { lines, contact })
    }
}

fn requested_line(at: usize, line: &Value) -> Result<RequestedLine, ApiError> {
    let field = |key: &str| format!("/lines/{at}/{key}");
    let item = line
        .get("item")
        .and_then(Value::as_str)
        .ok_or_else(|| ApiError::field(ErrorCode::InvalidField, field("item")))?;
    let quantity = match line.get("quantity") {
        Some(Value::Number(number)) => {
            number.as_i64().ok_or_else(|| ApiError::field(ErrorCode::InvalidQuantity, field("quantity")))?
        }
        _ => return Err(ApiError::field(ErrorCode::InvalidField, field("quantity"))),
    };
    Ok(RequestedLine { item: item.to_owned(), quantity })
}

/// The body of `POST /v1/orders/{order}/payments`.
#[derive(ToSchema)]
#[schema(examples(json!({"method": "sandbox_ok"})))]
pub struct PaymentBody {
    /// One of the provider's methods.
    pub method: String,
}

impl FromJson for PaymentBody {
    fn from_json(document: Value) -> Result<Self, ApiError> {
        let method = document.get("method").and_then(Value::as_str);
        let method = method.ok_or_else(|| ApiError::field(ErrorCode::InvalidField, "/method"))?;
        Ok(Self { method: method.to_owned() })
    }
}

/// Reserves units and places the order.
#[utoipa::path(
    post,
    path = "/v1/sales/{sale}/orders",
    operation_id = "place_order",
    tag = "orders",
    params(("sale" = SaleId, Path), ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = "^[ -~]+$", description = "names this action")),
    responses(
        (status = 201, description = "The order, its units held", body = OrderView,
            headers(("Location" = String, description = "the order"))),
        (status = 400, description = "idempotency_key_missing"),
        (status = 401, description = "pass_expired"),
        (status = 403, description = "pass_used"),
        (status = 409, description = "sale_not_open, sold_out, limit_reached, in_flight"),
        (status = 410, description = "sale_closed"),
        (status = 422, description = "invalid_field, invalid_quantity, unknown_item, key_reused")
    )
)]
pub async fn reserve(
    Write(PassHolder(pass)): Write<PassHolder>,
    State(app): State<AppState>,
    IdempotencyKey(key): IdempotencyKey,
    TraceId(trace): TraceId,
    Json(body): Json<ReserveBody>,
) -> Result<Response, ApiError> {
    place(app, ReserveRequest { pass, key, body, trace }).await
}

/// Boxed, so that it is compiled here: in a rush it is what most requests to this router ask for.
fn place(app: AppState, request: ReserveRequest) -> BoxFuture<'static, Result<Response, ApiError>> {
    async move { Ok(created(&app.reserver.reserve(request).await?.order)) }.boxed()
}

fn created(order: &Order) -> Response {
    let mut response = (StatusCode::CREATED, PRIVATE, JsonAnswer(OrderView::from(order))).into_response();
    if let Ok(location) = HeaderValue::try_from(paths::api::order(order.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Asks for a payment.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/payments",
    operation_id = "pay_order",
    tag = "orders",
    params(("order" = OrderId, Path), ("Idempotency-Key" = String, Header, min_length = 1, max_length = 255, pattern = "^[ -~]+$", description = "names this action")),
    responses(
        (status = 202, description = "The order, its payment under way", body = OrderView),
        (status = 400, description = "idempotency_key_missing"),
        (status = 409, description = "hold_expired, payment_in_progress, already_paid"),
        (status = 422, description = "invalid_field, unknown_method, key_reused")
    )
)]
pub async fn begin_payment(
    Write(OwnOrder(order)): Write<OwnOrder>,
    State(app): State<AppState>,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<PaymentBody>,
) -> Result<impl IntoResponse + use<>, ApiError> {
    let request = PayRequest { order: order.id, idempotency_key: key, method: body.method };
    let order = app.payment_requester.request(request).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, JsonAnswer(OrderView::from(&order))))
}

/// An order and its history.
#[utoipa::path(
    get,
    path = "/v1/orders/{order}",
    operation_id = "show_order",
    tag = "orders",
    params(("order" = OrderId, Path)),
    responses((status = 200, description = "The order", body = OrderView))
)]
#[expect(clippy::unused_async, reason = "axum takes no other handlers")]
pub async fn show(OwnOrder(order): OwnOrder) -> impl IntoResponse + use<> {
    (PRIVATE, JsonAnswer(OrderView::from(&order)))
}

/// Cancels an order that is not paid.
#[utoipa::path(
    post,
    path = "/v1/orders/{order}/cancel",
    operation_id = "cancel_order",
    tag = "orders",
    params(("order" = OrderId, Path)),
    responses(
        (status = 202, description = "The order", body = OrderView),
        (status = 409, description = "cannot_cancel")
    )
)]
pub async fn cancel(
    Write(OwnOrder(order)): Write<OwnOrder>,
    State(app): State<AppState>,
) -> Result<impl IntoResponse + use<>, ApiError> {
    let order = cancel::cancel(&app.database, order.id).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, JsonAnswer(OrderView::from(&order))))
}

/// The orders of a sale, newest first.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/orders",
    operation_id = "list_orders",
    tag = "seller",
    params(("sale" = SaleId, Path), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses(
        (status = 200, description = "A page of orders", body = Page<OrderView>),
        (status = 422, description = "invalid_field")
    )
)]
pub async fn list(
    _: Seller,
    State(app): State<AppState>,
    Path(sale): Path<String>,
    Query(query): Query<Cursor>,
) -> Result<impl IntoResponse + use<>, ApiError> {
    let (orders, next_cursor) = page(&app, &sale, &query).await?;
    let data = orders.iter().map(OrderView::from).collect();
    Ok((PRIVATE, JsonAnswer(Page::<OrderView> { data, next_cursor })))
}

/// Meant for its asker alone.
const PRIVATE: [(HeaderName, HeaderValue); 1] = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// A page of a sale's orders and where the next one begins: `{created_at in ms}.{order}`.
pub async fn page(app: &AppState, sale: &str, cursor: &Cursor) -> Result<(Vec<Order>, Option<String>), ApiError> {
    let sale = load_sale(app, sale).await?.sale.id;
    let orders = orders::page(&app.database, &sale, cursor.parse(parse_cursor)?, PAGE).await?;
    let next = next_cursor(&orders, |last| format!("{}.{}", last.created_at.as_millis(), last.id));
    Ok((orders, next))
}

fn parse_cursor(cursor: &str) -> Option<orders::Cursor> {
    let (at, id) = cursor.split_once('.')?;
    Some(orders::Cursor { created_at: Timestamp::from_millis(at.parse().ok()?), id: OrderId::parse(id)? })
}
