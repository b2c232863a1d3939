//! The standing of a ticket: the state between joining and the order, as its holder sees it.

use serde::{Deserialize, Serialize};

use crate::{frame::Frame, rank::Rank};

/// The state of a ticket in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    Waiting,
    Called,
    /// Missed the first call; once its holder returns, it waits at the front for the second one.
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

/// How long the wait may still take, in seconds: medium and far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Eta {
    pub p50: u64,
    pub p90: u64,
}

/// The most people that can be ahead of `rank`, from the frame alone; `None` once the rank may have been called, when
/// only the queue store knows.
///
/// It is the sum of the live tickets in the whole buckets before that of `rank`, and the smaller of two counts in its
/// own bucket: the uncalled ranks before it, and the tickets that can be live. Ranks above `last_number` count as live:
/// they were given after the frame was written, or will be. Within an epoch the bound only falls: tickets leave and are
/// called, and new ones rank behind.
pub fn ahead(frame: &Frame, rank: Rank) -> Option<u64> {
    let live = &frame.histogram.live;
    ahead_of(frame, rank, |index| live.iter().take(index).copied().fold(0, u64::saturating_add))
}

/// The prefix sums of a frame's buckets, for many lookups in the same frame: a queue of a million has four thousand
/// buckets.
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

    /// [`ahead`] in the frame whose sums these are.
    pub fn ahead(&self, frame: &Frame, rank: Rank) -> Option<u64> {
        let sum_before = |index: usize| self.0.get(..index).unwrap_or(&self.0).last().copied().unwrap_or(0);
        ahead_of(frame, rank, sum_before)
    }
}

/// `live_before` returns the sum of the buckets before an index.
fn ahead_of(frame: &Frame, rank: Rank, live_before: impl FnOnce(usize) -> u64) -> Option<u64> {
    let rank = rank.get();
    if rank <= frame.serving {
        return None;
    }
    let size = frame.histogram.bucket.max(1);
    let bucket = (rank.saturating_sub(1)) / size;
    let index = usize::try_from(bucket).unwrap_or(usize::MAX);
    let whole_buckets = live_before(index);
    let before_bucket = bucket.saturating_mul(size);
    let bucket_end = before_bucket.saturating_add(size);
    let offset = rank.saturating_sub(1).saturating_sub(before_bucket.max(frame.serving));
    let live = frame.histogram.live.get(index).copied().unwrap_or(0);
    let last_given = frame.last_number.max(frame.serving);
    let not_given_before = before_bucket.saturating_sub(last_given);
    let not_given = bucket_end.saturating_sub(last_given.max(before_bucket));
    Some(whole_buckets.saturating_add(not_given_before).saturating_add(live.saturating_add(not_given).min(offset)))
}

/// How long somebody with `ahead` people ahead may wait at the rate in force; `None` while nobody is called.
///
/// The median assumes that the queue moves at the seller's rate. The 90th percentile adds a half and thirty seconds,
/// for units that come back late and buyers who take their time in the checkout.
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
    use crate::{frame::Histogram, sale::Kind};

    fn rank(number: u64) -> Rank {
        Kind::OpenRun.rank(number).unwrap()
    }

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
        /// Joins, departures and calls in any order. The first frame may be older than the ticket.
        #[test]
        fn ahead_is_an_upper_bound_that_never_rises(
            own in 1_u64..40,
            known in 0_u64..40,
            steps in proptest::collection::vec((0_u8..3, 1_u64..60), 1..80),
        ) {
            let (mut live, mut serving, mut last) = (BTreeSet::new(), 0, 0);
            let mut before = u64::MAX;
            while last < own {
                if last == known {
                    before = ahead(&frame_of(&live, 0, last, 8), rank(own)).unwrap();
                    prop_assert!(before >= own - 1);
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
                    1 if which != own => {
                        live.remove(&which);
                    }
                    _ => {
                        if let Some(first) = live.iter().find(|n| **n > serving).copied() {
                            serving = first;
                        }
                    }
                }
                let frame = frame_of(&live, serving, last, 8);
                prop_assert_eq!(PrefixSums::of(&frame).ahead(&frame, rank(own)), ahead(&frame, rank(own)));
                let Some(shown) = ahead(&frame, rank(own)) else { break };
                let truth = live.iter().filter(|n| **n > serving && **n < own).count() as u64;
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
        assert_eq!(ahead(&frame, rank(1)), Some(0));
        assert_eq!(ahead(&frame, rank(3)), Some(2));
        assert_eq!(ahead(&frame_of(&live, 1, 3, 8), rank(1)), None);
        assert_eq!(eta(0, 0), None);
        assert_eq!(eta(599, 600), Some(Eta { p50: 60, p90: 120 }));
    }
}
