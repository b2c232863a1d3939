//! Times as pages show them: Korean time and UTC from the server, rewritten to the buyer's own zone by the script.

use sale::{Language, Timestamp};
use time::{Date, OffsetDateTime, UtcOffset, Weekday};

use crate::messages::messages;

/// How finely a time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// For plans: an opening, a closing.
    Minute,
    /// For facts: what happened when.
    Second,
}

/// The value of a `datetime-local` input in Korean time, such as `2026-11-21T18:00`.
pub fn korean_input(at: Timestamp) -> String {
    let local = at_offset(at, korea());
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
pub fn from_korean_input(text: &str) -> Option<Timestamp> {
    let seconds = if text.len() == "2026-11-21T18:00".len() { ":00" } else { "" };
    Timestamp::parse(&format!("{text}{seconds}+09:00"))
}

/// Whole seconds from `now` until `at`, rounded up, never below zero.
pub(crate) fn seconds_until(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(at.millis_since(now)).unwrap_or(0).div_ceil(1000)
}

/// A `<time>` element; the script rewrites its text to the buyer's own zone.
pub(crate) fn time_element(at: Timestamp, language: Language, precision: Precision) -> String {
    let (korean, utc) = (at_offset(at, korea()), at_offset(at, UtcOffset::UTC));
    let kst = messages(language).common.kst;
    format!(
        r#"<time datetime="{at}" data-local="{}">{} {} {kst} · {} UTC</time>"#,
        match precision {
            Precision::Minute => "minute",
            Precision::Second => "second",
        },
        day(korean.date(), language),
        clock(korean, precision),
        clock(utc, precision),
    )
}

/// A `<time>` element with the time of day alone, for "last heard from the server".
pub(crate) fn clock_element(at: Timestamp, language: Language) -> String {
    let kst = messages(language).common.kst;
    let time = clock(at_offset(at, korea()), Precision::Second);
    format!(r#"<time datetime="{at}" data-local="clock">{time} {kst}</time>"#)
}

/// `2026-11-21 09:00:00 UTC`, for mails: they do not know the reader's time zone, so they name theirs.
pub(crate) fn utc(at: Timestamp) -> String {
    let utc = at_offset(at, UtcOffset::UTC);
    format!("{} {} UTC", utc.date(), clock(utc, Precision::Second))
}

fn at_offset(at: Timestamp, offset: UtcOffset) -> OffsetDateTime {
    at.to_utc().to_offset(offset)
}

/// A countdown as figures: `4:05`, `1:00:09`, `2일 03:00:00`. The scripts write the same.
pub(crate) fn countdown(seconds: u64, language: Language) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes}:{rest:02}"),
        (0, _) => format!("{hours}:{minutes:02}:{rest:02}"),
        _ => format!("{} {hours:02}:{minutes:02}:{rest:02}", messages(language).common.days.of(days)),
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

fn day(date: Date, language: Language) -> String {
    let (year, month, day) = (date.year(), date.month(), date.day());
    match language {
        Language::Ko => format!("{year}년 {}월 {day}일({})", u8::from(month), korean_weekday(date.weekday())),
        Language::En => {
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

    fn opening() -> Timestamp {
        Timestamp::parse("2026-11-21T09:00:00Z").unwrap()
    }

    #[test]
    fn shows_korean_time_and_utc() {
        assert_eq!(
            time_element(opening(), Language::Ko, Precision::Minute),
            "<time datetime=\"2026-11-21T09:00:00.000Z\" data-local=\"minute\">2026년 11월 21일(토) 18:00 \
             한국\u{a0}시각 · 09:00 UTC</time>"
        );
        assert!(
            time_element(opening(), Language::En, Precision::Second)
                .contains(">Sat 21 Nov 2026, 18:00:00 KST · 09:00:00 UTC<")
        );
    }

    #[test]
    fn form_input_is_korean_time_both_ways() {
        assert_eq!(korean_input(opening()), "2026-11-21T18:00");
        assert_eq!(from_korean_input("2026-11-21T18:00"), Some(opening()));
        assert_eq!(from_korean_input("2026-11-21T18:00:01"), Some(opening().plus_seconds(1)));
        assert_eq!(from_korean_input("tomorrow"), None);
    }

    #[test]
    fn every_time_is_shown() {
        let ends = [i64::MIN, Timestamp::EARLIEST.as_millis(), Timestamp::LATEST.as_millis(), i64::MAX];
        for at in ends.map(Timestamp::from_millis) {
            let year = if at < opening() { "0000" } else { "9999" };
            assert!(korean_input(at).starts_with(year), "{}", korean_input(at));
            assert!(utc(at).starts_with(year), "{}", utc(at));
            for language in [Language::Ko, Language::En] {
                let shown = time_element(at, language, Precision::Second) + &clock_element(at, language);
                assert!(shown.contains("<time"), "{shown}");
            }
        }
    }

    #[test]
    fn countdown_grows_with_its_length() {
        assert_eq!(countdown(5, Language::En), "0:05");
        assert_eq!(countdown(3609, Language::En), "1:00:09");
        assert_eq!(countdown(90_000, Language::En), "1 day 01:00:00");
        assert_eq!(countdown(180_000, Language::Ko), "2일 02:00:00");
    }
}
