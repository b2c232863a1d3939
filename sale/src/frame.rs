//! The frame: one small public document per sale, the same bytes for everybody from every process.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{Epoch, ItemId, SaleId},
    language::Text,
    sale::SaleState,
};

/// Ranks per bucket of the histogram. It never changes during a sale, because `ahead` could rise with another division;
/// 256 keeps a million waiting tickets within about 16 KB.
pub const BUCKET: u64 = 256;

/// Why nobody is called although the seller has not paused the sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The queue store was lost; places are being restored.
    Restoring,
    /// A store is unavailable.
    StoreUnavailable,
    /// Payments or events take longer than usual.
    PaymentsDelayed,
}

/// Live tickets that have never been called, counted by rank: bucket `b` counts the ranks
/// `b * bucket + 1 ..= (b + 1) * bucket`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Histogram {
    pub bucket: u64,
    pub live: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ItemLeft {
    pub id: ItemId,
    /// Units that nobody holds.
    pub left: u64,
    /// Units on hold for orders that are not paid yet; they may come back.
    pub held: u64,
}

/// The public state of a sale's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Frame {
    pub sale: SaleId,
    pub state: SaleState,
    pub trouble: Option<Trouble>,
    pub epoch: Epoch,
    /// Rises with every published frame; also the id of the stream's events.
    pub tick: u64,
    pub changed_at: Timestamp,
    pub opens_at: Timestamp,
    /// The highest rank that was ever called; ranks above it have not been called.
    pub serving: u64,
    /// The highest number given.
    pub last_number: u64,
    /// People in the queue.
    pub waiting: u64,
    pub histogram: Histogram,
    pub rate_per_minute: u32,
    pub items: Vec<ItemLeft>,
    pub poll_after_ms: u64,
    pub message: Option<Text>,
}

impl Frame {
    /// The frame of a queue that nobody has joined.
    pub fn empty(sale: SaleId) -> Self {
        Self {
            sale,
            state: SaleState::Scheduled,
            trouble: None,
            epoch: 0,
            tick: 0,
            changed_at: Timestamp::default(),
            opens_at: Timestamp::default(),
            serving: 0,
            last_number: 0,
            waiting: 0,
            histogram: Histogram { bucket: BUCKET, live: Vec::new() },
            rate_per_minute: 0,
            items: Vec::new(),
            poll_after_ms: poll_after_ms(0),
            message: None,
        }
    }

    /// Whether both frames differ at most in their tick and time.
    pub fn has_same_content(&self, other: &Self) -> bool {
        Self { tick: 0, changed_at: Timestamp::default(), ..self.clone() }
            == Self { tick: 0, changed_at: Timestamp::default(), ..other.clone() }
    }
}

/// How long clients wait between polls, in milliseconds: longer in a longer queue.
pub fn poll_after_ms(waiting: u64) -> u64 {
    match waiting {
        0..10_000 => 2_000,
        10_000..100_000 => 4_000,
        _ => 8_000,
    }
}
