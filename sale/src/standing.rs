//! The standing of a ticket: where its holder is between joining and the order.

use serde::{Deserialize, Serialize};

use crate::frame::Frame;

/// What the outside sees of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    Waiting,
    Called,
    /// Missed the call once; waits at the front for a second one.
    Late,
    Admitted,
    /// The pass was used for an order.
    Consumed,
    Left,
    /// Missed both calls.
    Expired,
    /// The sale ended first.
    Closed,
}

impl TicketState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Called => "called",
            Self::Late => "late",
            Self::Admitted => "admitted",
            Self::Consumed => "consumed",
            Self::Left => "left",
            Self::Expired => "expired",
            Self::Closed => "closed",
        }
    }
}

/// How long the wait may still be, in seconds, as a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Eta {
    pub p50: u64,
    pub p90: u64,
}

/// People ahead of `number`, from the frame alone; `None` once the number may have been called, when only the store
/// knows.
///
/// Live tickets in the whole buckets before mine, plus the smaller of my offset among the uncalled numbers of my bucket
/// and what can still be live in it. Numbers that the frame does not know to be given count as live: they were given
/// after it was written, or will be. It is an upper bound, and within an epoch it only falls: tickets leave and are
/// called, and newcomers stand behind.
pub fn ahead(frame: &Frame, number: u64) -> Option<u64> {
    let live = &frame.histogram.live;
    ahead_of(frame, number, |index| live.iter().take(index).copied().fold(0, u64::saturating_add))
}

/// The buckets of a frame added up once, for those who find a place in it again and again: a line of a million has four
/// thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixSums(Vec<u64>);

impl PrefixSums {
    pub fn of(frame: &Frame) -> Self {
        let add = |sum: &mut u64, live: &u64| {
            *sum = sum.saturating_add(*live);
            Some(*sum)
        };
        Self(frame.histogram.live.iter().scan(0, add).collect())
    }

    /// [`ahead`] in the frame that these are the sums of.
    pub fn ahead(&self, frame: &Frame, number: u64) -> Option<u64> {
        let sum_before = |index: usize| self.0.get(..index).unwrap_or(&self.0).last().copied().unwrap_or(0);
        ahead_of(frame, number, sum_before)
    }
}

/// `live_before` adds up the buckets before one of them.
fn ahead_of(frame: &Frame, number: u64, live_before: impl FnOnce(usize) -> u64) -> Option<u64> {
    if number <= frame.serving {
        return None;
    }
    let bucket = frame.histogram.bucket.max(1);
    let mine = (number.saturating_sub(1)) / bucket;
    let index = usize::try_from(mine).unwrap_or(usize::MAX);
    let whole = live_before(index);
    let before_bucket = mine.saturating_mul(bucket);
    let bucket_end = before_bucket.saturating_add(bucket);
    let offset = number.saturating_sub(1).saturating_sub(before_bucket.max(frame.serving));
    let live = frame.histogram.live.get(index).copied().unwrap_or(0);
    let known = frame.last_number.max(frame.serving);
    let not_given_before = before_bucket.saturating_sub(known);
    let not_given = bucket_end.saturating_sub(known.max(before_bucket));
    Some(whole.saturating_add(not_given_before).saturating_add(live.saturating_add(not_given).min(offset)))
}

/// The range of the wait for somebody with `ahead` people before, at the rate in force; `None` while nobody is called.
///
/// The middle is the line moving at the seller's rate. The far end allows for units that come back late and for people
/// inside who take their time: half as long again and half a minute.
pub fn eta(ahead: u64, per_minute: u32) -> Option<Eta> {
    if per_minute == 0 {
        return None;
    }
    let p50 = ahead.saturating_add(1).saturating_mul(60) / u64::from(per_minute);
    Some(Eta { p50, p90: p50.saturating_add(p50 / 2).saturating_add(30) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::frame::Histogram;

    fn frame_of(live: &BTreeSet<u64>, serving: u64, last_number: u64, bucket: u64) -> Frame {
        let buckets = usize::try_from(last_number.div_ceil(bucket)).unwrap();
        let mut counts = vec![0; buckets];
        for number in live.iter().filter(|number| **number > serving) {
            counts[usize::try_from((number - 1) / bucket).unwrap()] += 1;
        }
        Frame {
            serving,
            last_number,
            histogram: Histogram { bucket, live: counts },
            ..Frame::empty("s".parse().unwrap())
        }
    }

    proptest! {
        /// Joins, departures and calls in any order: never below the truth, never rising. The first frame may be older
        /// than my number.
        #[test]
        fn ahead_is_an_upper_bound_that_never_rises(
            me in 1_u64..40,
            known in 0_u64..40,
            steps in proptest::collection::vec((0_u8..3, 1_u64..60), 1..80),
        ) {
            let (mut live, mut serving, mut last) = (BTreeSet::new(), 0, 0);
            let mut before = u64::MAX;
            while last < me {
                if last == known {
                    before = ahead(&frame_of(&live, 0, last, 8), me).unwrap();
                    prop_assert!(before >= me - 1);
                }
                last += 1;
                live.insert(last);
            }
            for (what, which) in steps {
                match what {
                    0 => {
                        last += 1;
                        live.insert(last);
                    }
                    1 if which != me => {
                        live.remove(&which);
                    }
                    _ => {
                        if let Some(first) = live.iter().find(|n| **n > serving).copied() {
                            serving = first;
                        }
                    }
                }
                let frame = frame_of(&live, serving, last, 8);
                prop_assert_eq!(PrefixSums::of(&frame).ahead(&frame, me), ahead(&frame, me));
                let Some(shown) = ahead(&frame, me) else { break };
                let truth = live.iter().filter(|n| **n > serving && **n < me).count() as u64;
                prop_assert!(shown >= truth, "shown {shown}, truth {truth}");
                prop_assert!(shown <= before, "rose from {before} to {shown}");
                before = shown;
            }
        }
    }

    #[test]
    fn nobody_is_ahead_of_the_first() {
        let live = BTreeSet::from([1, 2, 3]);
        let frame = frame_of(&live, 0, 3, 8);
        assert_eq!(ahead(&frame, 1), Some(0));
        assert_eq!(ahead(&frame, 3), Some(2));
        assert_eq!(ahead(&frame_of(&live, 1, 3, 8), 1), None);
        assert_eq!(eta(0, 0), None);
        assert_eq!(eta(599, 600), Some(Eta { p50: 60, p90: 120 }));
    }
}
