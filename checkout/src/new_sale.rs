//! A seller's sale, parsed from JSON or a form: every wrong field is told at once, by its JSON pointer.

use sale::{
    Admission, Currency, Item, ItemId, Money, Sale, SaleId, Text, Timestamp,
    sale::{Kind, Mode},
};
use serde_json::{Map, Value};
use web::{ApiError, ErrorCode, FieldError};

/// Bounds of a sale's numbers; each is told in the message when it is crossed.
const UNITS: (i64, i64) = (1, 10_000_000);
const AMOUNT: (i64, i64) = (0, 1_000_000_000_000);
const LIMIT: (i64, i64) = (1, 1_000);
const HOLD_SECONDS: (i64, i64) = (5, 3_600);
const ENTER_SECONDS: (i64, i64) = (5, 900);
const PASS_SECONDS: (i64, i64) = (5, 600);
const PER_MINUTE: (i64, i64) = (0, 6_000_000);
const MAX_ACTIVE: (i64, i64) = (1, 1_000_000);
const OVERCALL: (f64, f64) = (0.0, MOST_OVERCALL);
pub const MOST_OVERCALL: f64 = 10.0;
pub const MOST_ITEMS: usize = 50;
pub const LONGEST_TEXT: usize = 200;
pub const LONGEST_MESSAGE: usize = 500;

/// Admission unless the seller says otherwise: ten a second, two hundred inside.
const DEFAULT_ADMISSION: Admission = Admission { mode: Mode::Manual, per_minute: 600, max_active: 200, overcall: 0.0 };

/// The keys that a sale may have. A misspelt setting must not pass for a missing one.
const KEYS: [&str; 15] = [
    "id",
    "kind",
    "name",
    "message",
    "opens_at",
    "closes_at",
    "items",
    "per_buyer_limit",
    "hold_seconds",
    "enter_seconds",
    "pass_seconds",
    "admission",
    "checkout_url",
    "draw",
    "raffle",
];

/// The bounds of a whole number, by its name in the document.
pub fn bounds(field: &str) -> Option<(i64, i64)> {
    match field {
        "units" => Some(UNITS),
        "amount" => Some(AMOUNT),
        "per_buyer_limit" => Some(LIMIT),
        "hold_seconds" => Some(HOLD_SECONDS),
        "enter_seconds" => Some(ENTER_SECONDS),
        "pass_seconds" => Some(PASS_SECONDS),
        "per_minute" => Some(PER_MINUTE),
        "max_active" => Some(MAX_ACTIVE),
        _ => None,
    }
}

