//! Waiting times as people say them.

use crate::messages::LineMessages;

/// A waiting time as people say it, from the median and the time nine in ten do not exceed.
pub(crate) fn waiting_time(messages: &LineMessages, p50: u64, p90: u64) -> String {
    let (low, high) = (p50 / 60, p90.max(p50).div_ceil(60));
    match (low, high) {
        (_, 0 | 1) => messages.eta_minute.to_owned(),
        (0 | 1, high) if high <= 90 => messages.eta_up_to_minutes.of(high),
        (low, high) if high <= 90 && low < high => messages.eta_minutes.with_two(low, high),
        (_, high) if high <= 90 => messages.eta_up_to_minutes.of(high),
        (low, high) if low / 60 >= 1 && low / 60 < high.div_ceil(60) => {
            messages.eta_hours.with_two(low / 60, high.div_ceil(60))
        }
        (_, high) => messages.eta_up_to_hours.of(high.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use sale::Language;

    use super::*;
    use crate::messages::messages;

    #[test]
    fn waiting_times_are_ranges() {
        let english = &messages(Language::En).line;
        assert_eq!(waiting_time(english, 5, 40), "Less than a minute");
        assert_eq!(waiting_time(english, 50, 170), "Up to 3 minutes");
        assert_eq!(waiting_time(english, 200, 290), "About 3 to 5 minutes");
        assert_eq!(waiting_time(english, 5400, 8000), "About 1 to 3 hours");
        assert_eq!(waiting_time(english, 3000, 6000), "Up to 2 hours");
        assert_eq!(waiting_time(&messages(Language::Ko).line, 200, 290), "약 3~5분");
    }
}
