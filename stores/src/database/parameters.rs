//! Parameters that carry many values at once, as JSON: a statement over a batch is one statement.

use std::collections::BTreeMap;

use sale::{HoldId, ItemId};
use serde::Serialize;
use serde_json::json;

/// A JSON array of texts.
pub(super) fn list<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    rows(&values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>())
}

/// A JSON array of objects, one a row.
pub(super) fn rows<T: Serialize>(rows: &[T]) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

/// Hold ids as rows of `order_id` and `n`.
pub(super) fn hold_ids(ids: &[HoldId]) -> String {
    rows(&ids.iter().map(|id| json!({"order_id": id.order, "n": id.n})).collect::<Vec<_>>())
}

/// How many of each item, as the column `holds.units` has it.
pub(super) fn units<'a>(lines: impl IntoIterator<Item = (&'a ItemId, u32)>) -> String {
    let mut units: BTreeMap<&str, u32> = BTreeMap::new();
    for (item, quantity) in lines {
        let sum = units.entry(item.as_str()).or_default();
        *sum = sum.saturating_add(quantity);
    }
    serde_json::to_string(&units).unwrap_or_default()
}
