//! The hard limit of the rate: a generic cell rate algorithm (GCRA, ITU-T I.371) on the leader's monotonic clock.
//!
//! The limit holds for the instants at which the store executes the calls: every window of length `w` contains at most
//! `rate × w + burst` of them, where the burst is 100 ms of the rate and at least 1. The leader only knows that a batch
//! was executed between its request and its reply. Therefore a batch is charged at its reply, the latest possible
//! instant, and the next one is decided before its request, the earliest: the true interval is never shorter. The rate
//! is not reached only when a batch is answered more than the burst after the batch before it was decided.

use std::time::Duration;

/// The burst, in nanoseconds of the rate.
const BURST_NS: u64 = 100_000_000;
const MINUTE_NS: u64 = 60_000_000_000;

/// Instants are nanoseconds on the leader's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    per_minute: u32,
    /// The theoretical arrival time of the next call.
    next_ns: u64,
}

impl Bucket {
    /// An empty bucket. A new leader begins with it, because the previous one may just have spent the burst.
    pub fn spent(per_minute: u32, now_ns: u64) -> Self {
        let bucket = Self { per_minute, next_ns: now_ns };
        Self { next_ns: bucket.latest(now_ns), ..bucket }
    }

    /// Sets the rate from now on. It takes effect at once, and does not refill the bucket: what was spent of the burst
    /// stays spent.
    pub fn set_rate(&mut self, per_minute: u32, now_ns: u64) {
        if per_minute == self.per_minute {
            return;
        }
        self.per_minute = per_minute;
        self.next_ns = self.next_ns.clamp(now_ns, self.latest(now_ns));
    }

    /// Calls that may be made now.
    pub fn allowed(&self, now_ns: u64) -> u64 {
        if self.per_minute == 0 {
            return 0;
        }
        let next = self.next_ns.max(now_ns);
        let ready = now_ns.saturating_add(self.tolerance_ns());
        if ready < next { 0 } else { ((ready - next) / self.interval_ns()).saturating_add(1) }
    }

    /// Calls that may be prepared now: those that may be made, or one that may be made within `ahead`.
    pub fn preparable(&self, now_ns: u64, ahead: Duration) -> u64 {
        let soon = self.wait(now_ns).is_some_and(|wait| wait <= ahead);
        self.allowed(now_ns).max(u64::from(soon))
    }

    /// Charges for calls that were answered at `answered_ns`.
    pub fn charge(&mut self, calls: u64, answered_ns: u64) {
        if calls > 0 {
            self.next_ns = self.next_ns.max(answered_ns).saturating_add(self.interval_ns().saturating_mul(calls));
        }
    }

    /// How long until the next call may be made; `None` at a rate of zero.
    pub fn wait(&self, now_ns: u64) -> Option<Duration> {
        let at = self.next_ns.saturating_sub(self.tolerance_ns());
        (self.per_minute > 0).then(|| Duration::from_nanos(at.saturating_sub(now_ns)))
    }

    /// Rounded up, so that the rate is never exceeded by rounding.
    fn interval_ns(&self) -> u64 {
        MINUTE_NS.div_ceil(u64::from(self.per_minute.max(1)))
    }

    /// How far ahead of the rate calls may be made; zero while the burst is a single call.
    fn tolerance_ns(&self) -> u64 {
        BURST_NS.saturating_sub(self.interval_ns())
    }

