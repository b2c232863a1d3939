//! Changes of a sale: they lie over the sale as it is.

use std::borrow::Cow;

use sale::Sale;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use web::ApiError;

use super::{NewSale, reader::Errors};

/// The fields of a [`NewSale`] that change; the others stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct SaleChanges(pub(super) Map<String, Value>);

impl SaleChanges {
    pub const fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// The sale with these changes. Its id, kind, currency and prices stay; items keep their number and order.
    pub fn apply(&self, sale: &Sale) -> Result<Sale, ApiError> {
        let mut document = document(sale);
        for (key, value) in &self.0 {
            match (&mut document[key], value) {
                (Value::Object(settings), Value::Object(changes)) if key == "admission" => {
                    settings.extend(changes.clone());
                }
                (field, value) => *field = value.clone(),
            }
        }
        let changed = NewSale::parse(&document)?.into_sale(sale.created_at);
        let has_same_items = changed.items.len() == sale.items.len()
            && changed.items.iter().zip(&sale.items).all(|(new, old)| new.id == old.id && new.price == old.price);
        let mut errors = Errors::default();
        errors.check(changed.id == sale.id, "/id");
        errors.check(has_same_items, "/items");
        errors.finish(Ok(Sale {
            paused: sale.paused,
            closing: sale.closing,
            closed_at: sale.closed_at,
            hidden: sale.hidden,
            owner: sale.owner.clone(),
            epoch: sale.epoch,
            version: sale.version,
            ..changed
        }))
    }

    /// As it was sent.
    pub fn to_json(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }
}

/// A sale as the document that would create it.
fn document(sale: &Sale) -> Value {
    json!({
        "id": sale.id, "kind": sale.kind, "name": sale.name, "message": sale.message, "opens_at": sale.opens_at,
        "closes_at": sale.closes_at, "items": sale.items, "per_buyer_limit": sale.per_buyer_limit,
        "hold_seconds": sale.hold_seconds, "enter_seconds": sale.enter_seconds, "pass_seconds": sale.pass_seconds,
        "admission": sale.admission,
    })
}

/// The schema of a new sale, without a field that is required.
impl PartialSchema for SaleChanges {
    fn schema() -> RefOr<Schema> {
        match NewSale::schema() {
            RefOr::T(Schema::Object(mut object)) => {
                object.required.clear();
                object.description = Some("What changes of a sale; what is missing stays as it is.".to_owned());
                object.examples = vec![json!({"closes_at": "2026-11-21T12:00:00Z", "per_buyer_limit": 2})];
                RefOr::T(Schema::Object(object))
            }
            other => other,
        }
    }
}

impl ToSchema for SaleChanges {
    fn name() -> Cow<'static, str> {
        "SaleChanges".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        NewSale::schemas(schemas);
    }
}
