//! Orders over HTTP: reserve, pay, look, cancel.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sale::{OrderId, Pass, SaleId, Ticket, Timestamp, pass::BadPass};
use serde_json::Value;
use stores::database::{
    orders::{self, Order},
    payments::Choice,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{
    Code, Problem,
    asking::{bearer, idempotency_key, trace_id},
};

use super::{
    Answer, Refused, Shop,
    asked::{Path, Query},
    read_json,
    sales::{Cursor, Page, known},
    sellers::authority,
    store_trouble,
};
use crate::{
    OrderView, Refusal, Reserve, Reserved, cancel, pay,
    reserve::{AskedContact, AskedLine, ReserveBody},
};

/// Orders on one page of a list.
const PAGE: i64 = 50;

pub fn routes() -> OpenApiRouter<Shop> {
    OpenApiRouter::new()
        .routes(routes!(reserve))
        .routes(routes!(list))
        .routes(routes!(begin_payment))
        .routes(routes!(show))
        .routes(routes!(let_go))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Invalid(errors) => errors.first().map_or(Code::InvalidField, |error| error.code),
            Refusal::SaleNotFound => Code::SaleNotFound,
            Refusal::SaleNotOpen => Code::SaleNotOpen,
            Refusal::SaleClosed => Code::SaleClosed,
            Refusal::SoldOut => Code::SoldOut,
            Refusal::LimitReached => Code::LimitReached,
            Refusal::InFlight => Code::InFlight,
            Refusal::KeyReused => Code::KeyReused,
            Refusal::PassExpired => Code::PassExpired,
            Refusal::PassUsed { .. } => Code::PassUsed,
            Refusal::OrderNotFound => Code::OrderNotFound,
            Refusal::HoldExpired => Code::HoldExpired,
            Refusal::PaymentInProgress => Code::PaymentInProgress,
            Refusal::AlreadyPaid => Code::AlreadyPaid,
            Refusal::CannotCancel => Code::CannotCancel,
            Refusal::StoreUnavailable => Code::StoreUnavailable,
            Refusal::Overloaded => Code::Overloaded,
        };
        let mut problem = Self { retry_after_seconds: refusal.retry_after(), ..Self::from(code) };
        match refusal {
            Refusal::Invalid(errors) => problem.errors = errors,
            Refusal::PassUsed { order } => problem.order = order.map(|order| order.to_string()),
            _ => {}
        }
        problem
    }
}

/// The pass of a request: a bearer token, or the cookie of this sale together with its session.
pub fn pass(shop: &Shop, sale: &SaleId, headers: &HeaderMap) -> Result<Pass, Problem> {
    let (text, by_cookie) = match bearer(headers) {
        Some(text) => (text, false),
        None => (shop.site.pass(headers, sale).ok_or(Code::PassMissing)?, true),
    };
    let pass = shop.passes.read(text).map_err(|_| Code::PassInvalid)?;
    if pass.sale != *sale {
        return Err(Code::WrongSale.into());
    }
    let session = shop.site.session(headers).map(|session| session.buyer());
    if (by_cookie || pass.bound) && session != Some(pass.buyer) {
        return Err(Code::WrongSession.into());
    }
    match pass.check_time(shop.database.now()) {
        Err(BadPass::Invalid) => Err(Code::PassInvalid.into()),
        // An expired pass still finds the order that it bought; the reservation itself checks the time.
        Ok(()) | Err(BadPass::Expired) => Ok(pass),
    }
}

/// The same for a sale that may not exist, which is the better reason.
pub async fn pass_of(shop: &Shop, sale: &SaleId, headers: &HeaderMap) -> Result<Pass, Problem> {
    match pass(shop, sale, headers) {
        Ok(pass) => Ok(pass),
        Err(problem) => known(shop, sale.as_str()).await.and(Err(problem)),
    }
}

