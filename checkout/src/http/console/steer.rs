//! The page of one sale, and the buttons that steer it.

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, Uri};
use sale::{Language, OrderState, token::Authority};
use serde::Deserialize;
use stores::{
    database::{
        acts::{self, Act},
        outbox,
        sales::{StockedSale, Switch},
    },
    queue_store::StockCount,
};
use web::{
    FieldError, Problem,
    pages::console::{Admission, Change, ConsoleSalePage, Fault, FieldFault, Live, Trouble},
};

use super::{
    super::{
        Shop,
        asked::{Form, Path, Query},
        sales::known,
        seller::{self, figures, steer, turn},
        sellers::authority,
        store_trouble,
    },
    Desk, form, to,
};

/// Acts that the page of a sale shows.
const ACTS: i64 = 20;

/// Unpublished events that are more than the relay has in its hands.
const MANY_EVENTS: u64 = 1_000;

pub(super) fn routes() -> Router<Shop> {
    Router::new()
        .route("/console/sales/{sale}", get(sale))
        .route("/console/sales/{sale}/admission", post(set_admission))
        .route("/console/sales/{sale}/pause", post(pause))
        .route("/console/sales/{sale}/resume", post(resume))
        .route("/console/sales/{sale}/close", post(close))
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
    let waiting_events = outbox::unpublished_count(&shop.database).await.map_err(|fault| store_trouble(&fault))?;
    if waiting_events > MANY_EVENTS {
        trouble.push(Trouble::Events(waiting_events));
    }
    let shell = desk.shell();
    let (language, nonce) = (shell.language, shell.nonce.clone());
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
        name: known.sale.name.in_language(language).to_owned(),
        state: known.state(shop.database.now()),
        opens_at: known.sale.opens_at,
        live,
        admission: Admission { per_minute: typed.per_minute, max_active: typed.max_active, overcall: typed.overcall },
        trouble,
        changes: acts.iter().map(|act| change(act, language)).collect(),
        saved: shown.saved,
        faults: shown.faults,
    }
    .render();
    Ok(desk.page(&nonce, status, html))
}

fn live(figures: &seller::Live) -> Live {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let orders = figures.orders.iter().filter_map(|(state, orders)| Some((OrderState::parse(state)?, *orders)));
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
    let sum = |count: fn(&StockCount) -> i64| {
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

fn trouble(figures: &seller::Live) -> Vec<Trouble> {
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
    Change { at: act.at, words: format!("{words}{detail}") }
}

fn settings_words(detail: &str, language: Language) -> String {
    let Ok(settings) = serde_json::from_str::<sale::Admission>(detail) else { return String::new() };
    match language {
        Language::Ko => format!(": 분당 {}명, 동시에 {}명까지", settings.per_minute, settings.max_active),
        Language::En => format!(": {} a minute, at most {} inside", settings.per_minute, settings.max_active),
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

fn admission_fault(error: &FieldError) -> FieldFault {
    let field = error.pointer.trim_start_matches('/').to_owned();
    let fault = form::bounds(&field).map_or(Fault::Invalid, |(least, most)| Fault::NotBetween(least, most));
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
