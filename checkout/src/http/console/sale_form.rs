//! The console's form of a sale: what was typed becomes the document of the API, and its refusals return to the fields.

use std::collections::BTreeMap;

use axum::response::Response;
use http::StatusCode;
use sale::{Sale, Timestamp};
use serde_json::{Map, Value, json};
use web::{
    ApiError, ErrorCode,
    format::{from_korean_input, korean_input},
    pages::console::{Fault, FieldFault, Purpose, SaleFormPage},
    paths,
};

use super::super::{
    access::{Seller, Write},
    extract::{Form, IfMatch, PageRequest, Path},
    pages::to,
    sales::known,
    seller_api::{edit, make},
};
use crate::sale_input::{
    NewSale, SaleChanges,
    values::{Amount, EnterSeconds, HoldSeconds, MaxActive, PassSeconds, PerBuyerLimit, PerMinute, Units},
};

/// Items that the form of a new sale offers; the empty ones are left out.
const ITEMS: usize = 3;
/// Items that a form is read for; a sale has no more.
const MOST_ITEMS: usize = 50;

type Typed = BTreeMap<String, String>;

#[expect(clippy::unused_async, reason = "axum takes no other handlers")]
pub async fn blank(_: Seller, page: PageRequest) -> Result<Response, ApiError> {
    let opens_at = page.app.database.now().plus_seconds(600).as_millis() / 60_000 * 60_000;
    let mut values: Typed = [
        ("per_buyer_limit", "1"),
        ("hold_seconds", "300"),
        ("enter_seconds", "120"),
        ("pass_seconds", "600"),
        ("per_minute", "600"),
        ("max_active", "200"),
        ("overcall", "0"),
        ("item_0_currency", "KRW"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    values.insert("opens_at".to_owned(), korean_input(Timestamp::from_millis(opens_at)));
    Ok(form(&page, Purpose::Create, values, Vec::new()))
}

pub async fn create(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Form(typed): Form<Typed>,
) -> Result<Response, ApiError> {
    let made = match NewSale::parse(&document(&typed, true).into()) {
        Ok(new) => make(&page.app, new, caller).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(made) => Ok(to(&paths::console::sale(made.sale.id))),
        Err(error) => refused(&page, Purpose::Create, typed, error),
    }
}

pub async fn show(_: Seller, page: PageRequest, Path(id): Path<String>) -> Result<Response, ApiError> {
    let known = known(&page.app, &id).await?;
    let purpose = Purpose::Edit { sale: id, version: known.sale.version.to_string() };
    Ok(form(&page, purpose, values(&known.sale), Vec::new()))
}

pub async fn save(
    Write(Seller(caller)): Write<Seller>,
    page: PageRequest,
    Path(id): Path<String>,
    Form(typed): Form<Typed>,
) -> Result<Response, ApiError> {
    let version = typed.get("version").and_then(|version| version.parse().ok()).unwrap_or(0);
    let changes = SaleChanges::new(document(&typed, false));
    match edit(&page.app, &id, &IfMatch::Versions(vec![version]), &changes, caller).await {
        Ok(_) => Ok(to(&paths::console::saved_sale(id))),
        Err(error) => {
            let now = known(&page.app, &id).await?.sale.version;
            refused(&page, Purpose::Edit { sale: id, version: now.to_string() }, typed, error)
        }
    }
}

/// The form again, with what was typed and what is wrong with it.
fn refused(page: &PageRequest, purpose: Purpose, typed: Typed, error: ApiError) -> Result<Response, ApiError> {
    match error.code {
        ErrorCode::SaleExists => {
            let fault = FieldFault { field: "id".to_owned(), fault: Fault::Taken };
            Ok(form(page, purpose, typed, vec![fault]))
        }
        ErrorCode::PreconditionFailed => Ok(form(page, purpose, typed, Vec::new())),
        _ if error.errors.is_empty() => Err(error),
        _ => {
            let faults = error.errors.iter().map(|error| fault(&error.pointer, error.code, &typed)).collect();
            Ok(form(page, purpose, typed, faults))
        }
    }
}

fn form(page: &PageRequest, purpose: Purpose, values: Typed, faults: Vec<FieldFault>) -> Response {
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    let is_new = matches!(purpose, Purpose::Create);
    let items = if is_new { ITEMS } else { item_count(&values) };
    // A version that is not the sale's own any more came back: somebody else saved meanwhile.
    let typed_version = values.get("version");
    let changed_meanwhile =
        matches!(&purpose, Purpose::Edit { version, .. } if typed_version.is_some_and(|typed| typed != version));
    let status =
        if faults.is_empty() && !changed_meanwhile { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let html = SaleFormPage { layout, purpose, values, items, faults, changed_meanwhile }.render();
    page.page(&nonce, status, html)
}

fn item_count(values: &Typed) -> usize {
    (0..MOST_ITEMS).take_while(|at| values.contains_key(&format!("item_{at}_id"))).count()
}

/// What was typed, as the document that the API takes.
fn document(typed: &Typed, is_new: bool) -> Map<String, Value> {
    let text = |name: &str| typed.get(name).map(|value| value.trim()).unwrap_or_default();
    let number = |name: &str| match text(name).parse::<i64>() {
        Ok(number) => Value::from(number),
        Err(_) => Value::from(text(name)),
    };
    let time = |name: &str| match text(name) {
        "" => Value::Null,
        typed => Value::from(from_korean_input(typed).map_or_else(|| typed.to_owned(), |at| at.to_string())),
    };
    let overcall = text("overcall").parse::<f64>().map_or_else(|_| Value::from(text("overcall")), Value::from);
    let items: Vec<Value> = (0..item_count(typed))
        .filter(|at| {
            *at == 0
                || ["id", "name_ko", "name_en", "amount"]
                    .iter()
                    .any(|part| !text(&format!("item_{at}_{part}")).is_empty())
        })
        .map(|at| {
            let named = |part: &str| format!("item_{at}_{part}");
            json!({
                "id": text(&named("id")), "name": {"ko": text(&named("name_ko")), "en": text(&named("name_en"))},
                "price": {"amount": number(&named("amount")), "currency": text(&named("currency"))},
                "units": number(&named("units")),
            })
        })
        .collect();
    let document = json!({
        "name": {"ko": text("name_ko"), "en": text("name_en")},
        "opens_at": time("opens_at"), "closes_at": time("closes_at"), "items": items,
        "per_buyer_limit": number("per_buyer_limit"), "hold_seconds": number("hold_seconds"),
        "enter_seconds": number("enter_seconds"), "pass_seconds": number("pass_seconds"),
        "admission": {"per_minute": number("per_minute"), "max_active": number("max_active"), "overcall": overcall},
    });
    let Value::Object(mut document) = document else { return Map::new() };
    if is_new {
        document.insert("id".to_owned(), Value::from(text("id")));
        document.insert("kind".to_owned(), Value::from("open_run"));
    }
    document
}

/// A sale as it stands in the fields.
fn values(sale: &Sale) -> Typed {
    let mut values: Typed = [
        ("id", sale.id.to_string()),
        ("name_ko", sale.name.ko.clone()),
        ("name_en", sale.name.en.clone()),
        ("opens_at", korean_input(sale.opens_at)),
        ("closes_at", sale.closes_at.map(korean_input).unwrap_or_default()),
        ("per_buyer_limit", sale.per_buyer_limit.to_string()),
        ("hold_seconds", sale.hold_seconds.to_string()),
        ("enter_seconds", sale.enter_seconds.to_string()),
        ("pass_seconds", sale.pass_seconds.to_string()),
        ("per_minute", sale.admission.per_minute.to_string()),
        ("max_active", sale.admission.max_active.to_string()),
        ("overcall", sale.admission.overcall.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (at, item) in sale.items.iter().enumerate() {
        values.insert(format!("item_{at}_id"), item.id.to_string());
        values.insert(format!("item_{at}_name_ko"), item.name.ko.clone());
        values.insert(format!("item_{at}_name_en"), item.name.en.clone());
        values.insert(format!("item_{at}_amount"), item.price.amount.to_string());
        values.insert(format!("item_{at}_currency"), item.price.currency.to_string());
        values.insert(format!("item_{at}_units"), item.units.to_string());
    }
    values
}

/// The field of the form that a JSON pointer of the API speaks of, and what is wrong with it.
fn fault(pointer: &str, code: ErrorCode, typed: &Typed) -> FieldFault {
    let parts: Vec<&str> = pointer.trim_start_matches('/').split('/').collect();
    let field = match parts.as_slice() {
        ["items", at, "name", language] => format!("item_{at}_name_{language}"),
        ["items", at, "price", part] | ["items", at, part] => format!("item_{at}_{part}"),
        ["name", language] => format!("name_{language}"),
        ["admission", part] => (*part).to_owned(),
        ["items"] => "item_0_id".to_owned(),
        parts => parts.join("_"),
    };
    let value = typed.get(&field).map(|value| value.trim()).unwrap_or_default();
    let fault = if code == ErrorCode::NotSupported {
        Fault::NotSupported
    } else if value.is_empty() {
        Fault::Required
    } else {
        named_fault(&field, value)
    };
    FieldFault { field, fault }
}

fn named_fault(field: &str, value: &str) -> Fault {
    let part = field.rsplit('_').next().unwrap_or(field);
    match (field, part) {
        ("closes_at", _) if from_korean_input(value).is_some() => Fault::OrderOfTimes,
        ("opens_at" | "closes_at", _) => Fault::Time,
        (_, "id") => Fault::Id,
        (_, "currency") => Fault::Currency,
        _ => match (bounds(field), value.parse::<i64>()) {
            (Some(_), Err(_)) if value.parse::<f64>().is_err() => Fault::NotANumber,
            (Some((least, most)), _) => Fault::NotBetween(least, most),
            (None, _) => Fault::Invalid,
        },
    }
}

/// The bounds of a number of the form.
pub(super) fn bounds(field: &str) -> Option<(u64, u64)> {
    if field == "overcall" {
        return Some((0, 10));
    }
    let part = if field.starts_with("item_") { field.rsplit('_').next().unwrap_or(field) } else { field };
    let (least, most) = match part {
        "units" => Units::BOUNDS,
        "amount" => Amount::BOUNDS,
        "per_buyer_limit" => PerBuyerLimit::BOUNDS,
        "hold_seconds" => HoldSeconds::BOUNDS,
        "enter_seconds" => EnterSeconds::BOUNDS,
        "pass_seconds" => PassSeconds::BOUNDS,
        "per_minute" => PerMinute::BOUNDS,
        "max_active" => MaxActive::BOUNDS,
        _ => return None,
    };
    Some((u64::try_from(least).unwrap_or(0), u64::try_from(most).unwrap_or(0)))
}
