//! The buyer's pages: the list of sales, the checkout, the order.

use std::slice;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, Uri};
use sale::{HoldState, Language, Money, OrderState, Pass, PaymentState, SaleId, SaleState, SessionId, Timestamp};
use serde::Deserialize;
use stores::database::{
    orders::{self, Order},
    passes,
    payments::Choice as PaymentChoice,
    sales::{self, StockedSale},
};
use web::{
    Code, Problem, answer,
    asking::trace_id,
    pages::{
        CheckoutPage, CheckoutState, Choice, Demo, HeldOrder, HistoryEntry, ItemCard, OrderLine, OrderPage, Reason,
        SaleRow, SalesPage, WayOn,
    },
};

use super::{
    Shop,
    asked::{Form, Path},
    console::to,
    orders::{own, pass},
    sales::known,
    store_trouble,
};
use crate::{
    Reserve, cancel, pay,
    reserve::{AskedContact, AskedLine, ReserveBody},
};

type Typed = std::collections::BTreeMap<String, String>;

pub fn routes() -> Router<Shop> {
    Router::new()
        .route("/", get(home))
        .route("/sales/{sale}/checkout", get(checkout).post(reserve))
        .route("/orders/{order}", get(order))
        .route("/orders/{order}/pay", post(pay_order))
        .route("/orders/{order}/cancel", post(cancel_order))
}

/// One request for a page of a buyer.
struct Visit<'r> {
    shop: &'r Shop,
    headers: &'r HeaderMap,
    uri: &'r Uri,
}

impl Visit<'_> {
    fn answers(&self) -> answer::Visit<'_> {
        let shop = self.shop;
        answer::Visit { site: &shop.site, headers: self.headers, uri: self.uri, now: shop.database.now() }
    }

    fn shell(&self) -> web::Shell {
        self.answers().shell()
    }

    fn page(&self, nonce: &str, status: StatusCode, html: String) -> Response {
        self.answers().page(nonce, status, html).map(axum::body::Body::new)
    }

    fn finish(&self, answered: Result<Response, Problem>, way_on: WayOn) -> Response {
        answered.unwrap_or_else(|problem| {
            let way_on = match problem.code {
                Code::SaleNotFound | Code::OrderNotFound => WayOn::Sales,
                _ => problem.order.clone().map_or(way_on, WayOn::Order),
            };
            self.answers().notice(&problem, way_on).map(axum::body::Body::new)
        })
    }
}

async fn home(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let visit = Visit { shop: &shop, headers: &headers, uri: &uri };
    visit.finish(sales_page(&visit).await, WayOn::Again("/".to_owned()))
}

async fn sales_page(visit: &Visit<'_>) -> Result<Response, Problem> {
    let shop = visit.shop;
    let shell = visit.shell();
    let nonce = shell.nonce.clone();
    let ids = sales::list(&shop.database, 50, None).await.map_err(|fault| store_trouble(&fault))?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(known) = sales::load(&shop.database, &id).await.map_err(|fault| store_trouble(&fault))? {
            rows.push(row(&known, shell.language, shop.database.now()));
        }
    }
    let demo = shop.demo.then(|| Demo { console_url: "/console".to_owned() });
    Ok(visit.page(&nonce, StatusCode::OK, SalesPage { shell, sales: rows, demo }.render()))
}

fn row(known: &StockedSale, language: Language, now: Timestamp) -> SaleRow {
    let items = known.sale.items.iter().zip(&known.stock).map(|(item, count)| ItemCard {
        name: item.name.in_language(language).to_owned(),
        price: item.price,
        units: item.units.into(),
        left: u64::try_from(count.free).unwrap_or(0),
    });
    SaleRow {
        id: known.sale.id.to_string(),
        name: known.sale.name.in_language(language).to_owned(),
        state: known.state(now),
        opens_at: known.sale.opens_at,
        items: items.collect(),
    }
}

async fn checkout(State(shop): State<Shop>, Path(sale): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let visit = Visit { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        let known = known(&shop, &sale).await?;
        let pass = carried(&shop, &known.sale.id, &headers).await?;
        let state = stands(&visit, &known, &pass).await?;
        Ok(checkout_page(&visit, &known, state, StatusCode::OK))
    };
    visit.finish(answered.await, WayOn::Line(sale.clone()))
}

/// The pass that the visitor carries, with the end that counts.
async fn carried(shop: &Shop, sale: &SaleId, headers: &HeaderMap) -> Result<Pass, Problem> {
    let mut pass = pass(shop, sale, headers)?;
    let now = shop.database.now();
    passes::renew(&shop.database, slice::from_mut(&mut pass), now).await.map_err(|fault| store_trouble(&fault))?;
    Ok(pass)
}

