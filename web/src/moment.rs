//! Moments as pages show them: Korean time and UTC from the server, rewritten to the buyer's own zone by the script.

use sale::Timestamp;
use time::{Date, OffsetDateTime, UtcOffset, Weekday, format_description::well_known::Rfc3339};

use crate::language::Lang;

/// A point in time: milliseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// How finely a moment is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// For plans: an opening, a closing.
    Minute,
    /// For facts: what happened when.
    Second,
}

impl Moment {
    /// RFC 3339 in UTC with milliseconds, as everywhere in the API.
    pub fn rfc3339(self) -> String {
        Timestamp::from_millis(self.0).to_string()
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok().map(Self)
    }

    /// The value of a `datetime-local` input in Korean time, such as `2026-11-21T18:00`.
    pub fn korean_input(self) -> String {
        let local = self.at(korea());
        let date = local.date();
        let seconds = if local.second() == 0 { String::new() } else { format!(":{:02}", local.second()) };
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}{seconds}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            local.hour(),
            local.minute()
        )
    }

    /// Reads what a `datetime-local` input sends, as Korean time.
    pub fn from_korean_input(text: &str) -> Option<Self> {
        let seconds = if text.len() == "2026-11-21T18:00".len() { ":00" } else { "" };
        Self::parse(&format!("{text}{seconds}+09:00"))
    }

    /// Whole seconds from `now` until this moment, rounded up, never below zero.
    pub(crate) fn seconds_after(self, now: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0).div_ceil(1000)
    }

    /// A `<time>` element; the script rewrites its text to the buyer's own zone.
    pub(crate) fn html(self, lang: Lang, precision: Precision) -> String {
        let (korean, utc) = (self.at(korea()), self.at(UtcOffset::UTC));
        let kst = lang.words().common.kst;
        format!(
            r#"<time datetime="{}" data-local="{}">{} {} {kst} · {} UTC</time>"#,
            self.rfc3339(),
            match precision {
                Precision::Minute => "minute",
                Precision::Second => "second",
            },
            day(korean.date(), lang),
            clock(korean, precision),
            clock(utc, precision),
        )
    }

    /// Only the time of day, for "last heard from the server".
    pub(crate) fn clock_html(self, lang: Lang) -> String {
        let kst = lang.words().common.kst;
        let time = clock(self.at(korea()), Precision::Second);
        format!(r#"<time datetime="{}" data-local="clock">{time} {kst}</time>"#, self.rfc3339())
    }

    /// To the second: no page shows more.
    fn at(self, offset: UtcOffset) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1_000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
            .to_offset(offset)
    }
}

/// A countdown as figures: `4:05`, `1:00:09`, `2일 03:00:00`. The scripts write the same.
pub(crate) fn countdown(seconds: u64, lang: Lang) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{rest:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{rest:02}"),
        _ => format!("{} {hours:02}:{minutes:02}:{rest:02}", lang.words().common.days.of(days)),
    }
}

/// Korea keeps one offset all year, so no zone database is needed.
fn korea() -> UtcOffset {
    UtcOffset::from_hms(9, 0, 0).unwrap_or(UtcOffset::UTC)
}

fn clock(moment: OffsetDateTime, precision: Precision) -> String {
    match precision {
        Precision::Minute => format!("{:02}:{:02}", moment.hour(), moment.minute()),
        Precision::Second => format!("{:02}:{:02}:{:02}", moment.hour(), moment.minute(), moment.second()),
    }
}

fn day(date: Date, lang: Lang) -> String {
    let (year, month, day) = (date.year(), date.month(), date.day());
    match lang {
        Lang::Ko => format!("{year}년 {}월 {day}일({})", u8::from(month), korean_weekday(date.weekday())),
        Lang::En => {
            let (weekday, month) = (date.weekday().to_string(), month.to_string());
            format!("{} {day} {} {year},", short(&weekday), short(&month))
        }
    }
}

fn short(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

const fn korean_weekday(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Monday => "월",
        Weekday::Tuesday => "화",
        Weekday::Wednesday => "수",
        Weekday::Thursday => "목",
        Weekday::Friday => "금",
        Weekday::Saturday => "토",
        Weekday::Sunday => "일",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_korean_time_and_utc() {
        let opening = Moment::parse("2026-11-21T09:00:00Z").unwrap();
        assert_eq!(opening.rfc3339(), "2026-11-21T09:00:00.000Z");
        assert!(
            opening
                .html(Lang::Ko, Precision::Minute)
                .contains(">2026년 11월 21일(토) 18:00 한국\u{a0}시각 · 09:00 UTC<")
        );
        assert!(opening.html(Lang::En, Precision::Second).contains(">Sat 21 Nov 2026, 18:00:00 KST · 09:00:00 UTC<"));
    }

    #[test]
    fn form_input_is_korean_time_both_ways() {
        let opening = Moment::parse("2026-11-21T09:00:00Z").unwrap();
        assert_eq!(opening.korean_input(), "2026-11-21T18:00");
        assert_eq!(Moment::from_korean_input("2026-11-21T18:00"), Some(opening));
        assert_eq!(Moment::from_korean_input("2026-11-21T18:00:01"), Some(Moment(opening.0 + 1000)));
        assert_eq!(Moment::from_korean_input("tomorrow"), None);
    }

    #[test]
    fn countdown_grows_with_its_length() {
        assert_eq!(countdown(5, Lang::En), "0:05");
        assert_eq!(countdown(3609, Lang::En), "1:00:09");
        assert_eq!(countdown(90_000, Lang::En), "1 day 01:00:00");
        assert_eq!(countdown(180_000, Lang::Ko), "2일 02:00:00");
    }
}
