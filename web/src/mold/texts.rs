//! What a page says to one visitor alone, in the order that both the model and the visitor keep.

use std::fmt::{Display, Write as _};

use askama::filters::{Html, escape};

/// Texts in one string, because they are written for every request.
#[derive(Clone, Debug)]
pub struct Texts {
    all: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { all: String::with_capacity(512), ends: Vec::with_capacity(16) }
    }
}

impl Texts {
    pub(crate) fn add(&mut self, text: impl Display) {
        self.add_some(Some(text));
    }

    /// Adds a text, or that this visitor is not told any.
    pub(crate) fn add_some(&mut self, text: Option<impl Display>) {
        if let Some(text) = text {
            // Only a value whose `Display` fails could stop it, and none of ours does.
            write!(self.all, "{text}").unwrap_or_default();
        }
        self.ends.push(self.all.len());
    }

    /// Adds a sentence as HTML writes it.
    pub(crate) fn add_escaped(&mut self, text: Option<String>) {
        self.add_some(text.and_then(|text| escape(text, Html).ok()));
    }

    pub(crate) fn nth(&self, nth: usize) -> &str {
        let start = nth.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or(self.all.len()));
        let end = self.ends.get(nth).copied().unwrap_or(self.all.len());
        &self.all[start..end]
    }

    /// Those that say something, with their places.
    pub(crate) fn each(&self) -> impl Iterator<Item = (usize, &str)> {
        (0..self.ends.len()).map(|nth| (nth, self.nth(nth))).filter(|(_, text)| !text.is_empty())
    }
}
