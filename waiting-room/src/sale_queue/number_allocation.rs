//! The numbers that joins may give. The database records a block of numbers as allocated before any of them is given,
//! so that no number is given twice after the queue store is lost.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sale::{EpochNonce, clock::monotonic};
use stores::{
    StoreError,
    database::{
        Database,
        sales::StockedSale,
        sequence::{self, RaiseOutcome},
    },
    queue_store::QueueKey,
};

/// The smallest block.
const MIN_BLOCK: u64 = 1_000;
/// The largest block: a crash may leave a gap of this size in the numbering.
const MAX_BLOCK: u64 = 1 << 20;
/// A block that was used up in less time was too small; the next one has twice its size.
const SHORT_LIVED: Duration = Duration::from_secs(2);

/// What this process knows of the allocation, for one epoch.
pub(super) struct NumberAllocation(Mutex<Block>);

#[derive(Clone, Copy)]
struct Block {
    epoch: EpochNonce,
    /// No number above it may be given.
    allocated_up_to: u64,
    /// Numbers in the block.
    size: u64,
    allocated_at: Instant,
}

impl NumberAllocation {
    pub(super) fn new(stocked: &StockedSale) -> Self {
        Self(Mutex::new(Block {
            epoch: stocked.epoch_nonce,
            allocated_up_to: stocked.allocated_up_to,
            size: MIN_BLOCK,
            allocated_at: monotonic(),
        }))
    }

    /// The highest number that may be given in the epoch of `stocked`.
    pub(super) fn allocated_up_to(&self, stocked: &StockedSale) -> u64 {
        let mut block = self.0.lock();
        if block.epoch != stocked.epoch_nonce {
            *block = Block { epoch: stocked.epoch_nonce, allocated_up_to: stocked.allocated_up_to, ..*block };
        }
        block.allocated_up_to
    }

    /// Allocates another block in the database, with at least a number for each of the `waiting` requests.
    pub(super) async fn allocate(
        &self,
        database: &Database,
        key: &QueueKey,
        waiting: usize,
    ) -> Result<RaiseOutcome, StoreError> {
        let size = {
            let mut block = self.0.lock();
            block.size = next_size(block.size, monotonic().duration_since(block.allocated_at), waiting);
            block.size
        };
        let outcome = sequence::allocate(database, key, size).await?;
        if let RaiseOutcome::RaisedTo(allocated_up_to) = outcome {
            let mut block = self.0.lock();
            block.allocated_up_to = allocated_up_to.max(block.allocated_up_to);
            block.allocated_at = monotonic();
        }
        Ok(outcome)
    }
}

/// The size of the block after one of `size` numbers that lasted for `lasted`.
fn next_size(size: u64, lasted: Duration, waiting: usize) -> u64 {
    let next = if lasted < SHORT_LIVED { size.saturating_mul(2) } else { MIN_BLOCK };
    next.max(waiting as u64).clamp(MIN_BLOCK, MAX_BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_was_used_up_quickly_doubles_and_has_a_number_for_each_request() {
        let (quick, slow) = (Duration::from_millis(1_999), SHORT_LIVED);
        assert_eq!(next_size(1_000, quick, 1), 2_000);
        assert_eq!(next_size(8_000, slow, 1), MIN_BLOCK);
        assert_eq!(next_size(1_000, slow, 3_000), 3_000);
        assert_eq!(next_size(MAX_BLOCK, quick, 1), MAX_BLOCK);
    }
}
