//! Events: facts on the event log. They carry ids and no state; a handler reads the row and acts on its state.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    ids::{EventId, OrderId, SaleId},
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    #[serde(rename = "openrun.order.placed.v1")]
    OrderPlaced,
    #[serde(rename = "openrun.order.paid.v1")]
    OrderPaid,
    /// Declined, expired or cancelled: the units were released.
    #[serde(rename = "openrun.order.failed.v1")]
    OrderFailed,
    #[serde(rename = "openrun.payment.requested.v1")]
    PaymentRequested,
    /// The provider's answer was recorded: authorised, captured, declined, voided or unknown.
    #[serde(rename = "openrun.payment.settled.v1")]
    PaymentSettled,
    #[serde(rename = "openrun.refund.requested.v1")]
    RefundRequested,
    /// A hold ended in the database; the stock gate has to be notified.
    #[serde(rename = "openrun.hold.ended.v1")]
    HoldEnded,
}

impl EventKind {
    pub const ALL: &'static [Self] = &[
        Self::OrderPlaced,
        Self::OrderPaid,
        Self::OrderFailed,
        Self::PaymentRequested,
        Self::PaymentSettled,
        Self::RefundRequested,
        Self::HoldEnded,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderPlaced => "openrun.order.placed.v1",
            Self::OrderPaid => "openrun.order.paid.v1",
            Self::OrderFailed => "openrun.order.failed.v1",
            Self::PaymentRequested => "openrun.payment.requested.v1",
            Self::PaymentSettled => "openrun.payment.settled.v1",
            Self::RefundRequested => "openrun.refund.requested.v1",
            Self::HoldEnded => "openrun.hold.ended.v1",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

/// A fact, encoded as `CloudEvents` 1.0. Its key on the log is the order's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub kind: EventKind,
    pub at: Timestamp,
    pub sale: SaleId,
    pub order: OrderId,
}

/// The JSON document.
#[derive(Serialize, Deserialize)]
struct CloudEvent {
    specversion: String,
    id: EventId,
    source: String,
    #[serde(rename = "type")]
    kind: EventKind,
    time: Timestamp,
    subject: OrderId,
}

impl Event {
    /// The `nth` event of this kind about `order`. The id is derived, so that a transition that is recorded twice is
    /// the same event.
    pub fn about(kind: EventKind, sale: &SaleId, order: OrderId, at: Timestamp, nth: u32) -> Self {
        let id = EventId::derive(at, &[kind.as_str().as_bytes(), order.to_string().as_bytes(), &nth.to_be_bytes()]);
        Self { id, kind, at, sale: sale.clone(), order }
    }

    pub fn to_json(&self) -> String {
        let document = CloudEvent {
            specversion: "1.0".to_owned(),
            id: self.id,
            source: format!("/v1/sales/{}", self.sale),
            kind: self.kind,
            time: self.at,
            subject: self.order,
        };
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads an event; `None` for anything else, which goes to the dead letters.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document: CloudEvent = serde_json::from_slice(bytes).ok()?;
        let sale = document.source.strip_prefix("/v1/sales/")?.parse().ok()?;
        Some(Self { id: document.id, kind: document.kind, at: document.time, sale, order: document.subject })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_written() {
        let order = OrderId::derive(Timestamp::from_millis(5), &[b"x"]);
        let event = Event::about(EventKind::OrderPaid, &"s".parse().unwrap(), order, Timestamp::from_millis(5), 0);
        assert_eq!(Event::parse(event.to_json().as_bytes()), Some(event));
        assert_eq!(Event::parse(b"{}"), None);
    }
}
