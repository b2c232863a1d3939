//! What the admission leader decides by.

use sale::{ItemId, frame::ItemLeft};

/// The state of a queue and its stock, read in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    pub last_number: u64,
    /// The highest number ever called.
    pub serving: u64,
    /// Tickets in the queue, with the late ones at the front.
    pub waiting: u64,
    /// Called and not yet entered; a window counts until it is swept or its buyer reads the status.
    pub called: u64,
    /// Entered and not finished: unused passes until they are swept, and orders that are neither final nor unknown.
    pub active: u64,
    /// Those of `active` that hold no units yet.
    pub without_hold: u64,
    /// All tickets ever called, in this epoch.
    pub called_total: u64,
    /// All tickets ever admitted, in this epoch.
    pub admitted_total: u64,
    /// The number of the n-th waiting ticket, or of the last one when fewer wait; 0 when nobody waits.
    pub nth_number: u64,
    pub stock: Vec<StockCount>,
    /// Live tickets above `serving`, by [`sale::frame::BUCKET`], up to the bucket of `last_number`.
    pub histogram: Vec<u64>,
}

/// Units of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockCount {
    pub item: ItemId,
    /// May be negative for a moment after the seller lowered the stock.
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

impl From<&StockCount> for ItemLeft {
    /// What the frame shows of these units; a negative count is shown as zero.
    fn from(count: &StockCount) -> Self {
        let shown = |units: i64| u64::try_from(units).unwrap_or(0);
        Self { id: count.item.clone(), left: shown(count.free), held: shown(count.held) }
    }
}
