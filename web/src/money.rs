//! Money as people read it, from whole minor units.

use crate::{language::Lang, words::grouped};

/// An amount in minor units of an ISO 4217 currency: 189000 KRW is 189,000 won, 1200 USD is 12.00 dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Whole minor units.
    pub amount: u64,
    /// ISO 4217 code in capitals.
    pub currency: String,
}

impl Money {
    /// `189,000원`, `₩189,000`, `USD 12.00`.
    pub fn words(&self, lang: Lang) -> String {
        let figures = decimal(self.amount, minor_digits(&self.currency));
        match (self.currency.as_str(), lang) {
            ("KRW", Lang::Ko) => format!("{figures}원"),
            ("KRW", Lang::En) => format!("₩{figures}"),
            (currency, _) => format!("{currency} {figures}"),
        }
    }
}

/// How many digits ISO 4217 puts behind the point.
pub fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

fn decimal(amount: u64, digits: u32) -> String {
    let scale = 10_u64.pow(digits);
    let whole = grouped(amount / scale);
    match digits {
        0 => whole,
        _ => format!("{whole}.{:0width$}", amount % scale, width = digits as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_follow_the_currency() {
        let words = |amount, currency: &str, lang| Money { amount, currency: currency.to_owned() }.words(lang);
        assert_eq!(words(189_000, "KRW", Lang::Ko), "189,000원");
        assert_eq!(words(189_000, "KRW", Lang::En), "₩189,000");
        assert_eq!(words(1200, "USD", Lang::Ko), "USD 12.00");
        assert_eq!(words(123_456_705, "USD", Lang::En), "USD 1,234,567.05");
        assert_eq!(words(1500, "KWD", Lang::En), "KWD 1.500");
    }
}