/// Reads one document and gathers what is wrong with it.
struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn wrong(&mut self, pointer: &str, code: ErrorCode) {
        self.errors.push(FieldError::new(pointer, code));
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, ApiError> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => {
                let unbuilt = self.errors.iter().all(|error| error.code == ErrorCode::NotSupported);
                let code =
                    if unbuilt && !self.errors.is_empty() { ErrorCode::NotSupported } else { ErrorCode::InvalidField };
                Err(ApiError { errors: self.errors, ..ApiError::from(code) })
            }
        }
    }

    /// A whole number within bounds; `default` when it is missing.
    fn number(
        &mut self,
        object: &Map<String, Value>,
        at: (&str, &str),
        bounds: (i64, i64),
        default: Option<i64>,
    ) -> Option<u32> {
        let pointer = format!("{}/{}", at.0, at.1);
        let found = match object.get(at.1) {
            None | Some(Value::Null) => default,
            Some(value) => value.as_i64(),
        };
        let fits =
            found.filter(|number| (bounds.0..=bounds.1).contains(number)).and_then(|number| u32::try_from(number).ok());
        if fits.is_none() {
            self.wrong(&pointer, ErrorCode::InvalidField);
        }
        fits
    }

    fn time(&mut self, object: &Map<String, Value>, key: &str) -> Option<Timestamp> {
        let time = object.get(key).and_then(Value::as_str).and_then(Timestamp::parse);
        if time.is_none() {
            self.wrong(&format!("/{key}"), ErrorCode::InvalidField);
        }
        time
    }

    fn text(&mut self, value: Option<&Value>, pointer: &str, longest: usize) -> Option<Text> {
        let one = |language: &str| {
            let text = value?.get(language)?.as_str()?.trim();
            let fits = !text.is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control);
            fits.then(|| text.to_owned())
        };
        let (ko, en) = (one("ko"), one("en"));
        if ko.is_none() {
            self.wrong(&format!("{pointer}/ko"), ErrorCode::InvalidField);
        }
        if en.is_none() {
            self.wrong(&format!("{pointer}/en"), ErrorCode::InvalidField);
        }
        Some(Text { ko: ko?, en: en? })
    }

    fn kind(&mut self, value: Option<&Value>) -> Option<Kind> {
        match value.and_then(Value::as_str) {
            None if value.is_none() => Some(Kind::OpenRun),
            Some("open_run") => Some(Kind::OpenRun),
            Some("draw" | "raffle" | "regular") => {
                self.wrong("/kind", ErrorCode::NotSupported);
                None
            }
            _ => {
                self.wrong("/kind", ErrorCode::InvalidField);
                None
            }
        }
    }

    fn items(&mut self, value: Option<&Value>) -> Option<Vec<Item>> {
        let Some(list) = value.and_then(Value::as_array).filter(|list| list.len() <= MOST_ITEMS) else {
            self.wrong("/items", ErrorCode::InvalidField);
            return None;
        };
        if list.is_empty() {
            self.wrong("/items", ErrorCode::NotSupported);
            return None;
        }
        let items: Vec<Option<Item>> = list.iter().enumerate().map(|(at, value)| self.item(value, at)).collect();
        let items: Vec<Item> = items.into_iter().collect::<Option<_>>()?;
        for (at, item) in items.iter().enumerate() {
            if items[..at].iter().any(|other| other.id == item.id) {
                self.wrong(&format!("/items/{at}/id"), ErrorCode::InvalidField);
            }
            if item.price.currency != items[0].price.currency {
                self.wrong(&format!("/items/{at}/price/currency"), ErrorCode::InvalidField);
            }
        }
        Some(items)
    }

    fn item(&mut self, value: &Value, at: usize) -> Option<Item> {
        let pointer = format!("/items/{at}");
        let Some(object) = value.as_object() else {
            self.wrong(&pointer, ErrorCode::InvalidField);
            return None;
        };
        let id = object.get("id").and_then(Value::as_str).and_then(|id| id.parse::<ItemId>().ok());
        if id.is_none() {
            self.wrong(&format!("{pointer}/id"), ErrorCode::InvalidField);
        }
        let name = self.text(object.get("name"), &format!("{pointer}/name"), LONGEST_TEXT);
        let price = object.get("price");
        let amount = price.and_then(|price| price.get("amount")).and_then(Value::as_i64);
        let amount = amount.filter(|amount| (AMOUNT.0..=AMOUNT.1).contains(amount));
        if amount.is_none() {
            self.wrong(&format!("{pointer}/price/amount"), ErrorCode::InvalidField);
        }
        let currency = price.and_then(|price| price.get("currency")).and_then(Value::as_str).and_then(Currency::parse);
        if currency.is_none() {
            self.wrong(&format!("{pointer}/price/currency"), ErrorCode::InvalidField);
        }
        let units = self.number(object, (&pointer, "units"), UNITS, None);
        Some(Item { id: id?, name: name?, price: Money { amount: amount?, currency: currency? }, units: units? })
    }

    fn admission(&mut self, value: Option<&Value>, default: Admission) -> Option<Admission> {
        let object = match value {
            None | Some(Value::Null) => return Some(default),
            Some(Value::Object(object)) => object,
            Some(_) => {
                self.wrong("/admission", ErrorCode::InvalidField);
                return None;
            }
        };
        self.admission_object(object, "/admission", default)
    }

    fn admission_object(&mut self, object: &Map<String, Value>, at: &str, default: Admission) -> Option<Admission> {
        for key in object.keys().filter(|key| !["mode", "per_minute", "max_active", "overcall"].contains(&key.as_str()))
        {
            self.wrong(&format!("{at}/{key}"), ErrorCode::InvalidField);
        }
        match object.get("mode").map(Value::as_str) {
            None | Some(Some("manual")) => {}
            Some(Some("auto")) => self.wrong(&format!("{at}/mode"), ErrorCode::NotSupported),
            Some(_) => self.wrong(&format!("{at}/mode"), ErrorCode::InvalidField),
        }
        let overcall = object.get("overcall").map_or(Some(default.overcall), Value::as_f64);
        let overcall = overcall.filter(|share| (OVERCALL.0..=OVERCALL.1).contains(share));
        if overcall.is_none() {
            self.wrong(&format!("{at}/overcall"), ErrorCode::InvalidField);
        }
        Some(Admission {
            mode: Mode::Manual,
            per_minute: self.number(object, (at, "per_minute"), PER_MINUTE, Some(default.per_minute.into()))?,
            max_active: self.number(object, (at, "max_active"), MAX_ACTIVE, Some(default.max_active.into()))?,
            overcall: overcall?,
        })
    }
}

