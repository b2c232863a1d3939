//! The names of the keys; `redis.rs` documents their contents.

use sale::SaleId;

use crate::queue_store::QueueKey;

pub(super) const STATE: usize = 1;
pub(super) const QUEUE: usize = 2;
pub(super) const PARTICIPANTS: usize = 3;
pub(super) const CALLED: usize = 4;
pub(super) const ACTIVE: usize = 5;
pub(super) const BUCKETS: usize = 6;
pub(super) const JOIN_TIMES: usize = 7;
pub(super) const STOCK: usize = 8;
pub(super) const HOLDS: usize = 9;
pub(super) const BUYERS: usize = 10;

/// Keys that exist as long as an epoch does, in the order in which every script takes them.
const NAMES: [&str; 10] =
    ["state", "queue", "participants", "called", "active", "buckets", "join_times", "stock", "holds", "buyers"];

/// The keys of one epoch; the first one names the current epoch of the sale.
pub(super) struct Keys([String; 11]);

impl Keys {
    pub(super) fn of(key: &QueueKey) -> Self {
        Self(std::array::from_fn(|at| match at.checked_sub(1) {
            None => Self::epoch_of(&key.sale),
            Some(at) => Self::key_of(key, NAMES[at]),
        }))
    }

    pub(super) fn epoch_of(sale: &SaleId) -> String {
        format!("openrun:{{{sale}}}:epoch")
    }

    pub(super) fn frame_of(key: &QueueKey) -> String {
        Self::key_of(key, "frame")
    }

    pub(super) fn departed_of(key: &QueueKey) -> String {
        Self::key_of(key, "departed")
    }

    fn key_of(key: &QueueKey, name: &str) -> String {
        format!("openrun:{{{}}}:{}-{}:{name}", key.sale, key.epoch, key.nonce)
    }

    /// Matches every key of a sale, of any epoch. Sale ids contain no pattern characters.
    pub(super) fn pattern_of(sale: &SaleId) -> String {
        format!("openrun:{{{sale}}}:*")
    }

    pub(super) fn add_to(&self, call: &mut redis::ScriptInvocation<'_>) {
        for key in &self.0 {
            call.key(key);
        }
    }

    pub(super) fn get(&self, which: usize) -> &str {
        &self.0[which]
    }

    /// All but the epoch key.
    pub(super) fn contents(&self) -> &[String] {
        &self.0[1..]
    }
}
