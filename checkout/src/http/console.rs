//! The seller's console: sign in by link, see every sale, steer one while it runs.

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use sale::{
    Language, OrderState, Timestamp,
    secret::{hash_of, random_secret},
    token::Authority,
};
use serde::Deserialize;
use stores::database::{
    acts::{self, Act},
    orders::Order,
    sales::{self, StockedSale, Switch},
    sellers,
};
use stores::mail::mailbox::{Letter, Mailbox};
use web::{
    Code, Moment, Money, Problem, Shell,
    answer::{self, see_other},
    pages::{
        self, WayOn,
        console::{
            Admission, Change, ConsoleOrderRow, ConsoleOrdersPage, ConsoleSalePage, ConsoleSaleRow, ConsoleSalesPage,
            Fault, FieldFault, Live, MailPage, MailRow, MailboxPage, SignIn, SignInPage, Trouble,
        },
    },
};

use super::{
    Shop,
    asked::{Form, Path, Query},
    console_form,
    sales::{Cursor, known},
    seller::{figures, steer, turn},
    sellers::{SESSION_SECONDS, authority},
    store_trouble,
};

/// Acts that the page of a sale shows.
const ACTS: i64 = 20;

pub fn routes() -> Router<Shop> {
    Router::new()
        .route("/console", get(home))
        .route("/console/sign-in/{secret}", get(confirm).post(sign_in))
        .route("/console/sign-out", post(sign_out))
        .route("/console/sales/{sale}", get(sale))
        .route("/console/sales/{sale}/admission", post(set_admission))
        .route("/console/sales/{sale}/pause", post(pause))
        .route("/console/sales/{sale}/resume", post(resume))
        .route("/console/sales/{sale}/close", post(close))
        .route("/console/sales/{sale}/orders", get(orders))
        .route("/console/mailbox", get(mailbox))
        .route("/console/mailbox/{id}", get(mail))
        .route("/console/demo/reset", post(reset))
        .merge(console_form::routes())
}

/// One request of the console: what it needs to answer with a page.
pub struct Desk<'r> {
    pub shop: &'r Shop,
    pub headers: &'r HeaderMap,
    pub uri: &'r Uri,
}

impl Desk<'_> {
    fn visit(&self) -> answer::Visit<'_> {
        let shop = self.shop;
        answer::Visit { site: &shop.site, headers: self.headers, uri: self.uri, now: shop.database.now() }
    }

    pub fn shell(&self) -> Shell {
        self.visit().shell()
    }

    pub fn page(&self, nonce: &str, status: StatusCode, html: String) -> Response {
        self.visit().page(nonce, status, html).map(axum::body::Body::new)
    }

    /// The page, or the notice of what went wrong. Who is not signed in is led to the sign-in.
    pub fn finish(&self, answered: Result<Response, Problem>) -> Response {
        answered.unwrap_or_else(|problem| match problem.code {
            Code::TokenMissing | Code::TokenInvalid => to("/console"),
            _ => self.visit().notice(&problem, WayOn::Console).map(axum::body::Body::new),
        })
    }
}

/// On to another page.
pub fn to(path: &str) -> Response {
    see_other(path).map(axum::body::Body::new)
}

async fn home(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    if authority(&shop, &headers).await.is_err() {
        return sign_in_page(&desk, SignIn::Explained { demo: shop.demo }, StatusCode::OK);
    }
    desk.finish(list(&desk).await)
}