/// Reads a whole sale, as `POST /v1/sales` takes it.
pub fn parse(document: &Value, now: Timestamp) -> Result<Sale, ApiError> {
    let mut reader = Reader { errors: Vec::new() };
    let Some(object) = document.as_object() else { return Err(ErrorCode::MalformedJson.into()) };
    for key in object.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        reader.wrong(&format!("/{key}"), ErrorCode::InvalidField);
    }
    for key in ["checkout_url", "draw", "raffle"] {
        if object.get(key).is_some_and(|value| !value.is_null()) {
            reader.wrong(&format!("/{key}"), ErrorCode::NotSupported);
        }
    }
    let id = object.get("id").and_then(Value::as_str).and_then(|id| id.parse::<SaleId>().ok());
    if id.is_none() {
        reader.wrong("/id", ErrorCode::InvalidField);
    }
    let kind = reader.kind(object.get("kind"));
    let name = reader.text(object.get("name"), "/name", LONGEST_TEXT);
    let message = match object.get("message") {
        None | Some(Value::Null) => Some(None),
        value => reader.text(value, "/message", LONGEST_MESSAGE).map(Some),
    };
    let opens_at = reader.time(object, "opens_at");
    let closes_at = match object.get("closes_at") {
        None | Some(Value::Null) => Some(None),
        Some(_) => reader.time(object, "closes_at").map(Some),
    };
    if let (Some(opens), Some(Some(closes))) = (opens_at, closes_at)
        && closes <= opens
    {
        reader.wrong("/closes_at", ErrorCode::InvalidField);
    }
    let items = reader.items(object.get("items"));
    let per_buyer_limit = reader.number(object, ("", "per_buyer_limit"), LIMIT, Some(1));
    let hold_seconds = reader.number(object, ("", "hold_seconds"), HOLD_SECONDS, Some(300));
    let enter_seconds = reader.number(object, ("", "enter_seconds"), ENTER_SECONDS, Some(120));
    let pass_seconds = reader.number(object, ("", "pass_seconds"), PASS_SECONDS, Some(600));
    let admission = reader.admission(object.get("admission"), DEFAULT_ADMISSION);
    let parsed = (|| {
        Some(Sale {
            id: id?,
            kind: kind?,
            name: name?,
            message: message?,
            opens_at: opens_at?,
            closes_at: closes_at?,
            items: items?,
            per_buyer_limit: per_buyer_limit?,
            hold_seconds: hold_seconds?,
            enter_seconds: enter_seconds?,
            pass_seconds: pass_seconds?,
            admission: admission?,
            paused: false,
            closing: false,
            closed_at: None,
            hidden: false,
            owner: String::new(),
            epoch: 0,
            version: 1,
            created_at: now,
        })
    })();
    reader.finish(parsed)
}

/// Lays the fields of `patch` over a sale. Its id, kind, currency and prices stay; items keep their number and order.
pub fn patch(sale: &Sale, patch: &Value) -> Result<Sale, ApiError> {
    let Some(changes) = patch.as_object() else { return Err(ErrorCode::MalformedJson.into()) };
    let mut document = document(sale);
    let Some(fields) = document.as_object_mut() else { return Err(ErrorCode::Internal.into()) };
    for (key, value) in changes {
        match (key.as_str(), value) {
            ("admission", Value::Object(settings)) => {
                let mut merged = fields.get("admission").and_then(Value::as_object).cloned().unwrap_or_default();
                merged.extend(settings.clone());
                fields.insert(key.clone(), merged.into());
            }
            _ => {
                fields.insert(key.clone(), value.clone());
            }
        }
    }
    let parsed = parse(&document, sale.created_at)?;
    let mut reader = Reader { errors: Vec::new() };
    if parsed.id != sale.id {
        reader.wrong("/id", ErrorCode::InvalidField);
    }
    let same_items = parsed.items.len() == sale.items.len()
        && parsed.items.iter().zip(&sale.items).all(|(new, old)| new.id == old.id && new.price == old.price);
    if !same_items {
        reader.wrong("/items", ErrorCode::InvalidField);
    }
    reader.finish(Some(Sale {
        paused: sale.paused,
        closing: sale.closing,
        closed_at: sale.closed_at,
        hidden: sale.hidden,
        owner: sale.owner.clone(),
        epoch: sale.epoch,
        version: sale.version,
        ..parsed
    }))
}

/// Reads the settings of `PUT /v1/sales/{sale}/admission` over those in force.
pub fn admission(document: &Value, in_force: Admission) -> Result<Admission, ApiError> {
    let mut reader = Reader { errors: Vec::new() };
    let Some(object) = document.as_object() else { return Err(ErrorCode::MalformedJson.into()) };
    let parsed = reader.admission_object(object, "", in_force);
    reader.finish(parsed)
}

