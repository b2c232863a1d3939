//! One life of a sale in memory, and how it begins.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use sale::{
    BuyerId, Epoch, EpochNonce, HoldId, ItemId, Term, Timestamp,
    frame::BUCKET,
    sale::{Line as OrderLine, Place},
};

use crate::queue_store::{QueueKey, Snapshot};

/// Where a buyer is who is not plainly waiting. A plain wait is a seat and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Seated again after the settling: waits like the others, but no bucket counts it.
    Stray,
    Called {
        until: Timestamp,
        second: bool,
    },
    /// Missed the call and has not come back.
    Late,
    /// Missed the call, came back, and is seated at its own number.
    Returned,
    Admitted {
        expires_at: Timestamp,
    },
    /// Keeps the end of its pass, for a hold that turns out never to have been placed.
    Consumed {
        expires_at: Timestamp,
        hold: HoldId,
    },
    Left,
    Expired,
}

/// The last batch of calls, with its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastBatch {
    pub(super) term: Term,
    pub(super) seq: u64,
    pub(super) called: u64,
    pub(super) serving: u64,
}

/// Units of one item.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) item: ItemId,
    pub(super) free: i64,
    pub(super) held: i64,
    pub(super) sold: i64,
    pub(super) version: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) buyer: BuyerId,
    pub(super) taken_at: Timestamp,
    pub(super) lines: Vec<OrderLine>,
}

/// Everything that one life holds. `redis.rs` tells what each part means; the names are the same.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) epoch: Epoch,
    pub(super) nonce: EpochNonce,
    /// The counter at birth: numbers up to it were given by older lives.
    pub(super) born: u64,
    pub(super) counter: u64,
    pub(super) serving: u64,
    pub(super) settled: bool,
    pub(super) called_total: u64,
    pub(super) admitted_total: u64,
    pub(super) last_batch: LastBatch,
    pub(super) seats: BTreeSet<(u64, BuyerId)>,
    pub(super) numbers: HashMap<BuyerId, u64>,
    pub(super) desk: HashMap<BuyerId, Entry>,
    pub(super) called: BTreeSet<(Timestamp, BuyerId)>,
    /// Passes that are in time and not used, by their end.
    pub(super) active_passes: BTreeSet<(Timestamp, u64)>,
    pub(super) active_holds: HashSet<HoldId>,
    pub(super) buckets: BTreeMap<u64, u64>,
    pub(super) moments: BTreeMap<u64, Timestamp>,
    pub(super) stock: Vec<Shelf>,
    pub(super) holds: BTreeMap<HoldId, Held>,
    pub(super) buyers: HashMap<BuyerId, u32>,
    pub(super) frame: Option<Bytes>,
    /// Numbers above `serving` that were given up, in the order of their leaving.
    pub(super) departed: Vec<u64>,
}

impl Life {
    pub(super) fn begin(key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut life = Self {
            epoch: key.epoch,
            nonce: key.nonce,
            born: snapshot.ceiling,
            counter: snapshot.ceiling,
            serving: snapshot.cursor,
            settled: false,
            called_total: 0,
            admitted_total: 0,
            last_batch: LastBatch { term: -1, seq: 0, called: 0, serving: 0 },
            seats: BTreeSet::new(),
            numbers: HashMap::new(),
            desk: HashMap::new(),
            called: BTreeSet::new(),
            active_passes: BTreeSet::new(),
            active_holds: HashSet::new(),
            buckets: assumed_buckets(snapshot.cursor, snapshot.ceiling).collect(),
            moments: BTreeMap::new(),
            stock: Vec::new(),
            holds: BTreeMap::new(),
            buyers: snapshot.buyers.iter().copied().collect(),
            frame: None,
            departed: Vec::new(),
        };
        life.stock_shelves(snapshot);
        life.hold_units(snapshot, now);
        life.remember_passes(snapshot, now);
        life
    }

    fn stock_shelves(&mut self, snapshot: &Snapshot) {
        self.stock.extend(snapshot.stock.iter().map(|count| Shelf {
            item: count.item.clone(),
            free: count.free,
            held: count.held,
            sold: count.sold,
            version: snapshot.version,
        }));
    }

    fn hold_units(&mut self, snapshot: &Snapshot, now: Timestamp) {
        for held in &snapshot.holds {
            if held.active {
                self.active_holds.insert(held.hold);
            }
            self.holds.insert(held.hold, Held { buyer: held.buyer, taken_at: now, lines: held.lines.clone() });
        }
    }

    fn remember_passes(&mut self, snapshot: &Snapshot, now: Timestamp) {
        for pass in &snapshot.passes {
            let Place { buyer, number } = pass.place;
            let stage = stage_of(pass.hold, pass.ended, pass.expires_at);
            if matches!(stage, Stage::Admitted { .. }) && pass.expires_at > now {
                self.active_passes.insert((pass.expires_at, number));
            }
            self.desk.insert(buyer, Entry { number, stage });
        }
    }
}

fn stage_of(hold: Option<HoldId>, ended: bool, expires_at: Timestamp) -> Stage {
    match hold {
        Some(hold) => Stage::Consumed { expires_at, hold },
        None if ended => Stage::Left,
        None => Stage::Admitted { expires_at },
    }
}

/// The bucket of a number; numbers start at 1.
pub(super) const fn bucket_of(number: u64) -> u64 {
    number.saturating_sub(1) / BUCKET
}

/// Buckets in which every number above `cursor` up to `ceiling` counts as waiting.
pub(super) fn assumed_buckets(cursor: u64, ceiling: u64) -> impl Iterator<Item = (u64, u64)> {
    let buckets = if ceiling > cursor { bucket_of(cursor + 1)..bucket_of(ceiling) + 1 } else { 0..0 };
    buckets.map(move |bucket| (bucket, ((bucket + 1) * BUCKET).min(ceiling) - (bucket * BUCKET).max(cursor)))
}