async fn list(desk: &Desk<'_>) -> Result<Response, Problem> {
    let shop = desk.shop;
    let shell = desk.shell();
    let ids = sales::list(&shop.database, 100, None).await.map_err(|fault| store_trouble(&fault))?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(known) = sales::load(&shop.database, &id).await.map_err(|fault| store_trouble(&fault))? else {
            continue;
        };
        let line = stores::queue::LineKey { sale: id.clone(), epoch: known.sale.epoch };
        // A line in trouble still has its row; its own page tells of the trouble.
        let waiting = shop.line.observe(&line, 1, shop.database.now()).await.map_or(0, |seen| seen.waiting);
        rows.push(ConsoleSaleRow {
            id: id.to_string(),
            name: known.sale.name.in_language(shell.lang.into()).to_owned(),
            state: state(&known, shop.database.now()),
            opens_at: Moment(known.sale.opens_at.as_millis()),
            waiting,
            sold: known.sold(),
            units: known.sale.units(),
        });
    }
    let nonce = shell.nonce.clone();
    let html = ConsoleSalesPage { shell, sales: rows, demo: shop.demo }.render();
    Ok(desk.page(&nonce, StatusCode::OK, html))
}

fn sign_in_page(desk: &Desk<'_>, state: SignIn, status: StatusCode) -> Response {
    let shell = desk.shell();
    let nonce = shell.nonce.clone();
    desk.page(&nonce, status, SignInPage { shell, state }.render())
}

/// A link is only looked at when it is opened: mail programs open links too. The button uses it.
async fn confirm(State(shop): State<Shop>, Path(secret): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    match sellers::is_link_good(&shop.database, &hash_of(&secret), shop.database.now()).await {
        Ok(true) => sign_in_page(&desk, SignIn::Confirm { token: secret }, StatusCode::OK),
        Ok(false) => sign_in_page(&desk, SignIn::Refused, StatusCode::GONE),
        Err(fault) => desk.finish(Err(store_trouble(&fault))),
    }
}

async fn sign_in(State(shop): State<Shop>, Path(link): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let now = shop.database.now();
    let (secret, hash) = random_secret();
    let until = now.plus_seconds(SESSION_SECONDS);
    match sellers::sign_in(&shop.database, &hash_of(&link), &hash, now, until).await {
        Ok(true) => with_cookie(to("/console"), shop.site.set_console(&secret, SESSION_SECONDS)),
        Ok(false) => sign_in_page(&desk, SignIn::Refused, StatusCode::GONE),
        Err(fault) => desk.finish(Err(store_trouble(&fault))),
    }
}

