//! The stylesheets and scripts, embedded and slimmed once. They go into the page itself: one request, nothing blocked.

use std::sync::LazyLock;

/// A stylesheet or script as it is sent.
pub(crate) struct Asset(LazyLock<String>);

impl Asset {
    /// What goes between the tags.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The style of every page.
pub(crate) static STYLE: Asset = Asset(LazyLock::new(|| slim(include_str!("../assets/style.css"))));
/// What the console adds.
pub(crate) static CONSOLE_STYLE: Asset = Asset(LazyLock::new(|| slim(include_str!("../assets/console.css"))));
/// Server clock, times in the buyer's zone, countdowns. Runs on every page, before the page's own script.
pub(crate) static CLOCK: Asset = Asset(LazyLock::new(|| slim(include_str!("../assets/clock.js"))));
/// The sale page: opening, join that asks again.
pub(crate) static SALE: Asset = Asset(LazyLock::new(|| slim(include_str!("../assets/sale.js"))));
/// The waiting page.
pub(crate) static LINE: Asset = Asset(LazyLock::new(|| slim(include_str!("../assets/line.js"))));
/// Checkout and order: the hold's deadline, changes of the order.
pub(crate) static ORDER: Asset = Asset(LazyLock::new(|| slim(include_str!("../assets/order.js"))));
/// One sale, live, in the console.
pub(crate) static CONSOLE: Asset = Asset(LazyLock::new(|| slim(include_str!("../assets/console.js"))));

/// Takes out what only readers of the source need: indentation, empty lines, lines that are comments.
fn slim(source: &str) -> String {
    source
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with("/*"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `slim` drops a comment by its first line, and an inlined asset must not be able to close its element.
    #[test]
    fn comments_fit_one_line_and_nothing_closes_the_element() {
        for source in [&STYLE, &CONSOLE_STYLE, &CLOCK, &SALE, &LINE, &ORDER, &CONSOLE] {
            let source = source.text();
            for line in source.lines() {
                assert_eq!(line.contains("/*"), line.contains("*/"), "a comment of several lines: {line}");
            }
            assert!(!source.contains("</s"), "would end the element");
        }
    }
}
