//! The contents of one epoch of a sale, and their initial value from a snapshot of the database. The embedded store works
//! on it; the Redis store is filled from it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use sale::{
    BuyerId, Epoch, EpochNonce, HoldId, ItemId, Term, Timestamp,
    frame::BUCKET,
    sale::{Line as OrderLine, Place},
};

use crate::queue_store::{QueueKey, Snapshot};

/// A buyer with more state than a place in the queue. A buyer who only waits has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Participant {
    pub(super) number: u64,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Requeued after the grace period: waits like the others, but is counted in no bucket.
    Uncounted,
    Called {
        until: Timestamp,
        second: bool,
    },
    /// Missed the first call and has not returned.
    Late,
    /// Missed the first call and returned: requeued at its own number.
    Returned,
    Admitted {
        expires_at: Timestamp,
    },
    /// Keeps the end of its pass, in case the order of the hold is never placed.
    Consumed {
        expires_at: Timestamp,
        hold: HoldId,
    },
    Left,
    Expired,
}

/// The last batch of calls, with its outcome.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastBatch {
    pub(super) term: Term,
    pub(super) seq: u64,
    pub(super) called: u64,
    pub(super) serving: u64,
}

/// Units of one item.
#[derive(Clone, Debug)]
pub(super) struct StockRow {
    pub(super) item: ItemId,
    pub(super) free: i64,
    pub(super) held: i64,
    pub(super) sold: i64,
    pub(super) version: i64,
}

#[derive(Clone, Debug)]
pub(super) struct StoredHold {
    pub(super) buyer: BuyerId,
    pub(super) taken_at: Timestamp,
    pub(super) lines: Vec<OrderLine>,
}

/// Everything that one epoch holds. `redis.rs` documents each part under the same name.
#[derive(Debug)]
pub(super) struct EpochState {
    pub(super) epoch: Epoch,
    pub(super) nonce: EpochNonce,
    /// Numbers up to it were given in earlier epochs.
    pub(super) inherited_up_to: u64,
    pub(super) counter: u64,
    pub(super) serving: u64,
    pub(super) grace_ended: bool,
    pub(super) called_total: u64,
    pub(super) admitted_total: u64,
    pub(super) last_batch: LastBatch,
    pub(super) queue: BTreeSet<(u64, BuyerId)>,
    pub(super) number_of: HashMap<BuyerId, u64>,
    pub(super) participants: HashMap<BuyerId, Participant>,
    pub(super) called: BTreeSet<(Timestamp, BuyerId)>,
    /// Unused passes that have not run out, by their end.
    pub(super) active_passes: BTreeSet<(Timestamp, u64)>,
    pub(super) active_holds: HashSet<HoldId>,
    pub(super) buckets: BTreeMap<u64, u64>,
    pub(super) join_times: BTreeMap<u64, Timestamp>,
    pub(super) stock: Vec<StockRow>,
    pub(super) holds: BTreeMap<HoldId, StoredHold>,
    pub(super) buyers: HashMap<BuyerId, u32>,
    pub(super) frame: Option<Bytes>,
    /// Numbers above `serving` that were given up, in the order of their leaving.
    pub(super) departed: Vec<u64>,
}

impl EpochState {
    pub(super) fn begin(key: &QueueKey, snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut state = Self {
            epoch: key.epoch,
            nonce: key.nonce,
            inherited_up_to: snapshot.allocated_up_to,
            counter: snapshot.allocated_up_to,
            serving: snapshot.called_up_to,
            grace_ended: false,
            called_total: 0,
            admitted_total: 0,
            last_batch: LastBatch { term: -1, seq: 0, called: 0, serving: 0 },
            queue: BTreeSet::new(),
            number_of: HashMap::new(),
            participants: HashMap::new(),
            called: BTreeSet::new(),
            active_passes: BTreeSet::new(),
            active_holds: HashSet::new(),
            buckets: assumed_buckets(snapshot.called_up_to, snapshot.allocated_up_to).collect(),
            join_times: BTreeMap::new(),
            stock: Vec::new(),
            holds: BTreeMap::new(),
            buyers: snapshot.buyers.iter().copied().collect(),
            frame: None,
            departed: Vec::new(),
        };
        state.add_stock(snapshot);
        state.add_holds(snapshot, now);
        state.add_passes(snapshot, now);
        state
    }

    fn add_stock(&mut self, snapshot: &Snapshot) {
        self.stock.extend(snapshot.stock.iter().map(|count| StockRow {
            item: count.item.clone(),
            free: count.free,
            held: count.held,
            sold: count.sold,
            version: snapshot.version,
        }));
    }

    fn add_holds(&mut self, snapshot: &Snapshot, now: Timestamp) {
        for held in &snapshot.holds {
            if held.active {
                self.active_holds.insert(held.hold);
            }
            self.holds.insert(held.hold, StoredHold { buyer: held.buyer, taken_at: now, lines: held.lines.clone() });
        }
    }

    fn add_passes(&mut self, snapshot: &Snapshot, now: Timestamp) {
        for pass in &snapshot.passes {
            let Place { buyer, number } = pass.place;
            let stage = stage_of(pass.hold, pass.ended, pass.expires_at);
            if matches!(stage, Stage::Admitted { .. }) && pass.expires_at > now {
                self.active_passes.insert((pass.expires_at, number));
            }
            self.participants.insert(buyer, Participant { number, stage });
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

/// Buckets that count every number above `called_up_to` and up to `allocated_up_to` as waiting.
pub(super) fn assumed_buckets(called_up_to: u64, allocated_up_to: u64) -> impl Iterator<Item = (u64, u64)> {
    let buckets =
        if allocated_up_to > called_up_to { bucket_of(called_up_to + 1)..bucket_of(allocated_up_to) + 1 } else { 0..0 };
    buckets
        .map(move |bucket| (bucket, ((bucket + 1) * BUCKET).min(allocated_up_to) - (bucket * BUCKET).max(called_up_to)))
}
