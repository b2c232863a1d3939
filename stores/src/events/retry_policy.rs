//! Decides after a handler's result: continue, wait, or give the event up.

use std::time::Duration;

use super::Progress;
use crate::StoreError;

/// How long a group retries an event that cannot be handled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often an event may be deferred before it goes to the dead letters. Until then it delays the other events of
    /// its partition, and nothing else.
    pub max_attempts: u32,
    /// The first wait; each further one is twice as long.
    pub shortest_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    /// Twenty attempts take about a minute: long enough for an event that is early, short enough that one poison message
    /// does not delay its partition for long.
    fn default() -> Self {
        Self { max_attempts: 20, shortest_wait: Duration::from_millis(50), longest_wait: Duration::from_secs(5) }
    }
}

/// Attempts at the event at the head of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    deferred: u32,
    store_errors: u32,
}

/// What to do with a batch after the handler's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RetryDecision {
    /// The number of its first events that are done.
    pub(super) done: usize,
    pub(super) next: NextStep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    Continue,
    Wait(Duration),
    /// The first event that is not done goes to the dead letters, for this reason.
    GiveUp(&'static str),
}

impl NextStep {
    /// How long to wait before the rest of the batch; `None` to continue at once.
    pub(super) const fn wait(self) -> Option<Duration> {
        match self {
            Self::Wait(wait) => Some(wait),
            Self::Continue | Self::GiveUp(_) => None,
        }
    }
}

impl RetryPolicy {
    /// Decides about a batch of `given` events. An error of a store says nothing about the event, so it never leads to
    /// giving up.
    pub(super) fn decide(
        self,
        attempts: &mut Attempts,
        given: usize,
        result: &Result<Progress, StoreError>,
    ) -> RetryDecision {
        match *result {
            Ok(Progress::Done) => {
                *attempts = Attempts::default();
                RetryDecision { done: given, next: NextStep::Continue }
            }
            Ok(Progress::Again { done, after_ms }) => {
                let done = done.min(given);
                attempts.store_errors = 0;
                attempts.deferred = if done > 0 { 1 } else { attempts.deferred.saturating_add(1) };
                let wait = self.wait(attempts.deferred).max(Duration::from_millis(after_ms));
                let gives_up = done < given && attempts.deferred > self.max_attempts;
                let next = if gives_up { NextStep::GiveUp("deferred too often") } else { NextStep::Wait(wait) };
                RetryDecision { done, next }
            }
            Ok(Progress::GiveUp { done, reason }) => {
                *attempts = Attempts::default();
                RetryDecision { done: done.min(given), next: NextStep::GiveUp(reason) }
            }
            Err(_) => {
                attempts.store_errors = attempts.store_errors.saturating_add(1);
                RetryDecision { done: 0, next: NextStep::Wait(self.wait(attempts.store_errors)) }
            }
        }
    }

    /// The wait after the `nth` attempt, from 1.
    fn wait(self, nth: u32) -> Duration {
        let factor = 2_u32.saturating_pow(nth.saturating_sub(1));
        self.shortest_wait.saturating_mul(factor).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        max_attempts: 3,
        shortest_wait: Duration::from_millis(10),
        longest_wait: Duration::from_millis(35),
    };

    const fn again(done: usize, after_ms: u64) -> Progress {
        Progress::Again { done, after_ms }
    }

    #[test]
    fn an_event_that_is_deferred_too_often_is_given_up() {
        let mut attempts = Attempts::default();
        let mut next = || POLICY.decide(&mut attempts, 2, &Ok(again(0, 0))).next;
        assert_eq!(next(), NextStep::Wait(Duration::from_millis(10)));
        assert_eq!(next(), NextStep::Wait(Duration::from_millis(20)));
        assert_eq!(next(), NextStep::Wait(Duration::from_millis(35)));
        assert_eq!(next(), NextStep::GiveUp("deferred too often"));
    }

    #[test]
    fn an_event_that_is_given_up_is_not_tried_again() {
        let mut attempts = Attempts { deferred: 2, store_errors: 1 };
        let result = Ok(Progress::GiveUp { done: 1, reason: "sealed" });
        let decision = POLICY.decide(&mut attempts, 2, &result);
        assert_eq!(decision, RetryDecision { done: 1, next: NextStep::GiveUp("sealed") });
        assert_eq!(attempts, Attempts::default());
    }

    #[test]
    fn another_event_at_the_head_is_counted_from_the_start() {
        let mut attempts = Attempts::default();
        for _ in 0..20 {
            let decision = POLICY.decide(&mut attempts, 2, &Ok(again(1, 70)));
            assert_eq!(decision, RetryDecision { done: 1, next: NextStep::Wait(Duration::from_millis(70)) });
        }
        assert_eq!(
            POLICY.decide(&mut attempts, 2, &Ok(Progress::Done)),
            RetryDecision { done: 2, next: NextStep::Continue }
        );
        assert_eq!(attempts, Attempts::default());
    }

    #[test]
    fn errors_of_a_store_are_retried_without_limit() {
        let mut attempts = Attempts::default();
        for _ in 0..100 {
            let decision = POLICY.decide(&mut attempts, 2, &Err(StoreError::Lost));
            assert!(matches!(decision, RetryDecision { done: 0, next: NextStep::Wait(_) }));
        }
        assert!(matches!(POLICY.decide(&mut attempts, 2, &Ok(again(0, 0))).next, NextStep::Wait(_)));
    }

    #[test]
    fn a_handler_that_claims_more_than_it_was_given_is_done() {
        let mut attempts = Attempts::default();
        for _ in 0..20 {
            assert_eq!(POLICY.decide(&mut attempts, 2, &Ok(again(9, 0))).done, 2);
        }
    }
}
