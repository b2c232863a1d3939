//! How long a token is good.

use std::str::FromStr;

/// A span of whole seconds, up to a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ttl {
    pub(super) seconds: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number with s, m, h or d, from 1s to 365d, like 1h")]
pub(super) struct BadTtl;

impl FromStr for Ttl {
    type Err = BadTtl;

    fn from_str(text: &str) -> Result<Self, BadTtl> {
        const YEAR: u32 = 365 * 86_400;
        let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
        let (number, unit) = units
            .into_iter()
            .find_map(|(letter, seconds)| Some((text.strip_suffix(letter)?, seconds)))
            .ok_or(BadTtl)?;
        let seconds = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
        match seconds {
            Some(seconds @ 1..=YEAR) => Ok(Self { seconds: seconds.into() }),
            _ => Err(BadTtl),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_has_a_unit_and_bounds() {
        for (text, seconds) in [("1s", 1), ("90m", 5_400), ("1h", 3_600), ("365d", 31_536_000)] {
            assert_eq!(text.parse(), Ok(Ttl { seconds }), "{text}");
        }
        for bad in ["", "1", "h", "0s", "-1h", "366d", "99999999999d", "1w", "시"] {
            assert_eq!(bad.parse::<Ttl>(), Err(BadTtl), "{bad}");
        }
    }
}
