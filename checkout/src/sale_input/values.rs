//! The values in the documents of a sale. A type knows its bounds: its reader keeps them, and its schema shows them.
//!
//! The schemas stand inline in those of the documents. A field whose schema is inline and not nullable must have no doc
//! comment: utoipa would make a second schema of it, of an object, that the value has to fit as well.

use sale::{Currency, ItemId, SaleId, Text, Timestamp, sale::Kind, sale::Mode};
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};
use web::ErrorCode;

use super::reader::{Errors, FromField, Refused};

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

/// Units that exist.
pub type Units = Whole<1, 10_000_000>;
/// In minor units of the currency.
pub type Amount = Whole<0, 1_000_000_000_000>;
pub type PerBuyerLimit = Whole<1, 1_000>;
pub type HoldSeconds = Whole<5, 3_600>;
pub type EnterSeconds = Whole<5, 900>;
pub type PassSeconds = Whole<5, 600>;
pub type PerMinute = Whole<0, 6_000_000>;
pub type MaxActive = Whole<1, 1_000_000>;

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    pub const BOUNDS: (i64, i64) = (MIN, MAX);

    pub fn new(number: i64) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// As the sale has it; only an [`Amount`] may be larger than that.
    pub fn to_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<const MIN: i64, const MAX: i64> FromField for Whole<MIN, MAX> {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        errors.require(value.as_i64().and_then(Self::new), pointer)
    }
}

impl<const MIN: i64, const MAX: i64> PartialSchema for Whole<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        of_type(Type::Integer).minimum(Some(MIN)).maximum(Some(MAX)).into()
    }
}

impl<const MIN: i64, const MAX: i64> ToSchema for Whole<MIN, MAX> {}

/// The share of calls beyond the units that are free.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overcall(f64);

impl Overcall {
    pub const BOUNDS: (i32, i32) = (0, 10);

    pub const fn share(self) -> f64 {
        self.0
    }
}

impl FromField for Overcall {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        let (min, max) = (f64::from(Self::BOUNDS.0), f64::from(Self::BOUNDS.1));
        errors.require(value.as_f64().filter(|share| (min..=max).contains(share)).map(Self), pointer)
    }
}

impl PartialSchema for Overcall {
    fn schema() -> RefOr<Schema> {
        let (min, max) = Self::BOUNDS;
        of_type(Type::Number)
            .minimum(Some(min))
            .maximum(Some(max))
            .description(Some("Share of calls beyond the units that are free: 0.1 calls eleven people for ten units."))
            .into()
    }
}

impl ToSchema for Overcall {}

/// A text in both languages, each of 1 to `MAX` characters on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bilingual<const MAX: usize>(pub Text);

pub type Name = Bilingual<200>;
pub type Message = Bilingual<500>;

impl<const MAX: usize> FromField for Bilingual<MAX> {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        let mut text = |language: &str| {
            let text = value.get(language).and_then(Value::as_str).map(str::trim);
            let fits = |text: &&str| (1..=MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
            errors.require(text.filter(fits).map(str::to_owned), &format!("{pointer}/{language}"))
        };
        let (ko, en) = (text("ko"), text("en"));
        Ok(Self(Text { ko: ko?, en: en? }))
    }
}

impl<const MAX: usize> PartialSchema for Bilingual<MAX> {
    fn schema() -> RefOr<Schema> {
        /// No control characters, and something besides spaces at both ends.
        const PRINTABLE: &str = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$";
        let text = || of_type(Type::String).min_length(Some(1)).max_length(Some(MAX)).pattern(Some(PRINTABLE));
        ObjectBuilder::new().property("ko", text()).required("ko").property("en", text()).required("en").into()
    }
}

impl<const MAX: usize> ToSchema for Bilingual<MAX> {}

impl FromField for SaleId {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        errors.require(value.as_str().and_then(|id| id.parse().ok()), pointer)
    }
}

impl FromField for ItemId {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        errors.require(value.as_str().and_then(|id| id.parse().ok()), pointer)
    }
}

impl FromField for Timestamp {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        errors.require(value.as_str().and_then(Self::parse), pointer)
    }
}

impl FromField for Currency {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        errors.require(value.as_str().and_then(Self::parse), pointer)
    }
}

impl FromField for Kind {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        match value.as_str() {
            Some("open_run") => Ok(Self::OpenRun),
            Some("draw" | "raffle" | "regular") => errors.refuse(pointer, ErrorCode::NotSupported),
            _ => errors.refuse(pointer, ErrorCode::InvalidField),
        }
    }
}

impl FromField for Mode {
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused> {
        match value.as_str() {
            Some("manual") => Ok(Self::Manual),
            Some("auto") => errors.refuse(pointer, ErrorCode::NotSupported),
            _ => errors.refuse(pointer, ErrorCode::InvalidField),
        }
    }
}

fn of_type(of: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(of))
}