async fn sign_out(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let signed_out = async {
        if let Some(session) = shop.site.console(&headers) {
            sellers::sign_out(&shop.database, &hash_of(session)).await.map_err(|fault| store_trouble(&fault))?;
        }
        Ok(with_cookie(to("/console"), shop.site.set_console("", 0)))
    };
    desk.finish(signed_out.await)
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// What the page of a sale shows beyond its figures.
#[derive(Default)]
struct Shown {
    saved: bool,
    /// What was typed, when it was refused.
    typed: Option<AdmissionForm>,
    faults: Vec<FieldFault>,
}

#[derive(Deserialize)]
struct Saved {
    saved: Option<String>,
}

async fn sale(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    Query(saved): Query<Saved>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let shown = Shown { saved: saved.saved.is_some(), ..Shown::default() };
    let answered = async {
        authority(&shop, &headers).await?;
        sale_page(&desk, &id, shown).await
    };
    desk.finish(answered.await)
}

async fn sale_page(desk: &Desk<'_>, id: &str, shown: Shown) -> Result<Response, Problem> {
    let shop = desk.shop;
    let known = known(shop, id).await?;
    let (live, mut trouble) = match figures(shop, id).await {
        Ok(figures) => (live(&figures), trouble(&figures)),
        Err(_) => (quiet(&known), vec![Trouble::Store]),
    };
    let waiting_events =
        stores::database::outbox::unpublished_count(&shop.database).await.map_err(|fault| store_trouble(&fault))?;
    if waiting_events > MANY_EVENTS {
        trouble.push(Trouble::Events(waiting_events));
    }
    let shell = desk.shell();
    let (lang, nonce): (Language, String) = (shell.lang.into(), shell.nonce.clone());
    let acts = acts::latest(&shop.database, &known.sale.id, ACTS).await.map_err(|fault| store_trouble(&fault))?;
    let in_force = known.sale.admission;
    let typed = shown.typed.unwrap_or_else(|| AdmissionForm {
        per_minute: in_force.per_minute.to_string(),
        max_active: in_force.max_active.to_string(),
        overcall: in_force.overcall.to_string(),
    });
    let status = if shown.faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let html = ConsoleSalePage {
        shell,
        sale: id.to_owned(),
        name: known.sale.name.in_language(lang).to_owned(),
        state: state(&known, shop.database.now()),
        opens_at: Moment(known.sale.opens_at.as_millis()),
        live,
        admission: Admission { per_minute: typed.per_minute, max_active: typed.max_active, overcall: typed.overcall },
        trouble,
        changes: acts.iter().map(|act| change(act, lang)).collect(),
        saved: shown.saved,
        faults: shown.faults,
    }
    .render();
    Ok(desk.page(&nonce, status, html))
}

/// Unpublished events that are more than the relay has in its hands.
const MANY_EVENTS: u64 = 1_000;

fn live(figures: &super::seller::Live) -> Live {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let orders =
        figures.orders.iter().filter_map(|(state, orders)| Some((pages::OrderState::from_code(state)?, *orders)));
    Live {
        waiting: figures.waiting,
        called: figures.called,
        active: figures.active,
        called_total: figures.called_total,
        admitted_total: figures.admitted_total,
        rate_per_minute: figures.rate_per_minute.into(),
        total: count(figures.units.total),
        free: count(figures.units.free),
        held: count(figures.units.held),
        sold: count(figures.units.sold),
        conservation: figures.conservation,
        orders: orders.collect(),
        payment_seconds: figures.payment_seconds,
    }
}

/// What the database alone can say while the line does not answer.
fn quiet(known: &StockedSale) -> Live {
    let sum = |count: fn(&stores::queue::StockCount) -> i64| {
        u64::try_from(known.stock.iter().map(count).fold(0, i64::saturating_add)).unwrap_or(0)
    };
    Live {
        waiting: 0,
        called: 0,
        active: 0,
        called_total: 0,
        admitted_total: 0,
        rate_per_minute: 0,
        total: known.sale.units(),
        free: sum(|count| count.free),
        held: sum(|count| count.held),
        sold: sum(|count| count.sold),
        conservation: 0,
        orders: Vec::new(),
        payment_seconds: None,
    }
}

fn trouble(figures: &super::seller::Live) -> Vec<Trouble> {
    let orders = |state: OrderState| figures.orders.get(state.as_str()).copied().filter(|orders| *orders > 0);
    let found = [
        (figures.conservation != 0).then_some(Trouble::Conservation(figures.conservation)),
        orders(OrderState::NeedsReview).map(Trouble::NeedsReview),
        orders(OrderState::PaymentUnknown).map(Trouble::PaymentUnknown),
    ];
    found.into_iter().flatten().collect()
}

/// A recorded act in words.
fn change(act: &Act, language: Language) -> Change {
    let words = match (act.act.as_str(), language) {
        ("create", Language::Ko) => "판매를 만들었습니다",
        ("create", Language::En) => "Made the sale",
        ("change", Language::Ko) => "판매 내용을 바꾸었습니다",
        ("change", Language::En) => "Changed the sale",
        ("pause", Language::Ko) => "일시 정지했습니다",
        ("pause", Language::En) => "Paused",
        ("resume", Language::Ko) => "다시 시작했습니다",
        ("resume", Language::En) => "Resumed",
        ("close", Language::Ko) => "판매를 닫았습니다",
        ("close", Language::En) => "Closed the sale",
        ("admission", Language::Ko) => "입장 설정을 바꾸었습니다",
        ("admission", Language::En) => "Changed admission",
        (other, _) => other,
    };
    let detail = if act.act == "admission" { settings_words(&act.detail, language) } else { String::new() };
    Change { at: Moment(act.at.as_millis()), words: format!("{words}{detail}") }
}

fn settings_words(detail: &str, language: Language) -> String {
    let Ok(settings) = serde_json::from_str::<sale::Admission>(detail) else { return String::new() };
    match language {
        Language::Ko => format!(": 분당 {}명, 동시에 {}명까지", settings.per_minute, settings.max_active),
        Language::En => format!(": {} a minute, at most {} inside", settings.per_minute, settings.max_active),
    }
}

fn state(known: &StockedSale, now: Timestamp) -> pages::SaleState {
    page_state(known.state(now))
}

/// The state as the pages name it.
pub const fn page_state(state: sale::SaleState) -> pages::SaleState {
    match state {
        sale::SaleState::Scheduled => pages::SaleState::Scheduled,
        sale::SaleState::Lobby => pages::SaleState::Lobby,
        sale::SaleState::Open => pages::SaleState::Open,
        sale::SaleState::Paused => pages::SaleState::Paused,
        sale::SaleState::Draining => pages::SaleState::Draining,
        sale::SaleState::SoldOut => pages::SaleState::SoldOut,
        sale::SaleState::Closed => pages::SaleState::Closed,
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct AdmissionForm {
    per_minute: String,
    max_active: String,
    overcall: String,
}

async fn set_admission(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
    Form(form): Form<AdmissionForm>,
) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let set = async {
        let authority = authority(&shop, &headers).await?;
        let number = |text: &str| text.trim().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
        let whole = |text: &str| text.trim().parse::<i64>().ok();
        let document = serde_json::json!({
            "per_minute": whole(&form.per_minute), "max_active": whole(&form.max_active), "overcall": number(&form.overcall),
        });
        let document = without_missing(document, &form);
        match steer(&shop, &id, &document, authority).await {
            Ok(_) => Ok(to(&format!("/console/sales/{id}?saved=1"))),
            Err(problem) if !problem.errors.is_empty() => {
                let faults = problem.errors.iter().map(admission_fault).collect();
                sale_page(&desk, &id, Shown { saved: false, typed: Some(form), faults }).await
            }
            Err(problem) => Err(problem),
        }
    };
    desk.finish(set.await)
}

/// A field that does not parse must be refused, not taken for one that keeps its value.
fn without_missing(mut document: serde_json::Value, form: &AdmissionForm) -> serde_json::Value {
    for (key, typed) in
        [("per_minute", &form.per_minute), ("max_active", &form.max_active), ("overcall", &form.overcall)]
    {
        if document[key].is_null() {
            document[key] = serde_json::Value::from(typed.as_str());
        }
    }
    document
}

fn admission_fault(error: &web::problem::FieldError) -> FieldFault {
    let field = error.pointer.trim_start_matches('/').to_owned();
    let fault = console_form::bounds(&field).map_or(Fault::Invalid, |(least, most)| Fault::NotBetween(least, most));
    FieldFault { field, fault }
}

async fn flip(shop: Shop, id: String, request: Request, switch: Switch) -> Response {
    let (parts, _) = request.into_parts();
    let desk = Desk { shop: &shop, headers: &parts.headers, uri: &parts.uri };
    let flipped = async {
        let authority: Authority = authority(&shop, &parts.headers).await?;
        turn(&shop, &id, switch, authority).await?;
        Ok(to(&format!("/console/sales/{id}")))
    };
    desk.finish(flipped.await)
}

async fn pause(State(shop): State<Shop>, Path(id): Path<String>, request: Request) -> Response {
    flip(shop, id, request, Switch::Pause).await
}

async fn resume(State(shop): State<Shop>, Path(id): Path<String>, request: Request) -> Response {
    flip(shop, id, request, Switch::Resume).await
}

async fn close(State(shop): State<Shop>, Path(id): Path<String>, request: Request) -> Response {
    flip(shop, id, request, Switch::Close).await
}

async fn orders(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    Query(cursor): Query<Cursor>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        authority(&shop, &headers).await?;
        let known = known(&shop, &id).await?;
        let (orders, next_cursor) = super::orders::page(&shop, &id, cursor.cursor.as_deref()).await?;
        let shell = desk.shell();
        let nonce = shell.nonce.clone();
        let name = known.sale.name.in_language(shell.lang.into()).to_owned();
        let orders = orders.iter().map(order_row).collect();
        let html = ConsoleOrdersPage { shell, sale: id.clone(), name, orders, next_cursor }.render();
        Ok(desk.page(&nonce, StatusCode::OK, html))
    };
    desk.finish(answered.await)
}

fn order_row(order: &Order) -> ConsoleOrderRow {
    ConsoleOrderRow {
        id: order.id.to_string(),
        state: super::buying::state(order.state),
        units: order.lines.iter().map(|line| u64::from(line.quantity)).sum(),
        total: Money {
            amount: u64::try_from(order.total.amount).unwrap_or(0),
            currency: order.total.currency.to_string(),
        },
        placed_at: Moment(order.created_at.as_millis()),
    }
}

async fn mailbox(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        authority(&shop, &headers).await?;
        let mails = letters(&shop).list(MAILS).await.map_err(|fault| store_trouble(&fault))?;
        let shell = desk.shell();
        let nonce = shell.nonce.clone();
        let html = MailboxPage { shell, mails: mails.iter().map(mail_row).collect() }.render();
        Ok(desk.page(&nonce, StatusCode::OK, html))
    };
    desk.finish(answered.await)
}

