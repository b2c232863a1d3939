//! The documents that describe a sale to the API. They are read by [`new_sale`], which refuses each wrong field by its
//! pointer; their schemas say the same bounds.

use std::borrow::Cow;

use sale::{Currency, ItemId, SaleId, Timestamp};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, ObjectBuilder, Ref, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use crate::new_sale::{LONGEST_MESSAGE, LONGEST_TEXT, MOST_ITEMS, MOST_OVERCALL, bounds};

/// What makes a sale.
pub struct NewSale;

/// What lays over a sale: each field is optional, and a field that is missing stays as it is.
pub struct SaleChanges;

/// What lays over the admission settings in force.
pub struct AdmissionChanges;

macro_rules! schemas {
    ($($name:ident = $schema:expr, [$($part:ty),*];)+) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Schema::from($schema.build()).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(schemas.push((<$part>::name().into_owned(), <$part>::schema()));)*
                schemas.push((AdmissionChanges::name().into_owned(), AdmissionChanges::schema()));
            }
        }
    )+};
}

schemas! {
    NewSale = sale().required("id").required("name").required("opens_at").required("items").examples([example()]),
        [SaleId, ItemId, Timestamp, Currency];
    SaleChanges = sale().examples([json!({"closes_at": "2026-11-21T12:00:00Z", "per_buyer_limit": 2})]),
        [SaleId, ItemId, Timestamp, Currency];
    AdmissionChanges = admission().examples([json!({"per_minute": 600, "max_active": 200})]), [];
}

fn sale() -> ObjectBuilder {
    let object = closed_object()
        .property("id", reference::<SaleId>())
        .property(
            "kind",
            texts(&["open_run", "draw", "raffle", "regular"]).description(Some("only open_run is built yet")),
        )
        .property("name", bilingual(LONGEST_TEXT))
        .property("message", or_null(bilingual(LONGEST_MESSAGE)))
        .property("opens_at", reference::<Timestamp>())
        .property("closes_at", or_null(moment()))
        .property("items", ArrayBuilder::new().items(item()).min_items(Some(1)).max_items(Some(MOST_ITEMS)));
    let numbers = ["per_buyer_limit", "hold_seconds", "enter_seconds", "pass_seconds"];
    let object = numbers.into_iter().fold(object, |object, name| object.property(name, or_null(number(name))));
    object.property("admission", reference::<AdmissionChanges>())
}

fn item() -> ObjectBuilder {
    let price = ObjectBuilder::new()
        .property("amount", number("amount").description(Some("in minor units")))
        .required("amount")
        .property("currency", reference::<Currency>())
        .required("currency");
    ObjectBuilder::new()
        .property("id", reference::<ItemId>())
        .required("id")
        .property("name", bilingual(LONGEST_TEXT))
        .required("name")
        .property("price", price)
        .required("price")
        .property("units", number("units"))
        .required("units")
}

fn admission() -> ObjectBuilder {
    let share = of_type(Type::Number).minimum(Some(0.0)).maximum(Some(MOST_OVERCALL));
    closed_object()
        .property("mode", texts(&["manual", "auto"]).description(Some("auto is not built yet")))
        .property("per_minute", or_null(number("per_minute")))
        .property("max_active", or_null(number("max_active")))
        .property("overcall", share.description(Some("share of calls beyond the free units")))
}

fn bilingual(longest: usize) -> ObjectBuilder {
    let text = || of_type(Type::String).min_length(Some(1)).max_length(Some(longest)).pattern(Some(PRINTABLE));
    ObjectBuilder::new().property("ko", text()).required("ko").property("en", text()).required("en")
}

/// No control characters, and something besides spaces at both ends.
const PRINTABLE: &str = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$";

fn number(name: &str) -> ObjectBuilder {
    let object = of_type(Type::Integer);
    match bounds(name) {
        Some((least, most)) => object.minimum(Some(least)).maximum(Some(most)),
        None => object,
    }
}

fn moment() -> ObjectBuilder {
    match Timestamp::schema() {
        RefOr::T(Schema::Object(object)) => object.into(),
        _ => ObjectBuilder::new(),
    }
}

fn texts(values: &[&str]) -> ObjectBuilder {
    of_type(Type::String).enum_values(Some(values.to_vec()))
}

fn of_type(of: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(of))
}

/// The same type, or `null`.
fn or_null(object: ObjectBuilder) -> ObjectBuilder {
    let built = object.build();
    let of = match &built.schema_type {
        SchemaType::Type(of) => vec![of.clone(), Type::Null],
        other => return ObjectBuilder::from(built.clone()).schema_type(other.clone()),
    };
    ObjectBuilder::from(built).schema_type(SchemaType::from_iter(of))
}

/// A misspelt setting must not pass for a missing one.
fn closed_object() -> ObjectBuilder {
    ObjectBuilder::new().additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(false)))
}

fn reference<T: ToSchema>() -> Ref {
    Ref::from_schema_name(T::name())
}

fn example() -> serde_json::Value {
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
