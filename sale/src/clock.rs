//! Time: instants in milliseconds, and the one clock that decides deadlines.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::Instant,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// An instant: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The beginning of 0000-01-02: a day after the first of the calendar, so that it has a date in every zone.
    pub const EARLIEST: Self = Self(-62_167_132_800_000);
    /// The end of 9999-12-30: a day before the last of the calendar, likewise.
    pub const LATEST: Self = Self(253_402_214_399_999);

    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, as JWT claims count them.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        self.plus_millis(seconds.saturating_mul(1000))
    }

    /// Milliseconds from `earlier` to this instant; negative when it lies after it.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads an RFC 3339 text with any offset. `None` for a time that is not between [`Self::EARLIEST`] and [`Self::LATEST`].
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let parsed = i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self)?;
        (Self::EARLIEST..=Self::LATEST).contains(&parsed).then_some(parsed)
    }

    /// The date and time in UTC; of [`Self::EARLIEST`] or [`Self::LATEST`] for an instant outside of these.
    pub fn to_utc(self) -> OffsetDateTime {
        let at = self.clamp(Self::EARLIEST, Self::LATEST);
        let seconds = OffsetDateTime::from_unix_timestamp(at.as_seconds()).ok();
        let moment = seconds.and_then(|moment| moment.checked_add(time::Duration::milliseconds(at.0.rem_euclid(1000))));
        moment.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// RFC 3339 in UTC with milliseconds, the one form that leaves this program.
    pub fn text(self) -> [u8; 24] {
        let utc = self.to_utc();
        let (hour, minute, second, millis) = utc.to_hms_milli();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        // Formatted by hand, because every answer of the hot path has a time. The calendar ends with the year 9999.
        let numbers = [
            (0, 4, u32::try_from(utc.year()).unwrap_or(0)),
            (5, 2, u8::from(utc.month()).into()),
            (8, 2, utc.day().into()),
            (11, 2, hour.into()),
            (14, 2, minute.into()),
            (17, 2, second.into()),
            (20, 3, millis.into()),
        ];
        for (at, digits, number) in numbers {
            let mut rest = number;
            for place in text[at..at + digits].iter_mut().rev() {
                *place = b"0123456789"[(rest % 10) as usize];
                rest /= 10;
            }
        }
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.text()).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected an RFC 3339 time"))
    }
}

/// The database's clock, advanced by this machine's monotonic one.
///
/// The database's clock decides every deadline of an installation. A process reads it from time to time
/// ([`Clock::set`]) and advances it with its monotonic clock in between, so that a wall clock that jumps on one host
/// changes no deadline.
#[derive(Debug)]
pub struct Clock {
    /// `None` for a fixed clock.
    started: Option<Instant>,
    offset_ms: AtomicI64,
}

impl Clock {
    /// A clock that shows `now` at this moment.
    pub fn at(now: Timestamp) -> Self {
        let clock = Self { started: Some(monotonic()), offset_ms: AtomicI64::new(0) };
        clock.set(now);
        clock
    }

    /// A clock that shows `now` until it is set, for tests that control the time.
    pub const fn fixed(now: Timestamp) -> Self {
        Self { started: None, offset_ms: AtomicI64::new(now.0) }
    }

    /// A clock that starts from this machine's wall clock, for the time before the database has answered.
    #[expect(clippy::disallowed_methods, reason = "the one reading of the wall clock")]
    pub fn system() -> Self {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX));
        Self::at(Timestamp(since_epoch))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.offset_ms.load(Ordering::Relaxed).saturating_add(self.elapsed_ms()))
    }

    /// Corrects the clock to a fresh reading of the database's.
    pub fn set(&self, now: Timestamp) {
        self.offset_ms.store(now.0.saturating_sub(self.elapsed_ms()), Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> i64 {
        let Some(started) = self.started else { return 0 };
        i64::try_from(monotonic().duration_since(started).as_millis()).unwrap_or(i64::MAX)
    }
}

/// This machine's monotonic clock, for rates and time-outs only.
#[expect(clippy::disallowed_methods, reason = "the one reading of the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_written() {
        for text in ["2026-11-21T09:00:00.000Z", "1999-12-31T23:59:59.999Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::parse("2026-11-21T18:00:00+09:00"), Timestamp::parse("2026-11-21T09:00:00Z"));
        assert_eq!(Timestamp::parse("tomorrow"), None);
    }

    #[test]
    fn a_time_has_a_date_in_every_zone() {
        assert_eq!(Timestamp::parse("0000-01-02T00:00:00Z"), Some(Timestamp::EARLIEST));
        assert_eq!(Timestamp::parse("9999-12-30T23:59:59.999Z"), Some(Timestamp::LATEST));
        let outside = [
            "9999-12-31T00:00:00Z",
            "9999-12-31T23:59:59-23:59",
            "0000-01-01T23:59:59.999Z",
            "0000-01-01T00:00:00+23:59",
        ];
        for text in outside {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        for (at, written) in [(i64::MIN, Timestamp::EARLIEST), (i64::MAX, Timestamp::LATEST)] {
            assert_eq!(Timestamp::parse(&Timestamp::from_millis(at).to_string()), Some(written), "{at}");
        }
    }

    #[test]
    fn a_clock_follows_its_last_setting() {
        let clock = Clock::at(Timestamp::from_millis(1_000));
        clock.set(Timestamp::from_millis(50_000));
        assert!(clock.now().as_millis() >= 50_000);
        assert!(clock.now().as_millis() < 60_000);
        let still = Clock::fixed(Timestamp::from_millis(1_000));
        still.set(Timestamp::from_millis(50_000));
        assert_eq!(still.now().as_millis(), 50_000);
    }
}