async fn mail(State(shop): State<Shop>, Path(id): Path<i64>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        authority(&shop, &headers).await?;
        let found = letters(&shop).show(id).await.map_err(|fault| store_trouble(&fault))?.ok_or(Code::NotFound)?;
        let shell = desk.shell();
        let nonce = shell.nonce.clone();
        let language = language_of(&found.text).tag().to_owned();
        let html = MailPage { shell, mail: mail_row(&found), language, text: found.text }.render();
        Ok(desk.page(&nonce, StatusCode::OK, html))
    };
    desk.finish(answered.await)
}

/// The mails of an installation without a mail server.
fn letters(shop: &Shop) -> Mailbox {
    Mailbox::new(shop.database.clone(), shop.keys.personal_data.clone())
}

/// A mail with Hangul in it was written for a reader of Korean.
fn language_of(text: &str) -> Language {
    if text.chars().any(|letter| ('가'..='힣').contains(&letter)) { Language::Ko } else { Language::En }
}

fn mail_row(mail: &Letter) -> MailRow {
    MailRow {
        id: mail.id.to_string(),
        to: mail.to.clone(),
        subject: mail.subject.clone(),
        at: Moment(mail.at.as_millis()),
    }
}

/// Opens the demo's sale anew, as if nobody had ever been there.
async fn reset(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        let authority = authority(&shop, &headers).await?;
        if !shop.demo {
            return Err(Code::NotFound.into());
        }
        let act = super::seller::act(&shop, authority, "reset", "");
        let opens_at = shop.database.now().plus_seconds(DEMO_OPENS_AFTER_SECONDS);
        for sale in sales::list(&shop.database, 100, None).await.map_err(|fault| store_trouble(&fault))? {
            let done = stores::database::reset::reset(&shop.database, &sale, opens_at, &act).await;
            done.map_err(|fault| store_trouble(&fault))?;
            shop.line.forget(&sale).await.map_err(|fault| store_trouble(&fault))?;
        }
        Ok(to("/console"))
    };
    desk.finish(answered.await)
}

/// Mails that the list shows.
const MAILS: i64 = 100;
/// How soon the demo's sale opens again.
const DEMO_OPENS_AFTER_SECONDS: i64 = 10;
