//! Changes of a sale: what lays over the sale, or over its admission settings, as they are.

use std::borrow::Cow;

use sale::{Admission, Sale, sale::Mode};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use web::ApiError;

use super::{
    NewSale,
    reader::{Errors, FromField, Object, Refused},
    values::{MaxActive, Overcall, PerMinute},
};

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

/// Admission settings that change; the others stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"per_minute": 600, "max_active": 200}), json!({"overcall": 0.1})))]
pub struct AdmissionChanges {
    /// `auto` is not built yet.
    #[schema(nullable = false)]
    mode: Option<Mode>,
    /// Calls per minute; 0 calls nobody.
    #[schema(inline)]
    per_minute: Option<PerMinute>,
    /// Buyers called or inside at the same time.
    #[schema(inline)]
    max_active: Option<MaxActive>,
    #[schema(inline, nullable = false)]
    overcall: Option<Overcall>,
}

impl AdmissionChanges {
    /// Reads the body of `PUT /v1/sales/{sale}/admission`.
    pub fn parse(document: &Value) -> Result<Self, ApiError> {
        let mut errors = Errors::default();
        let changes = Self::from_field(document, "", &mut errors);
        errors.finish(changes)
    }

    /// The settings with these changes.
    pub fn apply(self, in_force: Admission) -> Admission {
        Admission {
            mode: self.mode.unwrap_or(in_force.mode),
            per_minute: self.per_minute.map_or(in_force.per_minute, PerMinute::to_u32),
            max_active: self.max_active.map_or(in_force.max_active, MaxActive::to_u32),
            overcall: self.overcall.map_or(in_force.overcall, Overcall::share),
        }
    }
}

impl FromField for AdmissionChanges {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        let mut object = Object::at(value, pointer, errors)?;
        let mode = object.optional("mode");
        let per_minute = object.nullable("per_minute");
        let max_active = object.nullable("max_active");
        let overcall = object.optional("overcall");
        object.refuse_others();
        Ok(Self { mode: mode?, per_minute: per_minute?, max_active: max_active?, overcall: overcall? })
    }
}