fn checkout_page(visit: &Visit<'_>, known: &StockedSale, state: CheckoutState, status: StatusCode) -> Response {
    let shell = visit.shell();
    let nonce = shell.nonce.clone();
    let sale_name = known.sale.name.in_language(shell.language).to_owned();
    let html = CheckoutPage { shell, sale: known.sale.id.to_string(), sale_name, state }.render();
    visit.page(&nonce, status, html)
}

/// Where the holder of this pass stands.
async fn stands(visit: &Visit<'_>, known: &StockedSale, pass: &Pass) -> Result<CheckoutState, Problem> {
    let shop = visit.shop;
    if let Some(id) = orders::of_pass(&shop.database, pass.id).await.map_err(|fault| store_trouble(&fault))? {
        let order = orders::view(&shop.database, id).await.map_err(|fault| store_trouble(&fault))?;
        return Ok(order.map_or(CheckoutState::PassUsed { order: None }, |order| ordered(visit, known, &order)));
    }
    let now = shop.database.now();
    if pass.check_time(now).is_err() {
        return Ok(CheckoutState::PassExpired);
    }
    if known.state(now) == SaleState::Closed {
        return Err(Code::SaleClosed.into());
    }
    if known.stock.iter().all(|count| count.free <= 0) {
        return Ok(CheckoutState::SoldOut { pass_until: pass.expires_at });
    }
    Ok(choosing(visit, known, pass, &Typing::default()))
}

/// What the form shows again.
#[derive(Default)]
struct Typing {
    typed: Typed,
    error: Option<Reason>,
}

fn choosing(visit: &Visit<'_>, known: &StockedSale, pass: &Pass, typing: &Typing) -> CheckoutState {
    let language = visit.shell().language;
    let limit = u64::from(known.sale.per_buyer_limit);
    let choices = known.sale.items.iter().zip(&known.stock).enumerate().map(|(at, (item, count))| {
        let most = u64::try_from(count.free).unwrap_or(0).min(limit);
        let typed = typing.typed.get(&format!("quantity_{}", item.id)).and_then(|typed| typed.trim().parse().ok());
        Choice {
            id: item.id.to_string(),
            name: item.name.in_language(language).to_owned(),
            price: item.price,
            most,
            quantity: typed.unwrap_or_else(|| u64::from(at == 0).min(most)),
        }
    });
    CheckoutState::Choosing {
        choices: choices.collect(),
        pass_until: pass.expires_at,
        per_buyer_limit: limit,
        hold_seconds: known.sale.hold_seconds.into(),
        email: typing.typed.get("email").cloned().unwrap_or_default(),
        error: typing.error,
        key: fresh_key(),
    }
}

/// A key for one press of one button: the same form sent twice is one action.
fn fresh_key() -> String {
    SessionId::random().reveal()
}

