//! What a seller sends to create or change a sale, parsed from JSON: every wrong field is named at once, by its JSON
//! pointer. The schemas of the API come from the same types.

mod admission;
mod changes;
mod items;
mod reader;
pub mod values;

use sale::{
    Admission, Item, Sale, SaleId, Timestamp,
    sale::{Kind, Mode},
};
use serde_json::{Value, json};
use utoipa::ToSchema;
use web::ApiError;

pub use self::{
    admission::AdmissionChanges,
    changes::SaleChanges,
    items::{Items, NewItem},
};
use self::{
    reader::{Errors, FromField, Object, Refused},
    values::{EnterSeconds, HoldSeconds, Message, Name, PassSeconds, PerBuyerLimit},
};

/// Admission unless the seller says otherwise: ten a second, two hundred inside.
pub const DEFAULT_ADMISSION: Admission =
    Admission { mode: Mode::Manual, per_minute: 600, max_active: 200, overcall: 0.0 };
pub const DEFAULT_PER_BUYER_LIMIT: u32 = 1;
pub const DEFAULT_HOLD_SECONDS: u32 = 300;
pub const DEFAULT_ENTER_SECONDS: u32 = 120;
pub const DEFAULT_PASS_SECONDS: u32 = 600;

/// What creates a sale.
#[derive(Clone, Debug, PartialEq, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(example))]
pub struct NewSale {
    /// Its name in every address; it cannot be changed.
    id: SaleId,
    /// Only `open_run` is built yet.
    #[schema(nullable = false)]
    kind: Option<Kind>,
    #[schema(inline)]
    name: Name,
    /// Shown to everybody in the line.
    #[schema(inline)]
    message: Option<Message>,
    /// A time in the past opens at once.
    opens_at: Timestamp,
    /// Without one the seller closes the sale.
    closes_at: Option<Timestamp>,
    #[schema(inline)]
    items: Items,
    /// Units of all items together that one buyer may have; 1 unless given.
    #[schema(inline)]
    per_buyer_limit: Option<PerBuyerLimit>,
    /// To pay after reserving; 300 unless given.
    #[schema(inline)]
    hold_seconds: Option<HoldSeconds>,
    /// To enter after being called; 120 unless given.
    #[schema(inline)]
    enter_seconds: Option<EnterSeconds>,
    /// To reserve after entering; 600 unless given.
    #[schema(inline)]
    pass_seconds: Option<PassSeconds>,
    admission: Option<AdmissionChanges>,
}

impl NewSale {
    /// Reads the body of `POST /v1/sales`.
    pub fn parse(document: &Value) -> Result<Self, ApiError> {
        let mut errors = Errors::default();
        let sale = Self::from_field(document, "", &mut errors);
        errors.finish(sale)
    }

    /// The sale, created at `created_at` by nobody in particular.
    pub fn into_sale(self, created_at: Timestamp) -> Sale {
        Sale {
            id: self.id,
            kind: self.kind.unwrap_or(Kind::OpenRun),
            name: self.name.0,
            message: self.message.map(|message| message.0),
            opens_at: self.opens_at,
            closes_at: self.closes_at,
            items: self.items.0.into_iter().map(Item::from).collect(),
            per_buyer_limit: self.per_buyer_limit.map_or(DEFAULT_PER_BUYER_LIMIT, PerBuyerLimit::to_u32),
            hold_seconds: self.hold_seconds.map_or(DEFAULT_HOLD_SECONDS, HoldSeconds::to_u32),
            enter_seconds: self.enter_seconds.map_or(DEFAULT_ENTER_SECONDS, EnterSeconds::to_u32),
            pass_seconds: self.pass_seconds.map_or(DEFAULT_PASS_SECONDS, PassSeconds::to_u32),
            admission: self.admission.unwrap_or_default().apply(DEFAULT_ADMISSION),
            paused: false,
            closing: false,
            closed_at: None,
            hidden: false,
            owner: String::new(),
            epoch: 0,
            version: 1,
            created_at,
        }
    }
}

impl FromField for NewSale {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        let mut object = Object::at(value, pointer, errors)?;
        for key in ["checkout_url", "draw", "raffle"] {
            object.not_supported(key);
        }
        let id = object.required("id");
        let kind = object.optional("kind");
        let name = object.required("name");
        let message = object.nullable("message");
        let opens_at = object.required("opens_at");
        let closes_at = object.nullable("closes_at");
        if let (Ok(opens), Ok(Some(closes))) = (opens_at, closes_at)
            && closes <= opens
        {
            object.refuse("closes_at");
        }
        let items = object.required("items");
        let per_buyer_limit = object.nullable("per_buyer_limit");
        let hold_seconds = object.nullable("hold_seconds");
        let enter_seconds = object.nullable("enter_seconds");
        let pass_seconds = object.nullable("pass_seconds");
        let admission = object.nullable("admission");
        object.refuse_others();
        Ok(Self {
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
        })
    }
}

fn example() -> Value {
    json!({
        "id": "sneaker",
        "name": {"ko": "한정판 운동화", "en": "Limited sneaker"},
        "opens_at": "2026-11-21T09:00:00Z",
        "items": [{
            "id": "pair",
            "name": {"ko": "한 켤레", "en": "One pair"},
            "price": {"amount": 189_000, "currency": "KRW"},
            "units": 1000,
        }],
        "per_buyer_limit": 1,
        "hold_seconds": 300,
        "admission": {"per_minute": 600, "max_active": 200},
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use web::{ErrorCode, FieldError};

    use super::*;

    fn parse(document: &Value, now: Timestamp) -> Result<Sale, ApiError> {
        NewSale::parse(document).map(|sale| sale.into_sale(now))
    }

    fn patch(sale: &Sale, changes: &Value) -> Result<Sale, ApiError> {
        SaleChanges(changes.as_object().unwrap().clone()).apply(sale)
    }

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
            ("/opens_at", json!("9999-12-31T23:59:59Z"), ErrorCode::InvalidField),
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
