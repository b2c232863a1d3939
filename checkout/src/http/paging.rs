//! Lists in pages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{ApiError, ErrorCode};

/// Rows on one page of a list.
pub const PAGE: i64 = 50;

/// A list and where it goes on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub next_cursor: Option<String>,
}

/// Where a page of a list begins, as the query says it.
#[derive(Debug, Deserialize)]
pub struct Cursor {
    cursor: Option<String>,
}

impl Cursor {
    /// The place that the cursor names; `None` is the beginning.
    pub fn parse<Place>(&self, place: impl Fn(&str) -> Option<Place>) -> Result<Option<Place>, ApiError> {
        let place = |cursor| place(cursor).ok_or_else(|| ApiError::field(ErrorCode::InvalidField, "/cursor"));
        self.cursor.as_deref().map(place).transpose()
    }
}

/// The cursor of the next page; `None` when these rows do not fill theirs, because then it is the last one.
pub fn next_cursor<Row>(rows: &[Row], cursor: impl Fn(&Row) -> String) -> Option<String> {
    let is_full = i64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    rows.last().filter(|_| is_full).map(cursor)
}