    /// The value of `next_ns` when the whole burst is spent now.
    fn latest(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add(self.tolerance_ns()).saturating_add(self.interval_ns())
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and spans far below 2^52"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The limit: never more than rate × window + burst, executed anywhere between request and reply.
    fn check_limit(executed: &[(u64, u64)], per_minute: u32) -> Result<(), TestCaseError> {
        let burst = (f64::from(per_minute) / 600.0).max(1.0);
        for (at, (from, _)) in executed.iter().enumerate() {
            let mut calls = 0;
            for (until, count) in &executed[at..] {
                calls += count;
                let window = (until - from) as f64 / MINUTE_NS as f64;
                let limit = f64::from(per_minute) * window + burst;
                prop_assert!(calls as f64 <= limit + 1e-6, "{calls} calls in {window} min, the limit is {limit}");
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn no_window_contains_more_than_the_rate_and_the_burst(
            per_minute in prop_oneof![1_u32..100, 100_u32..5_000, 5_000_u32..2_000_000],
            steps in proptest::collection::vec((0_u64..400_000_000, 0_u64..120_000_000, 0.0_f64..1.0), 1..120),
        ) {
            let mut now = 1_000_000_000;
            let mut bucket = Bucket::spent(per_minute, now);
            let mut executed = Vec::new();
            for (idle, round_trip, when) in steps {
                now += idle;
                let calls = bucket.allowed(now);
                let answered = now + round_trip;
                if calls > 0 {
                    executed.push((now + (round_trip as f64 * when) as u64, calls));
                }
                bucket.charge(calls, answered);
                now = answered;
            }
            check_limit(&executed, per_minute)?;
        }
    }

    proptest! {
        /// Across changes of the rate the limit of the highest one holds, however often it changes.
        #[test]
        fn a_change_of_the_rate_allows_no_second_burst(
            steps in proptest::collection::vec((1_u32..100_000, 0_u64..400_000_000, 0_u64..120_000_000, 0.0_f64..1.0), 1..80),
        ) {
            let mut now = 1_000_000_000;
            let mut bucket = Bucket::spent(steps[0].0, now);
            let mut executed = Vec::new();
            let highest = steps.iter().map(|step| step.0).max().unwrap_or_default();
            for (per_minute, idle, round_trip, when) in steps {
                now += idle;
                bucket.set_rate(per_minute, now);
                let calls = bucket.allowed(now);
                if calls > 0 {
                    executed.push((now + (round_trip as f64 * when) as u64, calls));
                }
                now += round_trip;
                bucket.charge(calls, now);
            }
            check_limit(&executed, highest)?;
        }
    }

    /// The share of the rate that a loop reaches with steps of this length, the round trip to the store included.
    fn share_of(per_minute: u32, step_ms: u64, round_trip_us: u64) -> f64 {
        let (mut now, mut calls) = (0, 0);
        let mut bucket = Bucket::spent(per_minute, now);
        while now < MINUTE_NS {
            let allowed = bucket.allowed(now);
            bucket.charge(allowed, now + round_trip_us * 1_000);
            calls += allowed;
            now += step_ms * 1_000_000;
        }
        calls as f64 / f64::from(per_minute)
    }

    #[test]
    fn a_loop_reaches_the_rate_as_long_as_its_steps_are_shorter_than_the_burst() {
        for per_minute in [6_000, 60_000, 1_200_000] {
            for (step_ms, round_trip_us) in [(10, 200), (50, 20_000), (85, 1_000)] {
                let share = share_of(per_minute, step_ms, round_trip_us);
                assert!((0.997..=1.0).contains(&share), "{per_minute} per minute, steps of {step_ms} ms: {share}");
            }
        }
        assert!(share_of(1_200_000, 200, 1_000) < 0.6, "longer steps would exceed the burst");
    }

    #[test]
    fn a_burst_of_one_call_cannot_catch_up_and_a_burst_of_more_can() {
        assert!(share_of(600, 7, 200) < 0.96);
        assert!((0.99..=1.0).contains(&share_of(900, 7, 200)));
    }

    #[test]
    fn what_was_spent_of_the_burst_stays_spent_when_the_rate_changes() {
        let mut bucket = Bucket::spent(6_000, 0);
        assert_eq!(bucket.allowed(150_000_000), 10);
        bucket.charge(6, 150_000_000);
        bucket.set_rate(60_000, 150_000_000);
        assert_eq!(bucket.allowed(150_000_000), 40);
    }

    #[test]
    fn one_call_is_prepared_before_its_time() {
        let (ahead, bucket) = (Duration::from_millis(15), Bucket::spent(600, 0));
        assert_eq!(bucket.preparable(84_999_999, ahead), 0);
        assert_eq!(bucket.preparable(85_000_000, ahead), 1);
        assert_eq!((bucket.allowed(85_000_000), bucket.wait(85_000_000)), (0, Some(ahead)));
        assert_eq!(Bucket::spent(0, 0).preparable(u64::MAX / 2, ahead), 0);
    }

    #[test]
    fn a_rate_of_zero_calls_nobody_and_a_new_leader_waits() {
        assert_eq!(Bucket::spent(0, 0).allowed(u64::MAX / 2), 0);
        assert_eq!(Bucket::spent(600, 0).allowed(0), 0);
        assert_eq!(Bucket::spent(600, 0).wait(0), Some(Duration::from_millis(100)));
        let mut bucket = Bucket::spent(1, 0);
        bucket.set_rate(600, 1_000);
        assert_eq!(bucket.wait(1_000), Some(Duration::from_millis(100)));
    }
}
