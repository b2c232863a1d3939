//! A batch of joins.

use stores::{
    StoreError,
    database::sequence::RaiseOutcome,
    queue_store::{JoinOutcome, JoinRequest},
};

use super::{cache::QueueCache, number_allocation::NumberAllocation};

/// Joins in the order of the requests. Requests that find no allocated number are sent again once a block is allocated;
/// a store that is in a new epoch is called once more with the key of that epoch.
pub(super) async fn join(
    cache: &QueueCache,
    allocation: &NumberAllocation,
    requests: &[JoinRequest],
) -> Result<Vec<JoinOutcome>, StoreError> {
    let mut outcomes: Vec<JoinOutcome> = Vec::with_capacity(requests.len());
    let mut reloaded = false;
    loop {
        let key = cache.key();
        let allocated_up_to = allocation.allocated_up_to(&cache.snapshot().stocked);
        let rest = &requests[outcomes.len()..];
        match cache.queue_store.join(&key, rest, allocated_up_to, cache.database.now()).await {
            Ok(joined) => {
                let joined_count = joined.iter().position(|outcome| *outcome == JoinOutcome::AllocationReached);
                outcomes.extend(joined.into_iter().take(joined_count.unwrap_or(rest.len())));
                if joined_count.is_none() {
                    return Ok(outcomes);
                }
                if allocation.allocate(&cache.database, &key, rest.len()).await? == RaiseOutcome::Refused {
                    cache.reload().await?;
                    return Err(StoreError::Lost);
                }
            }
            Err(StoreError::Lost) if !reloaded => {
                reloaded = true;
                cache.reload().await?;
            }
            Err(error) => return Err(error),
        }
    }
}
