//! Names of the keys; `redis.rs` tells what each holds.

use sale::SaleId;

use crate::queue_store::QueueKey;

pub(super) const LINE: usize = 1;
pub(super) const SEATS: usize = 2;
pub(super) const DESK: usize = 3;
pub(super) const CALLED: usize = 4;
pub(super) const ACTIVE: usize = 5;
pub(super) const BUCKETS: usize = 6;
pub(super) const MOMENTS: usize = 7;
pub(super) const STOCK: usize = 8;
pub(super) const HOLDS: usize = 9;
pub(super) const BUYERS: usize = 10;

/// Keys that exist as long as a life does, in the order in which every script takes them.
const NAMES: [&str; 10] =
    ["line", "seats", "desk", "called", "active", "buckets", "moments", "stock", "holds", "buyers"];

/// The keys of one life; the first is the one that says which life counts.
pub(super) struct Keys([String; 11]);

impl Keys {
    pub(super) fn of(key: &QueueKey) -> Self {
        Self(std::array::from_fn(|at| match at.checked_sub(1) {
            None => Self::life_of(&key.sale),
            Some(at) => Self::key_of(key, NAMES[at]),
        }))
    }

    pub(super) fn life_of(sale: &SaleId) -> String {
        format!("openrun:{{{sale}}}:life")
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

    /// Matches every key of a sale, whatever its life. Sale ids hold nothing that a pattern would read.
    pub(super) fn pattern_of(sale: &SaleId) -> String {
        format!("openrun:{{{sale}}}:*")
    }

    pub(super) fn name_in(&self, call: &mut redis::ScriptInvocation<'_>) {
        for key in &self.0 {
            call.key(key);
        }
    }

    pub(super) fn get(&self, which: usize) -> &str {
        &self.0[which]
    }

    /// All but the life key.
    pub(super) fn contents(&self) -> &[String] {
        &self.0[1..]
    }
}
