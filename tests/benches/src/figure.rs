//! A figure: what was measured, beside the most or the least that it could be.

use serde::Serialize;
use serde_json::Value;

/// One line of output.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) bench: &'static str,
    /// The median of the rounds.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What the value is held against: what this machine does at most, or a bound that was promised.
    pub(crate) ceiling: f64,
    /// The median of the rounds' value ÷ ceiling.
    pub(crate) ratio: f64,
    pub(crate) wanted: Option<Target>,
    /// Under which conditions, in words.
    pub(crate) about: String,
    /// Every round.
    pub(crate) runs: Vec<Value>,
}

/// What was promised of the ratio.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One round: the value and what it is held against, and whatever else is worth keeping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) value: f64,
    pub(crate) ceiling: f64,
    pub(crate) more: Vec<(&'static str, f64)>,
}

impl Figure {
    /// The figure that these rounds give.
    pub(crate) fn of(bench: &'static str, unit: &'static str, rounds: &[Round]) -> Self {
        let ratios = rounds.iter().map(|round| round.value / round.ceiling);
        Self {
            bench,
            value: rounded(median(rounds.iter().map(|round| round.value))),
            unit,
            ceiling: rounded(median(rounds.iter().map(|round| round.ceiling))),
            ratio: rounded(median(ratios)),
            wanted: None,
            about: String::new(),
            runs: rounds.iter().map(Round::to_json).collect(),
        }
    }

    #[must_use]
    pub(crate) fn wanted(self, wanted: Target) -> Self {
        Self { wanted: Some(wanted), ..self }
    }

    #[must_use]
    pub(crate) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Round {
    fn to_json(&self) -> Value {
        let own = [("value", self.value), ("ceiling", self.ceiling), ("ratio", self.value / self.ceiling)];
        own.iter().chain(&self.more).map(|(name, value)| ((*name).to_owned(), Value::from(rounded(*value)))).collect()
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Four digits behind the point say more than a repetition would bear out.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_is_the_median_of_its_rounds() {
        let round = |value, ceiling| Round { value, ceiling, more: vec![("p99_ms", 1.23456)] };
        let figure = Figure::of("join", "req/s", &[round(50.0, 100.0), round(90.0, 100.0), round(30.0, 50.0)]);
        let line: serde_json::Value = serde_json::from_str(&figure.to_line()).unwrap();
        assert_eq!((&line["value"], &line["ceiling"], &line["ratio"]), (&json!(50.0), &json!(100.0), &json!(0.6)));
        assert_eq!(figure.runs[0], json!({"value": 50.0, "ceiling": 100.0, "ratio": 0.5, "p99_ms": 1.2346}));
        assert!((median([1.0, 4.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }
}
