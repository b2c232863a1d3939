//! The frame: one small public document per sale, the same bytes for everybody from every process.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{Epoch, ItemId, SaleId},
    language::Text,
    sale::SaleState,
};

/// Numbers per bucket of the histogram. Fixed for the life of a sale, because another division could make a shown place
/// rise; 256 keeps a million waiting tickets within about 16 KB.
pub const BUCKET: u64 = 256;

/// Why calls stand still although nobody paused them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The queue store was lost; places are being put back.
    Restoring,
    /// A store does not answer.
    StoreUnavailable,
    /// Payments or events take longer than usual.
    PaymentsDelayed,
}

/// Live tickets that have never been called, counted by number: bucket `b` holds the numbers
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
    /// Units in other people's hands that may come back.
    pub held: u64,
}

/// The public state of a sale's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Frame {
    pub sale: SaleId,
    pub state: SaleState,
    pub trouble: Option<Trouble>,
    pub epoch: Epoch,
    /// Counts changes; also the id of the stream's events.
    pub tick: u64,
    pub changed_at: Timestamp,
    pub opens_at: Timestamp,
    /// Numbers above it have not been called.
    pub serving: u64,
    /// The highest number given.
    pub last_number: u64,
    /// People in the line.
    pub waiting: u64,
    pub histogram: Histogram,
    pub rate_per_minute: u32,
    pub items: Vec<ItemLeft>,
    pub poll_after_ms: u64,
    pub message: Option<Text>,
}

impl Frame {
    /// The frame of a line that nobody has joined.
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

    /// Whether `other` says the same, whenever it was written.
    pub fn has_same_content(&self, other: &Self) -> bool {
        Self { tick: 0, changed_at: Timestamp::default(), ..self.clone() }
            == Self { tick: 0, changed_at: Timestamp::default(), ..other.clone() }
    }
}

/// How long clients wait between polls, in milliseconds: often in a short queue, spread out in a long one.
pub fn poll_after_ms(waiting: u64) -> u64 {
    match waiting {
        0..10_000 => 2_000,
        10_000..100_000 => 4_000,
        _ => 8_000,
    }
}
