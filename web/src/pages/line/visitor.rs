//! The values of one visitor on the waiting page.

use sale::{Language, Timestamp};

use super::view::{LineView, stock};
use crate::{
    format::{clock_element, countdown, seconds_until},
    messages::messages,
    number::grouped,
    precompressed::SlotValues,
};

/// What the page says to one visitor at one moment. Everything else on it is the same for all visitors whose views have the
/// same [`LineView::shape`], until the frame or the sale changes.
#[derive(Clone, Copy, Debug)]
pub struct LineVisitor<'v> {
    /// The language of the page.
    pub language: Language,
    /// The CSP nonce of this response.
    pub nonce: &'v str,
    /// The server's clock.
    pub now: Timestamp,
    /// The opening, which the page counts down to.
    pub opens_at: Timestamp,
    /// Id of the ticket.
    pub ticket: &'v str,
    /// Its number.
    pub number: u64,
    /// Where the ticket stands.
    pub view: &'v LineView,
    /// Free units of all items.
    pub left: u64,
    /// Held units of all items.
    pub held: u64,
    /// Key for joining again after leaving.
    pub join_key: &'v str,
}

impl LineVisitor<'_> {
    /// The values for the slots of [`super::LinePage::precompile`].
    pub fn slot_values(&self) -> SlotValues {
        let messages = &messages(self.language).line;
        let (ahead, eta) = (self.view.ahead(), self.view.eta());
        let mut values = SlotValues::default();
        values.add(self.nonce);
        values.add(self.join_key);
        values.add(self.ticket);
        values.add(self.now.as_millis());
        values.add(clock_element(self.now, self.language));
        values.add(countdown(seconds_until(self.opens_at, self.now), self.language));
        values.add(grouped(self.number));
        values.add(self.number);
        values.add_optional(ahead.map(grouped));
        values.add_optional(ahead);
        values.add_optional(eta.map(|eta| eta.p50));
        values.add_optional(eta.map(|eta| eta.p90));
        values.add_escaped(eta.map(|_| self.view.time(messages)));
        values.add_escaped((self.left > 0).then(|| stock(messages, self.view, self.left, self.held)));
        values
    }
}
