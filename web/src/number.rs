//! Numbers as both languages write them.

use crate::plain::Plain;

/// A number with a comma at every thousand.
pub(crate) fn grouped(n: impl Plain<u64>) -> String {
    let digits = n.plain().to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    let (first, mut rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    grouped.push_str(first);
    while let Some((three, after)) = rest.split_at_checked(3) {
        grouped.push(',');
        grouped.push_str(three);
        rest = after;
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
