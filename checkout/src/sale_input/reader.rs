//! Reading a JSON document into a type, with an error for each field that is missing or wrong.

use serde_json::{Map, Value};
use web::{ApiError, ErrorCode, FieldError};

/// What is wrong with a document.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<FieldError>);

/// A value that was refused; why is among the [`Errors`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused;

impl Errors {
    pub(super) fn add(&mut self, pointer: &str, code: ErrorCode) {
        self.0.push(FieldError::new(pointer, code));
    }

    pub(super) fn refuse<T>(&mut self, pointer: &str, code: ErrorCode) -> Result<T, Refused> {
        self.add(pointer, code);
        Err(Refused)
    }

    /// Refuses a field without a value that it can have.
    pub(super) fn require<T>(&mut self, value: Option<T>, pointer: &str) -> Result<T, Refused> {
        value.map_or_else(|| self.refuse(pointer, ErrorCode::InvalidField), Ok)
    }

    /// Adds an error about a field unless something holds.
    pub(super) fn check(&mut self, holds: bool, pointer: &str) {
        if !holds {
            self.add(pointer, ErrorCode::InvalidField);
        }
    }

    /// The value, when nothing is wrong. What is only not built yet has a code of its own.
    pub(super) fn finish<T>(self, value: Result<T, Refused>) -> Result<T, ApiError> {
        match value {
            Ok(value) if self.0.is_empty() => Ok(value),
            _ => {
                let is_unbuilt = !self.0.is_empty() && self.0.iter().all(|error| error.code == ErrorCode::NotSupported);
                let code = if is_unbuilt { ErrorCode::NotSupported } else { ErrorCode::InvalidField };
                Err(ApiError { errors: self.0, ..ApiError::from(code) })
            }
        }
    }
}

/// A type that can be read from a field of a document.
pub(super) trait FromField: Sized {
    /// Reads the value at `pointer`, which is `null` where there is no such field. Adds an error for each part that is
    /// wrong.
    fn from_field(value: &Value, pointer: &str, errors: &mut Errors) -> Result<Self, Refused>;
}

/// The fields of an object. It remembers which were read, so that none is ignored.
pub(super) struct Object<'d, 'e> {
    fields: &'d Map<String, Value>,
    pointer: &'d str,
    errors: &'e mut Errors,
    read: Vec<&'static str>,
}

impl<'d, 'e> Object<'d, 'e> {
    /// The object at `pointer`, or an error.
    pub(super) fn at(value: &'d Value, pointer: &'d str, errors: &'e mut Errors) -> Result<Self, Refused> {
        let fields = errors.require(value.as_object(), pointer)?;
        Ok(Self { fields, pointer, errors, read: Vec::new() })
    }

    /// A field that must be there.
    pub(super) fn required<T: FromField>(&mut self, key: &'static str) -> Result<T, Refused> {
        let value = self.field(key).unwrap_or(&Value::Null);
        T::from_field(value, &self.pointer_to(key), self.errors)
    }

    /// A field that may be missing, but not `null`.
    pub(super) fn optional<T: FromField>(&mut self, key: &'static str) -> Result<Option<T>, Refused> {
        match self.field(key) {
            None => Ok(None),
            Some(value) => T::from_field(value, &self.pointer_to(key), self.errors).map(Some),
        }
    }

    /// A field that may be missing or `null`.
    pub(super) fn nullable<T: FromField>(&mut self, key: &'static str) -> Result<Option<T>, Refused> {
        match self.field(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::from_field(value, &self.pointer_to(key), self.errors).map(Some),
        }
    }

    /// A field of something that is not built yet.
    pub(super) fn not_supported(&mut self, key: &'static str) {
        if self.field(key).is_some_and(|value| !value.is_null()) {
            self.errors.add(&self.pointer_to(key), ErrorCode::NotSupported);
        }
    }

    /// Refuses every field that was not read: a misspelt setting must not pass for a missing one.
    pub(super) fn refuse_others(self) {
        for key in self.fields.keys().filter(|key| !self.read.contains(&key.as_str())) {
            self.errors.add(&format!("{}/{key}", self.pointer), ErrorCode::InvalidField);
        }
    }

    /// What is wrong with a field beside its value.
    pub(super) fn refuse(&mut self, key: &str) {
        self.errors.add(&self.pointer_to(key), ErrorCode::InvalidField);
    }

    fn field(&mut self, key: &'static str) -> Option<&'d Value> {
        self.read.push(key);
        self.fields.get(key)
    }

    fn pointer_to(&self, key: &str) -> String {
        format!("{}/{key}", self.pointer)
    }
}