fn ordered(visit: &Visit<'_>, known: &StockedSale, order: &Order) -> CheckoutState {
    match order.state {
        OrderState::PendingPayment => {
            let held = held(visit, known, order);
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

fn held(visit: &Visit<'_>, known: &StockedSale, order: &Order) -> HeldOrder {
    let language = visit.shell().language;
    HeldOrder {
        order: order.id.to_string(),
        lines: lines(known, order, language),
        total: order.total,
        until: order.hold.map_or(Timestamp::default(), |hold| hold.deadline),
        methods: visit.shop.provider.methods().iter().map(|method| (*method).to_owned()).collect(),
        key: fresh_key(),
    }
}

fn lines(known: &StockedSale, order: &Order, language: Language) -> Vec<OrderLine> {
    let lines = order.lines.iter().map(|line| OrderLine {
        name: known
            .sale
            .item(&line.item)
            .map_or_else(|| line.item.to_string(), |item| item.name.in_language(language).to_owned()),
        quantity: line.quantity.into(),
        total: Money { amount: line.amount.saturating_mul(i64::from(line.quantity)), currency: order.total.currency },
    });
    lines.collect()
}

async fn reserve(
    State(shop): State<Shop>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    Form(typed): Form<Typed>,
) -> Response {
    let visit = Visit { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        let known = known(&shop, &sale).await?;
        let pass = carried(&shop, &known.sale.id, &headers).await?;
        let key = typed.get("key").filter(|key| (1..=255).contains(&key.len())).ok_or(Code::MalformedForm)?.clone();
        let body = body(&visit, &typed);
        let wish = Reserve { pass: pass.clone(), key, body, trace: trace_id(&headers) };
        match shop.reserver.reserve(wish).await.map_err(Problem::from) {
            Ok(_) => Ok(to(&format!("/sales/{sale}/checkout"))),
            Err(problem) if is_about_the_form(problem.code) => {
                refused(&visit, &known.sale.id, &pass, typed, &problem).await
            }
            Err(problem) => Err(problem),
        }
    };
    visit.finish(answered.await, WayOn::Checkout(sale.clone()))
}

const fn is_about_the_form(code: Code) -> bool {
    matches!(
        code,
        Code::SoldOut
            | Code::LimitReached
            | Code::InvalidQuantity
            | Code::InvalidField
            | Code::UnknownItem
            | Code::PassUsed
            | Code::PassExpired
    )
}

/// The checkout again: what was typed stays, and the pass is as good as before.
async fn refused(
    visit: &Visit<'_>,
    sale: &SaleId,
    pass: &Pass,
    typed: Typed,
    problem: &Problem,
) -> Result<Response, Problem> {
    let known = known(visit.shop, sale.as_str()).await?;
    let state = match stands(visit, &known, pass).await? {
        CheckoutState::Choosing { .. } => {
            let error = Some(Reason::from_code(problem.code.as_str()));
            choosing(visit, &known, pass, &Typing { typed, error })
        }
        elsewhere => elsewhere,
    };
    Ok(checkout_page(visit, &known, state, problem.code.status()))
}

fn body(visit: &Visit<'_>, typed: &Typed) -> ReserveBody {
    let lines = typed.iter().filter_map(|(name, value)| {
        let item = name.strip_prefix("quantity_")?.to_owned();
        // What is no number is refused as no quantity, like 0 alone.
        let quantity = value.trim().parse().unwrap_or(0);
        Some(AskedLine { item, quantity })
    });
    let mut lines: Vec<AskedLine> = lines.collect();
    if lines.iter().any(|line| line.quantity != 0) {
        lines.retain(|line| line.quantity != 0);
    }
    let email = typed.get("email").map(|email| email.trim()).filter(|email| !email.is_empty());
    let locale = Some(visit.shell().language.tag().to_owned());
    ReserveBody { lines, contact: email.map(|email| AskedContact { email: email.to_owned(), locale }) }
}

async fn order(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let visit = Visit { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        let order = own(&shop, &id, &headers).await?;
        order_page(&visit, &order).await
    };
    visit.finish(answered.await, WayOn::Sales)
}

async fn order_page(visit: &Visit<'_>, order: &Order) -> Result<Response, Problem> {
    let known = known(visit.shop, order.sale.as_str()).await?;
    let shell = visit.shell();
    let (language, nonce) = (shell.language, shell.nonce.clone());
    let now = visit.shop.database.now();
    let payable = order.state == OrderState::PendingPayment && order.hold.is_some_and(|hold| now < hold.deadline);
    let is_paying = order.hold.is_some_and(|hold| hold.state == HoldState::Paying);
    let late = order.hold.is_some_and(|hold| hold.deadline < now);
    let html = OrderPage {
        shell,
        order: order.id.to_string(),
        sale: order.sale.to_string(),
        sale_name: known.sale.name.in_language(language).to_owned(),
        state: order.state,
        lines: lines(&known, order, language),
        total: order.total,
        payment: payable.then(|| held(visit, &known, order)),
        attempt: order.payment.as_ref().map(|attempt| attempt.state.as_str().to_owned()),
        redirect_url: None,
        delayed: is_paying && late && order.payment.as_ref().is_some_and(|attempt| !attempt.sent),
        cancellable: order.state == OrderState::PendingPayment,
        history: order.history.iter().map(|step| HistoryEntry { state: step.state, at: step.at }).collect(),
    }
    .render();
    Ok(visit.page(&nonce, StatusCode::OK, html))
}

#[derive(Deserialize)]
struct PaymentForm {
    #[serde(default)]
    method: String,
    #[serde(default)]
    key: String,
}

async fn pay_order(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    Form(form): Form<PaymentForm>,
) -> Response {
    let visit = Visit { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        let order = own(&shop, &id, &headers).await?;
        if !(1..=255).contains(&form.key.len()) {
            return Err(Code::MalformedForm.into());
        }
        let choice = PaymentChoice { order: order.id, idempotency_key: &form.key, method: &form.method };
        pay::pay(&shop.database, shop.provider.as_ref(), choice).await?;
        Ok(to(&format!("/orders/{id}")))
    };
    visit.finish(answered.await, WayOn::Order(id.clone()))
}

async fn cancel_order(State(shop): State<Shop>, Path(id): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let visit = Visit { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        let order = own(&shop, &id, &headers).await?;
        cancel::cancel(&shop.database, order.id).await?;
        Ok(to(&format!("/orders/{id}")))
    };
    visit.finish(answered.await, WayOn::Order(id.clone()))
}
