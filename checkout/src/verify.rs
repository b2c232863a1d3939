//! Verify: compares the database, the gate, the queue, the event log and the provider's ledger.
//!
//! Between two stores that are written one after the other there is always a moment in which they differ. So everything
//! is read twice, a grace apart, and only what is found both times counts.

mod money;
mod report;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sale::{SaleId, SaleState};
use stores::{
    StoreError,
    database::{Database, consistency, sales},
    payments::PaymentProvider,
    queue_store::SaleQueueStore,
};

use self::report::{Reading, compare};
pub use self::{
    money::{Books, read_books},
    report::{Finding, Report},
};
use crate::reconcile::differences;

/// What `openrun verify` waits between its two reads: longer than any event takes on its way.
pub const GRACE: Duration = Duration::from_secs(2);
/// How old an event may be before it should be on the log.
const EVENT_AGE_MS: i64 = 10_000;

/// The stores to compare.
pub struct Verifier {
    pub database: Database,
    pub queue: Arc<dyn SaleQueueStore>,
    pub provider: Arc<dyn PaymentProvider>,
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
        money::check(&self.database, self.provider.as_ref(), sale, &mut reading).await?;
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
