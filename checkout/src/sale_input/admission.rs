//! Changes of the admission settings: they lie over the settings as they are.

use sale::{Admission, sale::Mode};
use serde_json::Value;
use utoipa::ToSchema;
use web::ApiError;

use super::{
    reader::{Errors, FromField, Object, Refused},
    values::{MaxActive, Overcall, PerMinute},
};

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
