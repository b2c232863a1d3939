//! Port: a sale's line.
//!
//! Invariants: a buyer has one place; a number is given once; calls take the lowest numbers seated at that moment; one
//! entry per ticket. Every method is one atomic step over a slice of asks, answered in the same order. All of them
//! answer [`StoreError::Lost`] when the store does not hold the life (epoch and nonce) that the caller names.

use async_trait::async_trait;
use bytes::Bytes;
use sale::{BuyerId, Epoch, HoldId, ItemId, PassId, SaleId, Term, Timestamp, sale::Place};

use super::QueueKey;
use crate::StoreError;

/// Somebody who wants a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub buyer: BuyerId,
    /// The ticket that the buyer already carries: seated again at its own number when the store has lost it.
    pub ticket: Option<Carried>,
}

/// What a verified ticket says about its own past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    pub number: u64,
    /// The life in which the number was given. A place missing from the store is put back only when it is older than
    /// the store's own life; otherwise it was left.
    pub epoch: Epoch,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// A new number, with the instant recorded for it; asking again tells the same instant.
    New { number: u64, joined_at: Timestamp },
    /// The place that the buyer had. `joined_at` is `None` when the life that recorded it is lost.
    Seated { number: u64, joined_at: Option<Timestamp>, seat: Seat },
    /// The next number lies above the ceiling; raise that first.
    CeilingReached,
}

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Seated. The frame tells how many may be before it; a number that a lost life called already stands at the front.
    Waiting,
    /// May enter until then.
    Called { until: Timestamp },
    /// Missed the call once and came back: seated at the front.
    Late,
    /// Entered; the pass is in the database.
    Admitted,
    /// The pass was used for this hold.
    Consumed { hold: HoldId },
    /// Gave the place up.
    Left,
    /// Missed both calls.
    Expired,
}

/// A batch of calls by one leader. A known `seq` of the same term gets the stored answer; an old term is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    pub term: Term,
    pub seq: u64,
    /// How many to call at most.
    pub calls: u64,
    /// Nobody above this number: the cursor that was written to the database first.
    pub up_to: u64,
    /// When the window of the called ends.
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    Batch {
        called: u64,
        serving: u64,
    },
    /// Another leader reigns.
    OldTerm {
        term: Term,
    },
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    Stored,
    /// Another leader reigns, and only its frames count: no two of them have the same tick.
    OldTerm,
}

/// An ask to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enter {
    pub place: Place,
    pub ticket_epoch: Epoch,
    /// The pass that the ticket becomes.
    pub pass: PassId,
    /// When the pass ends unless it is used; until then it counts as active.
    pub expires_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Entered now or before; give out the pass once its row is committed. It ends when it was told to the first time.
    Admitted {
        expires_at: Timestamp,
    },
    NotCalled(Seat),
    /// Used, left or expired.
    Gone(Seat),
}

