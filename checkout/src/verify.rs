//! Verify: compares the database, the gate, the queue, the event log and the provider's ledger.
//!
//! Between two stores that are written one after the other there is always a moment in which they differ. So everything
//! is read twice, a grace apart, and only what is found both times counts.

mod money;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use sale::{SaleId, SaleState};
use serde::Serialize;
use stores::{
    StoreError,
    database::{Database, consistency, sales},
    payments::PaymentProvider,
    queue_store::SaleQueueStore,
};
use utoipa::ToSchema;

pub use self::money::{Books, read_books};
use crate::reconcile::differences;

/// What `openrun verify` waits between its two reads: longer than any event takes on its way.
pub const GRACE: Duration = Duration::from_secs(2);
/// How old an event may be before it should be on the log.
const EVENT_AGE_MS: i64 = 10_000;

/// What was compared, and what did not fit.
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

/// The stores to compare.
pub struct Verifier {
    pub database: Database,
    pub queue: Arc<dyn SaleQueueStore>,
    pub provider: Arc<dyn PaymentProvider>,
}

/// One read of everything.
#[derive(Debug, Default)]
struct Reading {
    checked: BTreeMap<&'static str, u64>,
    found: Vec<Finding>,
}

impl Reading {
    fn count(&mut self, what: &'static str, n: u64) {
        let counted = self.checked.entry(what).or_default();
        *counted = counted.saturating_add(n);
    }

    fn find(&mut self, what: &'static str, id: &impl ToString, detail: impl Into<String>) {
        self.found.push(Finding { what, id: id.to_string(), detail: detail.into() });
    }
}

impl Verifier {
    /// Compares everything of one sale, or of all, twice.
    pub async fn verify(&self, sale: Option<&SaleId>, grace: Duration) -> Result<Report, StoreError> {
        let first = self.read(sale).await?;
        if first.found.is_empty() {
            return Ok(Report { checked: first.checked, ..Report::default() });
        }
        tokio::time::sleep(grace).await;
        let second = self.read(sale).await?;
        Ok(compare(&first.found, second))
    }

    async fn read(&self, sale: Option<&SaleId>) -> Result<Reading, StoreError> {
        let mut reading = Reading::default();
        self.check_rows(sale, &mut reading).await?;
        money::check(self, sale, &mut reading).await?;
        self.check_events(sale, &mut reading).await?;
        let all = match sale {
            Some(sale) => vec![sale.clone()],
            None => sales::running(&self.database).await?,
        };
        for sale in &all {
            self.check_queue(sale, &mut reading).await?;
        }
        Ok(reading)
    }

    async fn check_rows(&self, sale: Option<&SaleId>, reading: &mut Reading) -> Result<(), StoreError> {
        let counted = consistency::count_rows(&self.database, sale).await?;
        reading.count("orders", counted.orders);
        reading.count("holds", counted.holds);
        reading.count("payments", counted.payments);
        for violation in consistency::violations(&self.database, sale).await? {
            reading.find(violation.rule, &violation.id, "");
        }
        Ok(())
    }

    async fn check_events(&self, sale: Option<&SaleId>, reading: &mut Reading) -> Result<(), StoreError> {
        let before = self.database.now().plus_millis(-EVENT_AGE_MS);
        for event in consistency::unpublished(&self.database, before, 1_000).await? {
            if sale.is_none_or(|sale| *sale == event.sale) {
                reading.find("event_not_published", &event.id, event.kind.as_str());
            }
        }
        Ok(())
    }

    /// The gate's units and holds, and the queue's numbers, against the database.
    async fn check_queue(&self, sale: &SaleId, reading: &mut Reading) -> Result<(), StoreError> {
        let Some(stocked) = sales::load(&self.database, sale).await? else { return Ok(()) };
        if stocked.state(self.database.now()) == SaleState::Closed {
            return Ok(());
        }
        let key = stocked.queue_key();
        let seen = match self.queue.observe(&key, 0).await {
            Ok(seen) => seen,
            Err(StoreError::Lost) => {
                reading.find("line_lost", sale, "");
                return Ok(());
            }
            Err(trouble) => return Err(trouble),
        };
        reading.count("items", stocked.stock.len() as u64);
        for difference in differences(&stocked.stock, &seen.stock) {
            reading.find("gate_counts", &format!("{sale}/{}", difference.database.item), format!("{difference:?}"));
        }
        if seen.last_number > stocked.allocated_up_to {
            let detail = format!("{} > {}", seen.last_number, stocked.allocated_up_to);
            reading.find("number_above_ceiling", sale, detail);
        }
        let in_gate: BTreeSet<_> = self.queue.holds(&key).await?.iter().map(|hold| hold.hold.to_string()).collect();
        let live: BTreeSet<_> = consistency::live_holds(&self.database, sale).await?.into_iter().collect();
        reading.count("gate_holds", in_gate.len() as u64);
        for hold in in_gate.difference(&live) {
            reading.find("hold_in_gate_only", hold, "");
        }
        for hold in live.difference(&in_gate) {
            reading.find("hold_in_database_only", hold, "");
        }
        Ok(())
    }
}

/// What both reads found, as the second one saw it.
fn compare(first: &[Finding], second: Reading) -> Report {
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
