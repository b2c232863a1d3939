//! The schemas of the types that travel as one string.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat,
        schema::{SchemaType, Type},
    },
};

use crate::{
    clock::Timestamp,
    ids::{ItemId, OrderId, PassId, PaymentId, PurchaseId, SaleId},
    money::Currency,
    sale::Kind,
};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

macro_rules! string_schemas {
    ($($name:ty = $schema:expr;)+) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                Schema::from($schema.build()).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

const SLUG: &str = "^[a-z0-9-]{1,64}$";

string_schemas! {
    SaleId = text().pattern(Some(SLUG)).description(Some("The id of a sale")).examples(["sneaker"]);
    ItemId = text().pattern(Some(SLUG)).description(Some("The id of an item, within its sale")).examples(["pair"]);
    OrderId = uuid("The id of an order");
    PassId = uuid("The id of a pass");
    PaymentId = uuid("The id of a payment attempt");
    PurchaseId = uuid("The id of a purchase; that of its order where it has one alone");
    Timestamp = text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339, UTC, with milliseconds"))
        .examples(["2026-11-21T09:00:00.000Z"]);
    Kind = text()
        .enum_values(Some(["open_run", "draw", "raffle", "regular"]))
        .description(Some("How the line is ordered"));
    Currency = text().pattern(Some("^[A-Z]{3}$")).description(Some("ISO 4217")).examples(["KRW"]);
}

fn uuid(description: &str) -> ObjectBuilder {
    text().format(Some(SchemaFormat::Custom("uuid".to_owned()))).description(Some(description))
}
