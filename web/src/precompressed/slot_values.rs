//! The values of a template's slots: what a page says to one visitor alone. Compiling and rendering add them in the same order.

use std::fmt::{Display, Write as _};

use askama::filters::{Html, escape};

/// Values in one buffer, because they are written for every request.
#[derive(Clone, Debug)]
pub struct SlotValues {
    buffer: String,
    /// The offset in the buffer at which each value ends.
    ends: Vec<usize>,
}

impl Default for SlotValues {
    fn default() -> Self {
        Self { buffer: String::with_capacity(512), ends: Vec::with_capacity(16) }
    }
}

impl SlotValues {
    pub(crate) fn add(&mut self, value: impl Display) {
        self.add_optional(Some(value));
    }

    /// Adds a value; `None` leaves the slot empty.
    pub(crate) fn add_optional(&mut self, value: Option<impl Display>) {
        if let Some(value) = value {
            // Only a value whose `Display` fails could stop it, and none of ours does.
            write!(self.buffer, "{value}").unwrap_or_default();
        }
        self.ends.push(self.buffer.len());
    }

    /// Adds a text with HTML escapes; `None` leaves the slot empty.
    pub(crate) fn add_escaped(&mut self, text: Option<String>) {
        self.add_optional(text.and_then(|text| escape(text, Html).ok()));
    }

    /// The value of a slot; empty for an index that was never added.
    pub(crate) fn get(&self, slot: usize) -> &str {
        let start = slot.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or(self.buffer.len()));
        let end = self.ends.get(slot).copied().unwrap_or(self.buffer.len());
        &self.buffer[start..end]
    }

    /// The values that are not empty, with their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &str)> {
        (0..self.ends.len()).map(|slot| (slot, self.get(slot))).filter(|(_, value)| !value.is_empty())
    }
}
