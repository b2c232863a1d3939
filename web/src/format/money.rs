//! Amounts as people read them.

use sale::{Language, Money};

use crate::number::grouped;

/// `189,000원`, `₩189,000`, `USD 12.00`.
pub fn amount(money: Money, language: Language) -> String {
    let sign = if money.amount < 0 { "-" } else { "" };
    let figures = decimal(money.amount.unsigned_abs(), money.currency.minor_digits());
    match (money.currency.as_str(), language) {
        ("KRW", Language::Ko) => format!("{sign}{figures}원"),
        ("KRW", Language::En) => format!("{sign}₩{figures}"),
        (currency, _) => format!("{currency} {sign}{figures}"),
    }
}

fn decimal(minor_units: u64, digits: u32) -> String {
    let scale = 10_u64.pow(digits);
    let whole = grouped(minor_units / scale);
    match digits {
        0 => whole,
        _ => format!("{whole}.{:0width$}", minor_units % scale, width = digits as usize),
    }
}

#[cfg(test)]
mod tests {
    use sale::Currency;

    use super::*;

    #[test]
    fn minor_units_follow_the_currency() {
        let text = |minor, currency: &str, language| {
            amount(Money { amount: minor, currency: Currency::parse(currency).unwrap() }, language)
        };
        assert_eq!(text(189_000, "KRW", Language::Ko), "189,000원");
        assert_eq!(text(189_000, "KRW", Language::En), "₩189,000");
        assert_eq!(text(-189_000, "KRW", Language::En), "-₩189,000");
        assert_eq!(text(1200, "USD", Language::Ko), "USD 12.00");
        assert_eq!(text(0, "USD", Language::En), "USD 0.00");
        assert_eq!(text(123_456_705, "USD", Language::En), "USD 1,234,567.05");
        assert_eq!(text(1500, "KWD", Language::En), "KWD 1.500");
    }
}
