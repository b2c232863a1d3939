//! The reconciler: frees what a crash left in the gate, and reports where gate and database count differently.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use sale::{HoldId, HoldState, SaleId, Timestamp};
use stores::{
    StoreError,
    database::{
        Database, epochs,
        holds::{self, ending},
        sales::{self, StockedSale},
    },
    periodic::Periodic,
    queue_store::{GateHold, HoldEnd, HoldEnding, HoldsCursor, QueueKey, SaleQueueStore, StockCount},
};
use tokio_util::sync::CancellationToken;

/// How often gate and database are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// How long a hold may be in the gate alone. A reservation whose database is slow is given up by its buyer and by every
/// time-out on the way before; and should its commit come still later, it hits the mark.
pub const GRACE_MS: i64 = 10_000;

pub struct Reconciler {
    database: Database,
    queue: Arc<dyn SaleQueueStore>,
}

impl Reconciler {
    pub fn new(database: Database, queue: Arc<dyn SaleQueueStore>) -> Self {
        Self { database, queue }
    }

    /// Compares all running sales until `stop`.
    pub fn run(&self, stop: CancellationToken) -> BoxFuture<'_, ()> {
        self.run_until(stop).boxed()
    }

    async fn run_until(&self, stop: CancellationToken) {
        let mut before = HashMap::new();
        let mut periodic = Periodic::every(COMPARE_EVERY, "the reconciler", &stop);
        while periodic.is_due().await {
            let compared = self.run_once().await;
            periodic.record(compared.map(|now| before = report(&before, now)));
        }
    }

    /// Compares every running sale once: frees orphans and returns the differences of the counts.
    pub async fn run_once(&self) -> Result<HashMap<SaleId, Vec<Difference>>, StoreError> {
        let mut found = HashMap::new();
        for sale in sales::running(&self.database).await? {
            match self.compare(&sale).await {
                Ok(differences) if differences.is_empty() => {}
                Ok(differences) => {
                    found.insert(sale, differences);
                }
                Err(trouble) => tracing::debug!(%sale, "gate and database are compared later: {trouble}"),
            }
        }
        Ok(found)
    }

    async fn compare(&self, sale: &SaleId) -> Result<Vec<Difference>, StoreError> {
        let Some(key) = epochs::queue_key(&self.database, sale).await? else { return Ok(Vec::new()) };
        self.free_orphans(&key).await?;
        let gate = self.queue.observe(&key, 0).await?.stock;
        let Some(known) = sales::load(&self.database, sale).await? else { return Ok(Vec::new()) };
        self.restock(&key, &known, &gate).await?;
        Ok(differences(&known.stock, &gate))
    }

    /// Sets at the gate how many units exist, where the seller's change did not reach it.
    async fn restock(&self, key: &QueueKey, known: &StockedSale, gate: &[StockCount]) -> Result<(), StoreError> {
        for item in &known.sale.items {
            let counted = gate.iter().find(|count| count.item == item.id);
            let total = counted.map(|count| count.free.saturating_add(count.held).saturating_add(count.sold));
            if total != Some(i64::from(item.units)) {
                self.queue.restock(key, &item.id, item.units, known.sale.version).await?;
            }
        }
        Ok(())
    }

    /// Ends every hold of the gate that the database knows as ended, or does not know after the grace. Some at a time: one
    /// that is taken meanwhile may be left to the next run, and one that is seen twice ends once.
    pub async fn free_orphans(&self, key: &QueueKey) -> Result<(), StoreError> {
        let mut from = Some(HoldsCursor::default());
        while let Some(here) = from {
            let some = self.queue.holds_page(key, &here).await?;
            self.free_orphans_of(key, &some.holds).await?;
            from = some.next;
        }
        Ok(())
    }

    async fn free_orphans_of(&self, key: &QueueKey, held: &[GateHold]) -> Result<(), StoreError> {
        let ids: Vec<_> = held.iter().map(|hold| hold.hold).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let known: HashMap<_, _> = holds::find(&self.database, &ids)
            .await?
            .into_iter()
            .map(|hold| (hold.id, KnownHold { state: hold.state, is_mark: hold.buyer.is_none() }))
            .collect();
        let now = self.database.now();
        let orphans: Vec<_> = held.iter().filter(|hold| is_orphan(hold, &known, now)).map(|hold| hold.hold).collect();
        let mut ends: Vec<_> = ids.iter().filter_map(|id| end_of(*id, *known.get(id)?)).collect();
        if !orphans.is_empty() {
            let marked = holds::mark_never_placed(&self.database, &key.sale, &orphans, now).await?;
            tracing::info!(sale = %key.sale, orphans = marked.len(), "units of orders that were never placed go back");
            ends.extend(marked.into_iter().map(|hold| HoldEnd { hold, ending: HoldEnding::NeverPlaced }));
        }
        if ends.is_empty() { Ok(()) } else { self.queue.end_holds(key, &ends).await }
    }
}

/// What the database knows about a hold.
#[derive(Clone, Copy, Debug)]
struct KnownHold {
    state: HoldState,
    /// The mark of an order that was never placed.
    is_mark: bool,
}

fn is_orphan(hold: &GateHold, known: &HashMap<HoldId, KnownHold>, now: Timestamp) -> bool {
    !known.contains_key(&hold.hold) && now.millis_since(hold.taken_at) >= GRACE_MS
}

/// How the gate has to end a hold that the database knows; `None` while it lives.
fn end_of(hold: HoldId, known: KnownHold) -> Option<HoldEnd> {
    let ending = if known.is_mark { HoldEnding::NeverPlaced } else { ending(known.state)? };
    Some(HoldEnd { hold, ending })
}

/// An item that gate and database count differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub database: StockCount,
    pub gate: Option<StockCount>,
}

/// Where the counts differ. While orders come and go this is normal for a moment.
pub fn differences(database: &[StockCount], gate: &[StockCount]) -> Vec<Difference> {
    database
        .iter()
        .map(|count| (count, gate.iter().find(|other| other.item == count.item)))
        .filter(|(count, other)| Some(*count) != *other)
        .map(|(count, other)| Difference { database: count.clone(), gate: other.cloned() })
        .collect()
}

/// Reports a difference that was the same in the last run: nothing is in flight, so it does not go away by itself.
fn report(
    before: &HashMap<SaleId, Vec<Difference>>,
    now: HashMap<SaleId, Vec<Difference>>,
) -> HashMap<SaleId, Vec<Difference>> {
    for (sale, differences) in &now {
        if before.get(sale) == Some(differences) {
            for difference in differences {
                tracing::error!(
                    %sale, item = %difference.database.item,
                    "the gate counts units otherwise than the database: {difference:?}"
                );
            }
        }
    }
    now
}