/// The order, if it is the asker's: of the same session, of the ticket or pass that the request carries.
pub async fn own(shop: &Shop, id: &str, headers: &HeaderMap) -> Result<Order, Problem> {
    let id = OrderId::parse(id).ok_or(Code::OrderNotFound)?;
    let order = orders::view(&shop.database, id).await.map_err(|fault| store_trouble(&fault))?;
    let order = order.ok_or(Code::OrderNotFound)?;
    if is_own(shop, &order, headers) || authority(shop, headers).await.is_ok() {
        Ok(order)
    } else {
        Err(Code::OrderNotFound.into())
    }
}

fn is_own(shop: &Shop, order: &Order, headers: &HeaderMap) -> bool {
    let session = shop.site.session(headers).map(|session| session.buyer());
    if session == Some(order.buyer) {
        return true;
    }
    let Some(text) = bearer(headers) else { return false };
    let by_ticket = Ticket::verify(&shop.keys.tickets, text)
        .is_some_and(|ticket| ticket.sale == order.sale && ticket.buyer == order.buyer && !ticket.bound);
    by_ticket || shop.passes.read(text).is_ok_and(|pass| pass.id == order.pass && !pass.bound)
}

/// Reads the body of a reservation; what has the wrong type is told by its pointer.
fn body(document: &Value) -> Result<ReserveBody, Problem> {
    let lines =
        document.get("lines").and_then(Value::as_array).ok_or_else(|| Problem::field(Code::InvalidField, "/lines"))?;
    let lines = lines.iter().enumerate().map(|(at, line)| asked_line(at, line)).collect::<Result<_, _>>()?;
    let contact = match document.get("contact") {
        None | Some(Value::Null) => None,
        Some(contact) => {
            let text = |key: &str| {
                let text = contact.get(key).and_then(Value::as_str).map(str::to_owned);
                text.ok_or_else(|| Problem::field(Code::InvalidField, format!("/contact/{key}")))
            };
            let has_locale = contact.get("locale").is_some_and(|locale| !locale.is_null());
            Some(AskedContact { email: text("email")?, locale: has_locale.then(|| text("locale")).transpose()? })
        }
    };
    Ok(ReserveBody { lines, contact })
}

fn asked_line(at: usize, line: &Value) -> Result<AskedLine, Problem> {
    let field = |key: &str| format!("/lines/{at}/{key}");
    let item =
        line.get("item").and_then(Value::as_str).ok_or_else(|| Problem::field(Code::InvalidField, field("item")))?;
    let quantity = match line.get("quantity") {
        Some(Value::Number(number)) => {
            number.as_i64().ok_or_else(|| Problem::field(Code::InvalidQuantity, field("quantity")))?
        }
        _ => return Err(Problem::field(Code::InvalidField, field("quantity"))),
    };
    Ok(AskedLine { item: item.to_owned(), quantity })
}

/// Reserves units and places the order.
#[utoipa::path(post, path = "/v1/sales/{sale}/orders", tag = "orders", security(("pass" = [])), params(("sale" = String, Path),
    ("Idempotency-Key" = String, Header)), responses((status = 201, description = "The order, its units held"),
    (status = 403, description = "pass_used, wrong_session, wrong_sale"),
    (status = 409, description = "sold_out, limit_reached, in_flight")))]
async fn reserve(State(shop): State<Shop>, Path(sale): Path<String>, request: Request) -> Answer {
    let headers = request.headers().clone();
    let reserved = async {
        let sale: SaleId = sale.parse().map_err(|_| Code::SaleNotFound)?;
        let pass = pass_of(&shop, &sale, &headers).await?;
        let key = idempotency_key(&headers)?.to_owned();
        let body = body(&read_json(request).await?)?;
        let wish = Reserve { pass, key, body, trace: trace_id(&headers) };
        Ok::<Reserved, Problem>(shop.reserver.reserve(wish).await?)
    };
    let reserved = reserved.await.map_err(|problem| Refused::new(problem, &headers))?;
    let mut response = (StatusCode::CREATED, Json(OrderView::from(&reserved.order))).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/orders/{}", reserved.order.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(private(response))
}

