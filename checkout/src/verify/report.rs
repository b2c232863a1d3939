//! The report of a verification: what it compared, and its findings.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

/// The rows that a verification compared, by kind, and its findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(examples(
    json!({"differences": 0, "checked": {"orders": 657, "holds": 688, "payments": 701, "items": 1, "gate_holds": 31}, "found": []}),
    json!({
        "differences": 1,
        "checked": {"orders": 657, "holds": 688, "payments": 701, "items": 1, "gate_holds": 32},
        "found": [{"what": "hold_in_gate_only", "id": "019aa5f2-6e10-7c3d-8f41-5b2a9c7e1d04.1", "detail": ""}],
    })
))]
pub struct Report {
    pub differences: usize,
    pub checked: BTreeMap<&'static str, u64>,
    pub found: Vec<Finding>,
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct Finding {
    pub what: &'static str,
    /// An order, hold, payment, event, `sale/item` or `sale/buyer`.
    pub id: String,
    pub detail: String,
}

/// One read of everything.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) checked: BTreeMap<&'static str, u64>,
    pub(super) found: Vec<Finding>,
}

impl Reading {
    pub(super) fn count(&mut self, what: &'static str, n: u64) {
        let counted = self.checked.entry(what).or_default();
        *counted = counted.saturating_add(n);
    }

    pub(super) fn find(&mut self, what: &'static str, id: &impl ToString, detail: impl Into<String>) {
        self.found.push(Finding { what, id: id.to_string(), detail: detail.into() });
    }
}

/// Reports the findings that both reads have, with the details of the second.
pub(super) fn compare(first: &[Finding], second: Reading) -> Report {
    let before: BTreeSet<_> = first.iter().map(|found| (found.what, found.id.as_str())).collect();
    let found: Vec<_> =
        second.found.into_iter().filter(|found| before.contains(&(found.what, found.id.as_str()))).collect();
    Report { differences: found.len(), checked: second.checked, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_found_twice_counts() {
        let found = |what, id: &str, detail: &str| Finding { what, id: id.to_owned(), detail: detail.to_owned() };
        let first = [found("a", "1", "x"), found("a", "2", "")];
        let second = Reading { found: vec![found("a", "1", "y"), found("b", "2", "")], ..Reading::default() };
        let report = compare(&first, second);
        assert_eq!((report.differences, report.found), (1, vec![found("a", "1", "y")]));
    }

    #[test]
    fn a_report_without_differences_says_so() {
        let text = serde_json::to_string(&Report::default()).unwrap();
        assert_eq!(text, r#"{"differences":0,"checked":{},"found":[]}"#);
    }
}
