//! The mail worker: sends the mail of each order event at least once, always with the same message id.
//!
//! The texts are in [`web::mails`]; a mail carries no secret. When the mail server fails, the event is delivered again; no
//! order is touched. An event whose address the keys at hand do not open goes to the dead letters and counts as not sent.

use std::sync::Arc;

use async_trait::async_trait;
use sale::{Event, EventKind, Keys, OrderState, ids::EventId, secret};
use stores::{
    StoreError,
    database::{
        Database, inbox,
        orders::{self, Order},
        sales,
    },
    events::{ConsumerGroup, Handler, Progress},
    mail::{Mail, Mailer, SendOutcome},
};
use web::{
    mails::{OrderMail, OrderMailKind, OrderMailLine},
    paths,
};

use crate::reserve::contact_place;

/// Why an event goes to the dead letters. No other process sends its mail, so a person has to deliver it again.
const SEALED: &str = "the address cannot be opened with the keys of this process";

/// What an event leads to.
enum Letter {
    /// Nothing: the order has no address, or the mail is outdated.
    None,
    /// To an address that this process has no key for.
    Sealed,
    Mail {
        mail: Mail,
        trace_id: String,
    },
}

/// Writes and sends the mails of orders.
pub struct MailWorker {
    database: Database,
    mailer: Arc<dyn Mailer>,
    keys: Arc<Keys>,
    /// Without a slash at its end.
    public_url: String,
}

impl MailWorker {
    pub fn new(database: Database, mailer: Arc<dyn Mailer>, keys: Arc<Keys>, public_url: &str) -> Self {
        Self { database, mailer, keys, public_url: public_url.trim_end_matches('/').to_owned() }
    }

    /// Sends the mail of an event, unless it was sent before; `false` when its address cannot be opened.
    async fn send_once(&self, event: &Event) -> Result<bool, StoreError> {
        if inbox::contains(&self.database, ConsumerGroup::Mail, event.id).await? {
            return Ok(true);
        }
        let letter = self.letter(event).await?;
        if let Letter::Sealed = letter {
            return Ok(false);
        }
        if let Letter::Mail { mail, trace_id } = letter {
            let sent = self.mailer.send(&mail).await?;
            let result = if sent == SendOutcome::Rejected { "refused" } else { "accepted" };
            metrics::counter!("openrun_mails_total", "result" => result).increment(1);
            match sent {
                SendOutcome::Rejected => tracing::warn!(event.id = %event.id, trace_id, "a mail was refused for good"),
                SendOutcome::Accepted => tracing::info!(event.id = %event.id, trace_id, "a mail went out"),
            }
        }
        inbox::add(&self.database, ConsumerGroup::Mail, event.id, self.database.now()).await?;
        Ok(true)
    }

    async fn letter(&self, event: &Event) -> Result<Letter, StoreError> {
        let Some(order) = orders::view(&self.database, event.order).await? else { return Ok(Letter::None) };
        let (Some(kind), Some(sealed)) = (kind(event.kind, &order), &order.contact) else { return Ok(Letter::None) };
        let opened = secret::open(&self.keys.personal_data, &contact_place(order.id), sealed);
        let Some(to) = opened else { return Ok(Letter::Sealed) };
        let written = self.write(kind, &order).await?;
        let mail = Mail {
            message_id: message_id(event.id, &self.public_url),
            to,
            subject: written.subject(),
            text: written.text(),
            language: order.locale.tag(),
        };
        Ok(Letter::Mail { mail, trace_id: order.trace })
    }

    async fn write(&self, kind: OrderMailKind, order: &Order) -> Result<OrderMail, StoreError> {
        let language = order.locale;
        let stocked = sales::load(&self.database, &order.sale).await?;
        let sale = stocked.as_ref().map(|stocked| &stocked.sale);
        let lines = order.lines.iter();
        Ok(OrderMail {
            kind,
            language,
            sale_name: sale.map_or_else(|| order.sale.to_string(), |sale| sale.name.in_language(language).to_owned()),
            lines: lines
                .map(|line| OrderMailLine { name: line.name.in_language(language).to_owned(), quantity: line.quantity })
                .collect(),
            total: order.total,
            order: order.id,
            url: format!("{}{}", self.public_url, paths::order(order.id)),
        })
    }
}

#[async_trait]
impl Handler for MailWorker {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        let has_mail = |(_, event): &(usize, &Event)| {
            matches!(event.kind, EventKind::OrderPlaced | EventKind::OrderPaid | EventKind::OrderFailed)
        };
        let events: Vec<_> = batch.iter().enumerate().filter(has_mail).collect();
        let orders: Vec<_> = events.iter().map(|(_, event)| event.order).collect();
        let reachable = orders::with_contact(&self.database, &orders).await?;
        for (done, event) in events.into_iter().filter(|(_, event)| reachable.contains(&event.order)) {
            if !self.send_once(event).await? {
                return Ok(Progress::GiveUp { done, reason: SEALED });
            }
        }
        Ok(Progress::Done)
    }
}

/// Which mail an event leads to by now: an order that failed and was paid late gets no mail about the failure.
fn kind(event: EventKind, order: &Order) -> Option<OrderMailKind> {
    match event {
        EventKind::OrderPlaced => Some(OrderMailKind::Placed {
            hold_until: order.hold.filter(|hold| hold.state.is_live()).map(|hold| hold.deadline),
        }),
        EventKind::OrderPaid => Some(OrderMailKind::Paid),
        EventKind::OrderFailed => order.history.iter().rev().find_map(|step| match step.state {
            OrderState::PaymentFailed => Some(OrderMailKind::Declined),
            OrderState::Expired => Some(OrderMailKind::Expired),
            OrderState::Cancelled => Some(OrderMailKind::Cancelled),
            _ => None,
        }),
        EventKind::PaymentRequested | EventKind::PaymentSettled | EventKind::RefundRequested | EventKind::HoldEnded => {
            None
        }
    }
    .filter(|kind| matches!(kind, OrderMailKind::Paid | OrderMailKind::Placed { .. }) || has_ended_unpaid(order.state))
}

/// Whether an order ended with nothing charged; one whose money came late did not.
const fn has_ended_unpaid(state: OrderState) -> bool {
    matches!(state, OrderState::PaymentFailed | OrderState::Expired | OrderState::Cancelled)
}

/// The host of the public URL, without its port, makes the id the installation's own.
fn message_id(event: EventId, public_url: &str) -> String {
    let host = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().filter(|host| !host.is_empty()).unwrap_or("localhost");
    format!("{event}@{host}")
}

#[cfg(test)]
mod tests {
    use sale::Timestamp;

    use super::*;

    #[test]
    fn an_event_has_one_message_id() {
        let event = EventId::derive(Timestamp::from_millis(1), &[b"x"]);
        assert_eq!(message_id(event, "https://line.example.com"), format!("{event}@line.example.com"));
        assert_eq!(message_id(event, "http://localhost:8080/shop"), format!("{event}@localhost"));
    }
}
