//! A set of ticket numbers: one bit each, so that a million of them take 125 KB.

use parking_lot::RwLock;

/// A set that many threads read and few write.
#[derive(Debug, Default)]
pub struct NumberSet(RwLock<Vec<u64>>);

/// No sale gives so many numbers; larger ones are ignored.
const LIMIT: u64 = 1 << 32;

impl NumberSet {
    pub fn insert(&self, number: u64) {
        let (word, bit) = position(number);
        if number >= LIMIT {
            return;
        }
        let mut words = self.0.write();
        if words.len() <= word {
            words.resize(word.saturating_add(1), 0);
        }
        words[word] |= bit;
    }

    pub fn contains(&self, number: u64) -> bool {
        let (word, bit) = position(number);
        self.0.read().get(word).is_some_and(|bits| bits & bit != 0)
    }

    pub fn clear(&self) {
        self.0.write().clear();
    }
}

/// The index of the word that holds the number's bit, and the bit in it.
fn position(number: u64) -> (usize, u64) {
    (usize::try_from(number / 64).unwrap_or(usize::MAX), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_contains_what_was_inserted_until_it_is_cleared() {
        let numbers = NumberSet::default();
        for number in [0, 63, 64, 1_000_000] {
            assert!(!numbers.contains(number));
            numbers.insert(number);
            assert!(numbers.contains(number));
        }
        assert!(!numbers.contains(65));
        numbers.insert(u64::MAX);
        numbers.clear();
        assert!(!numbers.contains(64));
    }
}
