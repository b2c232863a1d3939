//! Orders whose rows refuse what has to be done with them: each is set aside and keeps none of the others waiting.

use std::collections::HashMap;

use parking_lot::Mutex;
use sale::{OrderId, Timestamp};
use stores::{
    StoreError,
    database::{
        Database,
        cases::{self, CaseKind, NewCase},
    },
};

/// How long an order is left out before it is tried again: somebody may have mended its rows.
const ASIDE_FOR_MS: i64 = 300_000;

/// The orders that this worker has set aside, each until its time.
#[derive(Debug)]
pub(super) struct Aside {
    database: Database,
    until: Mutex<HashMap<OrderId, Timestamp>>,
}

impl Aside {
    pub(super) fn new(database: Database) -> Self {
        Self { database, until: Mutex::default() }
    }

    /// The orders that are left out at `now`.
    pub(super) fn orders(&self, now: Timestamp) -> Vec<OrderId> {
        let mut aside = self.until.lock();
        aside.retain(|_, until| *until > now);
        aside.keys().copied().collect()
    }

    /// Carries `work` out on all of `parts` together; where rows refuse it, on ever smaller slices of them, until the one to
    /// blame stands alone and is set aside. Returns the outcomes of the slices.
    ///
    /// # Errors
    /// When a store gives no answer, which says nothing about any order.
    pub(super) async fn isolate<'a, T, R, Work>(
        &self,
        parts: &'a [T],
        order_of: fn(&T) -> OrderId,
        work: impl Fn(&'a [T]) -> Work,
    ) -> Result<Vec<R>, StoreError>
    where
        Work: Future<Output = Result<R, StoreError>>,
    {
        let mut slices = if parts.is_empty() { Vec::new() } else { vec![parts] };
        let mut outcomes = Vec::new();
        while let Some(slice) = slices.pop() {
            match (work(slice).await, slice) {
                (Err(StoreError::Unexpected { .. }), [_, _, ..]) => {
                    let (left, right) = slice.split_at(slice.len() / 2);
                    slices.extend([right, left]);
                }
                (Err(trouble @ StoreError::Unexpected { .. }), [one]) => {
                    self.put(order_of(one), &trouble).await?;
                }
                (outcome, _) => outcomes.push(outcome?),
            }
        }
        Ok(outcomes)
    }

    async fn put(&self, order: OrderId, trouble: &StoreError) -> Result<(), StoreError> {
        let now = self.database.now();
        self.until.lock().insert(order, now.plus_millis(ASIDE_FOR_MS));
        tracing::error!(%order, "the order is set aside and needs a person: {trouble}");
        let detail = trouble.to_string();
        let case = NewCase { kind: CaseKind::OrderStuck, subject: order.to_string(), order, detail };
        cases::report(&self.database, &case, now).await
    }
}