/// Asks for a payment.
#[utoipa::path(post, path = "/v1/orders/{order}/payments", tag = "orders", params(("order" = String, Path),
    ("Idempotency-Key" = String, Header)), responses((status = 202, description = "The order, its payment under way"),
    (status = 409, description = "hold_expired, payment_in_progress, already_paid")))]
async fn begin_payment(State(shop): State<Shop>, Path(id): Path<String>, request: Request) -> Answer {
    let headers = request.headers().clone();
    let begun = async {
        let order = own(&shop, &id, &headers).await?;
        let key = idempotency_key(&headers)?;
        let document = read_json(request).await?;
        let method = document.get("method").and_then(Value::as_str);
        let method = method.ok_or_else(|| Problem::field(Code::InvalidField, "/method"))?;
        let choice = Choice { order: order.id, idempotency_key: key, method };
        Ok::<Order, Problem>(pay::pay(&shop.database, shop.provider.as_ref(), choice).await?)
    };
    let order = begun.await.map_err(|problem| Refused::new(problem, &headers))?;
    Ok(private((StatusCode::ACCEPTED, Json(OrderView::from(&order))).into_response()))
}

/// An order and its history.
#[utoipa::path(get, path = "/v1/orders/{order}", tag = "orders", params(("order" = String, Path)),
    responses((status = 200, description = "The order"), (status = 404, description = "order_not_found")))]
async fn show(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let order = own(&shop, &id, &headers).await.map_err(|problem| Refused::new(problem, &headers))?;
    Ok(private(Json(OrderView::from(&order)).into_response()))
}

/// Lets an order go before it is paid.
#[utoipa::path(post, path = "/v1/orders/{order}/cancel", tag = "orders", params(("order" = String, Path)),
    responses((status = 202, description = "The order"), (status = 409, description = "cannot_cancel")))]
async fn let_go(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let cancelled = async {
        let order = own(&shop, &id, &headers).await?;
        Ok::<Order, Problem>(cancel::cancel(&shop.database, order.id).await?)
    };
    let order = cancelled.await.map_err(|problem| Refused::new(problem, &headers))?;
    Ok(private((StatusCode::ACCEPTED, Json(OrderView::from(&order))).into_response()))
}

/// The orders of a sale, newest first.
#[utoipa::path(get, path = "/v1/sales/{sale}/orders", tag = "seller", security(("token" = [])), params(("sale" = String, Path),
    ("cursor" = Option<String>, Query)), responses((status = 200, description = "A page of orders")))]
async fn list(
    State(shop): State<Shop>,
    Path(sale): Path<String>,
    Query(cursor): Query<Cursor>,
    headers: HeaderMap,
) -> Answer {
    let listed = async {
        authority(&shop, &headers).await?;
        page(&shop, &sale, cursor.cursor.as_deref()).await
    };
    let (orders, next_cursor) = listed.await.map_err(|problem| Refused::new(problem, &headers))?;
    let data = orders.iter().map(OrderView::from).collect();
    Ok(private(Json(Page::<OrderView> { data, next_cursor }).into_response()))
}

/// A page of a sale's orders and where the next one begins: `{created_at in ms}.{order}`.
pub async fn page(shop: &Shop, sale: &str, cursor: Option<&str>) -> Result<(Vec<Order>, Option<String>), Problem> {
    let sale = known(shop, sale).await?.sale.id;
    let after = cursor.map(|cursor| parse_cursor(cursor).ok_or_else(|| Problem::field(Code::InvalidField, "/cursor")));
    let orders =
        orders::page(&shop.database, &sale, after.transpose()?, PAGE).await.map_err(|fault| store_trouble(&fault))?;
    let full = i64::try_from(orders.len()).is_ok_and(|count| count == PAGE);
    let next = orders.last().filter(|_| full).map(|last| format!("{}.{}", last.created_at.as_millis(), last.id));
    Ok((orders, next))
}

fn parse_cursor(cursor: &str) -> Option<orders::Cursor> {
    let (at, id) = cursor.split_once('.')?;
    Some(orders::Cursor { created_at: Timestamp::from_millis(at.parse().ok()?), id: OrderId::parse(id)? })
}

/// Meant for its asker alone.
fn private(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