/// Everything that the admission leader decides by, read in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    pub last_number: u64,
    pub serving: u64,
    /// Seated, the late at the front included.
    pub waiting: u64,
    /// Called and not yet entered; a window counts until it was swept or its buyer asked.
    pub called: u64,
    /// Entered and not finished: unused passes until they are swept, and orders that are not final or unknown.
    pub active: u64,
    /// Those of `active` that hold no units yet.
    pub without_hold: u64,
    /// Everybody ever called and ever admitted, in this life of the store.
    pub called_total: u64,
    pub admitted_total: u64,
    /// The number of the n-th seated, or of the last one when fewer are seated; 0 when nobody is.
    pub nth_number: u64,
    pub stock: Vec<StockCount>,
    /// Live tickets above `serving`, by [`sale::frame::BUCKET`], up to the bucket of `last_number`.
    pub histogram: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockCount {
    pub item: ItemId,
    /// May be below zero for a moment after the seller lowered the stock.
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

/// What the database knows, to fill a new life of the store with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// No number at or below it is given again.
    pub ceiling: u64,
    /// Nobody above it was ever called.
    pub cursor: u64,
    /// The sale's version that `stock` is as of; a restock of an older one changes nothing.
    pub version: i64,
    pub stock: Vec<StockCount>,
    /// Holds that have not ended.
    pub holds: Vec<HeldUnits>,
    /// Units that each buyer holds or has bought.
    pub buyers: Vec<(BuyerId, u32)>,
    pub passes: Vec<KnownPass>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUnits {
    pub hold: HoldId,
    pub buyer: BuyerId,
    pub lines: Vec<sale::sale::Line>,
    /// Whether its buyer counts as inside (not when the payment is unknown).
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPass {
    pub place: Place,
    pub expires_at: Timestamp,
    /// The hold that it was used for.
    pub hold: Option<HoldId>,
    /// Given back by leaving.
    pub ended: bool,
}

#[async_trait]
pub trait Queue: Send + Sync {
    /// Which life of the sale's contents the store holds, with every key in place; [`StoreError::Lost`] when it holds
    /// none, only a part of one, or one that was written before the server last started.
    async fn life(&self, sale: &SaleId) -> Result<QueueKey, StoreError>;

    /// Finds each buyer's place or gives the next number, in the order of the asks. Nothing above `ceiling` is given.
    /// A place that is over (left, expired, consumed, or admitted with a pass that ran out unused) gives way to a new
    /// number; so does one that this life gave and does not hold.
    async fn join(
        &self,
        key: &QueueKey,
        asks: &[Join],
        ceiling: u64,
        now: Timestamp,
    ) -> Result<Vec<Joined>, StoreError>;

    /// Where these tickets stand. This read writes: a late ticket that asks goes to the front, once, and a ticket of an
    /// older life is seated again at its own number. A ticket that is not its buyer's place any more has left.
    async fn standing(
        &self,
        key: &QueueKey,
        asks: &[(BuyerId, Carried)],
        now: Timestamp,
    ) -> Result<Vec<Seat>, StoreError>;

    /// Calls the lowest numbers seated. Within a term `seq` only rises: the last one again gets its stored answer, one
    /// before that calls nobody.
    async fn call(&self, key: &QueueKey, batch: Batch, now: Timestamp) -> Result<Called, StoreError>;

    /// Ends the time of those whom the leader counts: windows that have run out, some thousand at a time (called becomes
    /// late, or expired the second time), and unused passes. Clocks differ and requests take their time, so this, and not
    /// the hour that somebody carries, decides: whoever was counted out here does not come in any more. Tells how many
    /// windows ended.
    async fn sweep(&self, key: &QueueKey, now: Timestamp) -> Result<u64, StoreError>;

    /// Lets called tickets in.
    async fn enter(&self, key: &QueueKey, asks: &[Enter], now: Timestamp) -> Result<Vec<Entered>, StoreError>;

    /// Gives places up; tells what each had been. A pass that was not used ends with it, a used one stays used. A
    /// number of an older life need not have been seated again to be given up.
    async fn leave(&self, key: &QueueKey, places: &[Place], now: Timestamp) -> Result<Vec<Seat>, StoreError>;

    /// What the leader decides by. `nth` asks for the number of the n-th seated. Nothing depends on the hour.
    async fn observe(&self, key: &QueueKey, nth: u64) -> Result<Observation, StoreError>;

    /// Ends the time in which holders of older tickets come back. A new life counts every number between the cursor and
    /// the ceiling as waiting, because a shown place must not rise when they do; from now on only those who came count.
    /// Who comes later is seated all the same, but counted nowhere. A second time changes nothing.
    async fn settle(&self, key: &QueueKey) -> Result<(), StoreError>;

    /// Stores the frame of the leader of `term` for every process to fetch.
    async fn publish(&self, key: &QueueKey, term: Term, frame: Bytes) -> Result<Published, StoreError>;

    /// The stored frame; `None` before the first.
    async fn frame(&self, key: &QueueKey) -> Result<Option<Bytes>, StoreError>;

    /// The numbers above `serving` that were given up in this life, in the order of their leaving, from after the first
    /// `seen` of them on. Every process hears of them this way: a frame alone would tell who left that they wait.
    async fn departed(&self, key: &QueueKey, seen: u64) -> Result<Vec<u64>, StoreError>;

    /// Fills the new life `key` and makes it the store's own, last of all. The store's own life is left as it is; an
    /// older one is not begun, nor one of the same epoch with another nonce ([`StoreError::Lost`]).
    async fn rebuild(&self, key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Result<(), StoreError>;
}