/// A sale as the document that would make it.
fn document(sale: &Sale) -> Value {
    serde_json::json!({
        "id": sale.id, "kind": sale.kind, "name": sale.name, "message": sale.message, "opens_at": sale.opens_at,
        "closes_at": sale.closes_at, "items": sale.items, "per_buyer_limit": sale.per_buyer_limit,
        "hold_seconds": sale.hold_seconds, "enter_seconds": sale.enter_seconds, "pass_seconds": sale.pass_seconds,
        "admission": sale.admission,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sneaker() -> Value {
        json!({"id":"sneaker","kind":"open_run","name":{"ko":"한정판 운동화","en":"Limited sneaker"},
            "opens_at":"2026-11-21T09:00:00Z","closes_at":null,
            "items":[{"id":"pair","name":{"ko":"한 켤레","en":"One pair"},"price":{"amount":189_000,"currency":"KRW"},"units":1000}],
            "per_buyer_limit":1,"hold_seconds":300,"admission":{"mode":"manual","per_minute":600,"max_active":200}})
    }

    #[test]
    fn the_example_of_the_docs_is_a_sale() {
        let sale = parse(&sneaker(), Timestamp::default()).unwrap();
        assert_eq!(sale.units(), 1000);
        assert_eq!((sale.enter_seconds, sale.pass_seconds), (120, 600));
        assert_eq!(patch(&sale, &json!({})).unwrap(), sale);
        let slower = patch(&sale, &json!({"admission": {"per_minute": 5}})).unwrap();
        assert_eq!((slower.admission.per_minute, slower.admission.max_active), (5, 200));
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (pointer, value, code) in [
            ("/id", json!("Sneaker"), ErrorCode::InvalidField),
            ("/kind", json!("draw"), ErrorCode::NotSupported),
            ("/kind", json!("regular"), ErrorCode::NotSupported),
            ("/draw", json!({"lobby_opens_at": "2026-11-21T08:00:00Z"}), ErrorCode::NotSupported),
            ("/kind", json!("auction"), ErrorCode::InvalidField),
            ("/name/ko", json!({"en": "x"}), ErrorCode::InvalidField),
            ("/opens_at", json!("soon"), ErrorCode::InvalidField),
            ("/closes_at", json!("2020-01-01T00:00:00Z"), ErrorCode::InvalidField),
            ("/items", json!([]), ErrorCode::NotSupported),
            (
                "/items/0/units",
                json!([{"id":"a","name":{"ko":"a","en":"a"},"price":{"amount":1,"currency":"KRW"},"units":0}]),
                ErrorCode::InvalidField,
            ),
            (
                "/items/0/price/currency",
                json!([{"id":"a","name":{"ko":"a","en":"a"},"price":{"amount":1,"currency":"won"},"units":1}]),
                ErrorCode::InvalidField,
            ),
            ("/per_buyer_limit", json!(0), ErrorCode::InvalidField),
            ("/hold_seconds", json!(4), ErrorCode::InvalidField),
            ("/admission/mode", json!({"mode":"auto"}), ErrorCode::NotSupported),
            ("/admission/overcall", json!({"overcall":11}), ErrorCode::InvalidField),
            ("/admission/per_minutes", json!({"per_minutes":11}), ErrorCode::InvalidField),
            ("/hold_second", json!(10), ErrorCode::InvalidField),
            ("/checkout_url", json!("https://shop.example"), ErrorCode::NotSupported),
        ] {
            let mut document = sneaker();
            document[pointer.split('/').nth(1).unwrap()] = value;
            let problem = parse(&document, Timestamp::default()).unwrap_err();
            assert!(problem.errors.contains(&FieldError::new(pointer, code)), "{pointer}: {problem:?}");
            assert_eq!(problem.code, code, "{pointer}");
        }
    }

    #[test]
    fn a_change_cannot_touch_what_people_have_bought() {
        let sale = parse(&sneaker(), Timestamp::default()).unwrap();
        let mut dearer = sneaker()["items"].clone();
        dearer[0]["price"]["amount"] = json!(1);
        for change in [json!({"id": "other"}), json!({"items": dearer}), json!({"kind": "raffle"})] {
            assert!(patch(&sale, &change).is_err(), "{change}");
        }
        let mut more = sneaker()["items"].clone();
        more[0]["units"] = json!(1001);
        assert_eq!(patch(&sale, &json!({"items": more})).unwrap().units(), 1001);
    }
}
