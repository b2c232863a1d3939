//! What follows from a handler's answer: go on, wait, or give the event up.

use std::time::Duration;

use super::Progress;
use crate::StoreError;

/// How long a group puts up with an event that cannot be done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often an event may be put off before it goes to the dead letters. It holds up the other events of its
    /// partition meanwhile, and nothing else.
    pub tries: u32,
    /// The first wait; each one after it is twice as long.
    pub shortest_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// Twenty tries are a good minute: long enough for what is merely early, short enough that one poisonous event does
    /// not hold its neighbours up for long.
    fn default() -> Self {
        Self { tries: 20, shortest_wait: Duration::from_millis(50), longest_wait: Duration::from_secs(5) }
    }
}

/// How often the event at the head of a partition was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    put_off: u32,
    troubles: u32,
}

/// What to do with a batch after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// So many of its first events are done.
    pub(super) done: usize,
    pub(super) next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Wait(Duration),
    /// The first event that is not done was put off too often.
    GiveUp,
}

impl Patience {
    /// Judges the answer to a batch of `given` events. Trouble with a store says nothing about the event, so it never
    /// leads to giving up.
    pub(super) fn judge(self, tries: &mut Tries, given: usize, answer: &Result<Progress, StoreError>) -> Verdict {
        match *answer {
            Ok(Progress::Done) => {
                *tries = Tries::default();
                Verdict { done: given, next: Next::GoOn }
            }
            Ok(Progress::Again { done, after_ms }) => {
                let done = done.min(given);
                tries.troubles = 0;
                tries.put_off = if done > 0 { 1 } else { tries.put_off.saturating_add(1) };
                let wait = self.wait(tries.put_off).max(Duration::from_millis(after_ms));
                let gives_up = done < given && tries.put_off > self.tries;
                Verdict { done, next: if gives_up { Next::GiveUp } else { Next::Wait(wait) } }
            }
            Err(_) => {
                tries.troubles = tries.troubles.saturating_add(1);
                Verdict { done: 0, next: Next::Wait(self.wait(tries.troubles)) }
            }
        }
    }

    /// The wait after the `nth` try, from 1.
    fn wait(self, nth: u32) -> Duration {
        let factor = 2_u32.saturating_pow(nth.saturating_sub(1));
        self.shortest_wait.saturating_mul(factor).min(self.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { tries: 3, shortest_wait: Duration::from_millis(10), longest_wait: Duration::from_millis(35) };

    const fn again(done: usize, after_ms: u64) -> Progress {
        Progress::Again { done, after_ms }
    }

    #[test]
    fn an_event_that_is_put_off_too_often_is_given_up() {
        let mut tries = Tries::default();
        let mut next = || PATIENCE.judge(&mut tries, 2, &Ok(again(0, 0))).next;
        assert_eq!(next(), Next::Wait(Duration::from_millis(10)));
        assert_eq!(next(), Next::Wait(Duration::from_millis(20)));
        assert_eq!(next(), Next::Wait(Duration::from_millis(35)));
        assert_eq!(next(), Next::GiveUp);
    }

    #[test]
    fn another_event_at_the_head_is_counted_from_the_start() {
        let mut tries = Tries::default();
        for _ in 0..20 {
            let verdict = PATIENCE.judge(&mut tries, 2, &Ok(again(1, 70)));
            assert_eq!(verdict, Verdict { done: 1, next: Next::Wait(Duration::from_millis(70)) });
        }
        assert_eq!(PATIENCE.judge(&mut tries, 2, &Ok(Progress::Done)), Verdict { done: 2, next: Next::GoOn });
        assert_eq!(tries, Tries::default());
    }

    #[test]
    fn trouble_with_a_store_is_waited_out_however_long_it_lasts() {
        let mut tries = Tries::default();
        for _ in 0..100 {
            let verdict = PATIENCE.judge(&mut tries, 2, &Err(StoreError::Lost));
            assert!(matches!(verdict, Verdict { done: 0, next: Next::Wait(_) }));
        }
        assert!(matches!(PATIENCE.judge(&mut tries, 2, &Ok(again(0, 0))).next, Next::Wait(_)));
    }

    #[test]
    fn a_handler_that_claims_more_than_it_was_given_is_done() {
        let mut tries = Tries::default();
        for _ in 0..20 {
            assert_eq!(PATIENCE.judge(&mut tries, 2, &Ok(again(9, 0))).done, 2);
        }
    }
}
