//! Port: the stock gate, the fast copy of stock before the database decides.
//!
//! It may refuse too much, never give too much. A refusal consumes nothing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sale::{
    HoldId, ItemId, SaleId, Timestamp,
    sale::{Line, Place},
};

use crate::{StoreError, queue_store::QueueKey};

/// Units wanted by the holder of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    pub hold: HoldId,
    pub place: Place,
    pub lines: Vec<Line>,
    /// Units that one buyer may have of the sale.
    pub limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Taken now, or before by the same hold.
    Taken,
    /// This hold was taken before and has ended since; the database knows how.
    Ended,
    /// The pass was used for this other hold, or its buyer left (`None`).
    PassUsed {
        hold: Option<HoldId>,
    },
    /// The pass was swept before it was used.
    PassEnded,
    SoldOut,
    LimitReached,
}

/// How a hold ended. Telling it twice changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The units are sold.
    Committed,
    /// The units go back.
    Released,
    /// It was never placed: the units go back and the pass is good again.
    NeverPlaced,
    /// The payment is unknown: the units stay held, but the buyer does not count as inside any more.
    Inactive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub hold: HoldId,
    pub ending: Ending,
}

/// A hold as the gate remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateHold {
    pub hold: HoldId,
    pub taken_at: Timestamp,
    pub lines: Vec<Line>,
}

/// Where a reading of the holds goes on; the default is the beginning. Only the store that gave it can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldsFrom(pub(crate) String);

/// Some of the holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SomeHolds {
    pub holds: Vec<GateHold>,
    /// Where the others are; `None` after the last ones.
    pub next: Option<HoldsFrom>,
}

#[async_trait]
pub trait StockGate: Send + Sync {
    /// Checks each pass, the units and the buyer's limit, and takes the units of all lines or none. An item that the
    /// sale does not have fails the whole slice before anything is taken.
    /// The pass must have been entered in this store and not be swept; its time is the caller's to check.
    async fn take(&self, key: &QueueKey, asks: &[Take], now: Timestamp) -> Result<Vec<Taken>, StoreError>;

    /// Takes units for an order whose hold had ended (a payment that succeeded late), under the id `{order}:2`. No pass
    /// is asked for. Answers `Taken`, `SoldOut` or `LimitReached`.
    async fn retake(&self, key: &QueueKey, ask: &Take, now: Timestamp) -> Result<Taken, StoreError>;

    /// Ends holds. Unknown ones have been told before and are passed over.
    async fn end(&self, key: &QueueKey, ends: &[End]) -> Result<(), StoreError>;

    /// Makes `total` the units that exist of an item, as of the sale's `version`; an older version changes nothing. An
    /// item that the sale did not have comes after the others.
    async fn restock(&self, key: &QueueKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError>;

    /// Some hundreds of the holds that have not ended, for reconciliation. Whoever goes on until there is no `next` has
    /// seen every hold that was there all the time, perhaps twice; one that came or ended meanwhile may be missing.
    async fn some_holds(&self, key: &QueueKey, from: &HoldsFrom) -> Result<SomeHolds, StoreError>;

    /// Every hold that has not ended, each once and in order, read some at a time.
    async fn holds(&self, key: &QueueKey) -> Result<Vec<GateHold>, StoreError> {
        let (mut all, mut from) = (BTreeMap::new(), Some(HoldsFrom::default()));
        while let Some(here) = from {
            let some = self.some_holds(key, &here).await?;
            all.extend(some.holds.into_iter().map(|held| (held.hold, held)));
            from = some.next;
        }
        Ok(all.into_values().collect())
    }

    /// Forgets a sale, all lives of it (the demo is reset).
    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError>;
}
