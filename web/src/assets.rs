//! The stylesheets and scripts, embedded and minified once. They are inlined, so a page is one request.

use std::sync::{Arc, LazyLock, OnceLock};

use crate::segment::{Segment, compressor};

/// A stylesheet or script as it is sent.
pub(crate) struct Asset {
    text: LazyLock<String>,
    /// Compressed once for all templates.
    segment: OnceLock<Option<Arc<Segment>>>,
}

impl Asset {
    const fn new(text: fn() -> String) -> Self {
        Self { text: LazyLock::new(text), segment: OnceLock::new() }
    }

    /// What goes between the tags.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn segment(&self) -> Option<&Arc<Segment>> {
        self.segment.get_or_init(|| Segment::compress(self.text(), &mut compressor()).map(Arc::new)).as_ref()
    }
}

/// The style of every page.
pub(crate) static STYLE: Asset = Asset::new(|| slim(include_str!("../assets/style.css")));
/// What the console adds.
pub(crate) static CONSOLE_STYLE: Asset = Asset::new(|| slim(include_str!("../assets/console.css")));
/// Server clock, times in the buyer's zone, countdowns. Runs on every page; where the page has a script of its own, both are
/// one asset, because one text compresses better than two.
pub(crate) static CLOCK: Asset = Asset::new(|| slim(CLOCK_SOURCE));
/// The sale page: opening, join that asks again.
pub(crate) static SALE: Asset = Asset::new(|| with_clock(include_str!("../assets/sale.js")));
/// The waiting page.
pub(crate) static LINE: Asset = Asset::new(|| with_clock(include_str!("../assets/line.js")));
/// Checkout and order: the hold's deadline, changes of the order.
pub(crate) static ORDER: Asset = Asset::new(|| with_clock(include_str!("../assets/order.js")));
/// One sale, live, in the console.
pub(crate) static CONSOLE: Asset = Asset::new(|| with_clock(include_str!("../assets/console.js")));

const CLOCK_SOURCE: &str = include_str!("../assets/clock.js");

fn with_clock(source: &str) -> String {
    format!("{}\n{}", slim(CLOCK_SOURCE), slim(source))
}

/// Removes indentation, empty lines and comment lines.
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
