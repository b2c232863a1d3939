//! The sandbox's books, page by page: first all charges of a span, then all refunds.

use std::fmt;

use sale::Timestamp;

use super::{
    super::{Page, Span},
    ledger::{self, Place},
    refunds,
};
use crate::{StoreError, database::Database};

/// Charges or refunds on a page.
const PAGE: i64 = 500;

/// The page that begins at `cursor`.
pub(super) async fn list(
    database: &Database,
    span: Span,
    cursor: Option<&str>,
    now: Timestamp,
) -> Result<Page, StoreError> {
    match cursor.map_or(Some(Cursor::Charges(Place::beginning_of(span))), Cursor::parse) {
        Some(Cursor::Charges(after)) => {
            let (entries, next) = ledger::list(database, span, &after, PAGE).await?;
            let next = next.map_or_else(|| Cursor::Refunds(Place::beginning_of(span)), Cursor::Charges);
            let charges = entries.iter().map(|entry| entry.charge(now)).collect();
            Ok(Page { charges, refunds: Vec::new(), next: Some(next.to_string()) })
        }
        Some(Cursor::Refunds(after)) => {
            let (refunds, next) = refunds::list(database, span, &after, PAGE).await?;
            Ok(Page { charges: Vec::new(), refunds, next: next.map(|place| Cursor::Refunds(place).to_string()) })
        }
        None => Err(StoreError::unexpected("sandbox", "no such page")),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cursor {
    Charges(Place),
    Refunds(Place),
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let (kind, place) = text.split_once(':')?;
        let (at, id) = place.split_once(':')?;
        let place = Place { at: Timestamp::from_millis(at.parse().ok()?), id: id.to_owned() };
        match kind {
            "charges" => Some(Self::Charges(place)),
            "refunds" => Some(Self::Refunds(place)),
            _ => None,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, place) = match self {
            Self::Charges(place) => ("charges", place),
            Self::Refunds(place) => ("refunds", place),
        };
        write!(f, "{kind}:{}:{}", place.at.as_millis(), place.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        let place = Place { at: Timestamp::from_millis(7), id: "ch_1".to_owned() };
        for cursor in [Cursor::Charges(place.clone()), Cursor::Refunds(place)] {
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for bad in ["", "charges", "charges:x:ch_1", "mails:7:ch_1"] {
            assert_eq!(Cursor::parse(bad), None, "{bad}");
        }
    }
}
