//! Hands batches of messages to a group's handler and moves what cannot be handled to the dead letters.

use std::{sync::Arc, time::Duration};

use super::{
    ConsumerGroup, Handler,
    message::Message,
    retry_policy::{Attempts, NextStep, RetryPolicy},
};
use crate::{
    StoreError,
    database::{Database, dead_letters},
    outage::OutageLog,
};

/// A consumer group's handler, with what its batches need.
pub(super) struct Reader {
    pub(super) group: ConsumerGroup,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) database: Database,
    pub(super) retry: RetryPolicy,
    pub(super) outage: OutageLog,
}

impl Reader {
    /// Hands a batch to the handler; returns how many of its messages are done and how long to wait before the rest.
    ///
    /// # Errors
    /// When a dead letter could not be written.
    pub(super) async fn handle(
        &self,
        batch: &[Message],
        attempts: &mut Attempts,
    ) -> Result<(usize, Option<Duration>), StoreError> {
        if let Some(first) = batch.first()
            && let Err(poison) = first.event
        {
            self.give_up(first, poison.reason()).await?;
            return Ok((1, None));
        }
        let events: Vec<_> = batch.iter().filter_map(|message| message.event.clone().ok()).collect();
        let result = self.handler.handle(&events).await;
        match &result {
            Ok(_) => self.outage.record_recovery(),
            Err(trouble) => self.outage.record_failure(trouble),
        }
        let decision = self.retry.decide(attempts, batch.len(), &result);
        let handled = metrics::counter!("openrun_events_handled_total", "group" => self.group.as_str());
        handled.increment(decision.done as u64);
        if let NextStep::GiveUp(reason) = decision.next
            && let Some(message) = batch.get(decision.done)
        {
            self.give_up(message, reason).await?;
            *attempts = Attempts::default();
            return Ok((decision.done + 1, None));
        }
        Ok((decision.done, decision.next.wait()))
    }

    async fn give_up(&self, message: &Message, reason: &str) -> Result<(), StoreError> {
        dead_letters::insert(&self.database, self.group, &message.position_name, &message.body, reason).await?;
        let group = self.group.as_str();
        metrics::counter!("openrun_dead_letters_total", "group" => group).increment(1);
        tracing::error!(
            event_log.group = group,
            event_log.place = message.position_name,
            "{group} moved the message at {} to the dead letters: {reason}",
            message.position_name,
        );
        Ok(())
    }
}
