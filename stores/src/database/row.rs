//! Rows as structs: each column is read by its name, into the type that it means.
//!
//! A struct made by [`row!`] is what `sqlx::query_as` answers with. A value that its column should not hold is
//! [`StoreError::Unexpected`](crate::StoreError::Unexpected), with the column's name.

use sale::{
    BuyerId, Currency, EpochNonce, HoldId, HoldState, ItemId, OrderId, OrderState, PassId, PaymentState, SaleId,
    Timestamp,
    ids::{EventId, PaymentId, PurchaseId},
    order::{FinancialState, Fulfilment, ReservationState},
    token::Authority,
};
use sqlx::{Error, Row as _, ValueRef as _, any::AnyRow};

use crate::StoreError;

/// What a column can mean.
pub(crate) trait Column: Sized {
    fn read(row: &AnyRow, name: &str) -> Result<Self, Error>;
}

/// A struct whose fields are the columns of their names.
macro_rules! row {
    ($(#[$about:meta])* $sight:vis struct $name:ident {
        $($(#[$about_field:meta])* $field_sight:vis $field:ident: $kind:ty,)*
    }) => {
        $(#[$about])*
        #[derive(Debug)]
        $sight struct $name { $($(#[$about_field])* $field_sight $field: $kind,)* }

        impl<'row> sqlx::FromRow<'row, sqlx::any::AnyRow> for $name {
            fn from_row(row: &'row sqlx::any::AnyRow) -> Result<Self, sqlx::Error> {
                Ok(Self { $($field: $crate::database::row::Column::read(row, stringify!($field))?,)* })
            }
        }
    };
}
pub(crate) use row;

/// The values of one column, by its name.
pub(crate) fn column<T: Column, All: FromIterator<T>>(rows: &[AnyRow], name: &str) -> Result<All, Error> {
    rows.iter().map(|row| T::read(row, name)).collect()
}

/// A row that contradicts what this program writes.
pub(crate) fn corrupt_row(what: &str) -> StoreError {
    StoreError::unexpected("database", format!("a row with a bad {what}"))
}

/// The error of a value that its column should not hold.
pub(crate) fn corrupt(name: &str) -> Error {
    Error::ColumnDecode { index: name.to_owned(), source: "the row is corrupt".into() }
}

/// A number as a column holds it. Numbers are far below 2^63; a larger one is clamped rather than wrapped.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as it is read from a column that is never negative.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl<T: Column> Column for Option<T> {
    fn read(row: &AnyRow, name: &str) -> Result<Self, Error> {
        if row.try_get_raw(name)?.is_null() { Ok(None) } else { T::read(row, name).map(Some) }
    }
}

impl Column for bool {
    fn read(row: &AnyRow, name: &str) -> Result<Self, Error> {
        Ok(row.try_get::<i64, _>(name)? != 0)
    }
}

impl Column for EpochNonce {
    fn read(row: &AnyRow, name: &str) -> Result<Self, Error> {
        row.try_get(name).map(Self::from_bits)
    }
}

impl Column for Timestamp {
    fn read(row: &AnyRow, name: &str) -> Result<Self, Error> {
        row.try_get(name).map(Self::from_millis)
    }
}

macro_rules! as_they_are {
    ($($kind:ty),*) => {
        $(impl Column for $kind {
            fn read(row: &AnyRow, name: &str) -> Result<Self, Error> {
                row.try_get(name)
            }
        })*
    };
}
as_they_are!(i64, String, Vec<u8>);

macro_rules! numbers {
    ($($kind:ty),*) => {
        $(impl Column for $kind {
            fn read(row: &AnyRow, name: &str) -> Result<Self, Error> {
                Self::try_from(row.try_get::<i64, _>(name)?).map_err(|_| corrupt(name))
            }
        })*
    };
}
numbers!(u32, u64);

macro_rules! texts {
    ($($kind:ty: $parse:expr),* $(,)?) => {
        $(impl Column for $kind {
            fn read(row: &AnyRow, name: &str) -> Result<Self, Error> {
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(row.try_get(name)?).ok_or_else(|| corrupt(name))
            }
        })*
    };
}
texts! {
    SaleId: |text| text.parse().ok(),
    ItemId: |text| text.parse().ok(),
    BuyerId: Self::parse,
    PassId: Self::parse,
    OrderId: Self::parse,
    PurchaseId: Self::parse,
    HoldId: Self::parse,
    PaymentId: Self::parse,
    EventId: Self::parse,
    OrderState: Self::parse,
    ReservationState: Self::parse,
    FinancialState: Self::parse,
    Fulfilment: Self::parse,
    HoldState: Self::parse,
    PaymentState: Self::parse,
    Currency: Self::parse,
    Authority: Self::parse,
}
