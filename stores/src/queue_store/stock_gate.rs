//! The stock gate: the fast copy of a sale's stock, checked before the database decides.
//!
//! Invariant: it may refuse too much, it never gives too much. A refusal changes nothing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sale::{
    HoldId, ItemId, SaleId, Timestamp,
    sale::{Line, Place},
};

use super::QueueKey;
use crate::StoreError;

/// Units that the holder of a pass requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub hold: HoldId,
    pub place: Place,
    pub lines: Vec<Line>,
    /// Units that one buyer may have of the sale.
    pub limit: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// Reserved now, or before by the same hold.
    Reserved,
    /// This hold reserved units before and has ended since; the database knows how.
    HoldEnded,
    /// The pass was used for this other hold, or its buyer left (`None`).
    PassUsed {
        hold: Option<HoldId>,
    },
    /// The pass was swept before it was used.
    PassExpired,
    SoldOut,
    LimitReached,
}

/// How a hold ended. Ending it a second time changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldEnding {
    /// The units are sold.
    Committed,
    /// The units are free again.
    Released,
    /// The order was never placed: the units are free and the pass is valid again.
    NeverPlaced,
    /// The payment is unknown: the units stay held, but the buyer no longer counts as active.
    Inactive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldEnd {
    pub hold: HoldId,
    pub ending: HoldEnding,
}

/// A hold as the gate stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateHold {
    pub hold: HoldId,
    pub taken_at: Timestamp,
    pub lines: Vec<Line>,
}

/// Where a page of holds begins; the default is the first one. Opaque: only the store that returned it can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldsCursor(pub(crate) String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldsPage {
    pub holds: Vec<GateHold>,
    /// The next page; `None` after the last one.
    pub next: Option<HoldsCursor>,
}

#[async_trait]
pub trait StockGate: Send + Sync {
    /// Checks each pass, the units and the buyer's limit, and reserves the units of all lines or of none. The pass must
    /// have been entered in this store and not be swept; its time is the caller's to check.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`] for an item that the sale does not have, before anything is reserved.
    async fn reserve(
        &self,
        key: &QueueKey,
        requests: &[Reservation],
        now: Timestamp,
    ) -> Result<Vec<ReservationOutcome>, StoreError>;

    /// Reserves units for an order whose hold had ended (a payment that succeeded late), under its next id and
    /// without a pass. Returns `Reserved`, `SoldOut` or `LimitReached`.
    async fn reacquire(
        &self,
        key: &QueueKey,
        request: &Reservation,
        now: Timestamp,
    ) -> Result<ReservationOutcome, StoreError>;

    /// Ends holds. Unknown ones have ended before and are skipped.
    async fn end_holds(&self, key: &QueueKey, ends: &[HoldEnd]) -> Result<(), StoreError>;

    /// Sets the number of units that exist of an item, as of the sale's `version`; an earlier version changes nothing. A
    /// new item is appended after the others.
    async fn restock(&self, key: &QueueKey, item: &ItemId, total: u32, version: i64) -> Result<(), StoreError>;

    /// A page of some hundred holds that have not ended, for reconciliation. All pages together contain every hold that
    /// existed throughout, possibly twice; one that began or ended meanwhile may be missing.
    async fn holds_page(&self, key: &QueueKey, from: &HoldsCursor) -> Result<HoldsPage, StoreError>;

    /// Every hold that has not ended, each once and in order, read page by page.
    async fn holds(&self, key: &QueueKey) -> Result<Vec<GateHold>, StoreError> {
        let (mut all, mut from) = (BTreeMap::new(), Some(HoldsCursor::default()));
        while let Some(cursor) = from {
            let page = self.holds_page(key, &cursor).await?;
            all.extend(page.holds.into_iter().map(|held| (held.hold, held)));
            from = page.next;
        }
        Ok(all.into_values().collect())
    }

    /// Removes a sale with all its epochs (when the demo is reset).
    async fn forget(&self, sale: &SaleId) -> Result<(), StoreError>;
}
