//! Mails about orders: at least once per event, always with the same message id, in the buyer's language.
//!
//! A mail says what happened and where to look; it carries no secret. Trouble with the mail server makes the event come
//! again and never touches an order.

mod en;
mod ko;

use std::sync::Arc;

use async_trait::async_trait;
use sale::{Event, EventKind, Keys, Language, OrderState, Timestamp, ids::EventId, secret};
use stores::{
    StoreError,
    database::{
        Database, inbox,
        orders::{self, Order},
        sales,
    },
    events::{Group, Handler, Progress},
    mail::{Mail, Mailer, Sent},
};
use web::format::amount;

use crate::reserve::contact_place;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Placed,
    Paid,
    /// Declined for good; nothing was charged.
    Declined,
    Expired,
    Cancelled,
}

/// Everything that a mail says.
#[derive(Clone, Debug)]
struct Facts {
    subject: Subject,
    sale_name: String,
    /// Name of the item and quantity.
    lines: Vec<(String, u32)>,
    total: String,
    /// Until when the units are held.
    hold_until: Option<String>,
    order: String,
    link: String,
}

impl Facts {
    /// What was ordered, line by line.
    fn list(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(|(name, quantity)| format!("- {name} × {quantity}")).collect();
        lines.join("\n")
    }
}

/// A mail without its envelope.
struct Text {
    subject: String,
    body: String,
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

    /// Sends the mail of an event unless it went before.
    async fn tell(&self, event: &Event) -> Result<(), StoreError> {
        if inbox::contains(&self.database, Group::Mail, event.id).await? {
            return Ok(());
        }
        if let Some((mail, trace_id)) = self.mail_of(event).await? {
            let sent = self.mailer.send(&mail).await?;
            let result = if sent == Sent::Refused { "refused" } else { "accepted" };
            metrics::counter!("openrun_mails_total", "result" => result).increment(1);
            match sent {
                Sent::Refused => tracing::warn!(event.id = %event.id, trace_id, "a mail was refused for good"),
                Sent::Accepted => tracing::info!(event.id = %event.id, trace_id, "a mail went out"),
            }
        }
        inbox::add(&self.database, Group::Mail, event.id, self.database.now()).await
    }

    /// The mail of an event, and the trace of its order; `None` when there is nobody to write to, or nothing to say any
    /// more.
    async fn mail_of(&self, event: &Event) -> Result<Option<(Mail, String)>, StoreError> {
        let Some(order) = orders::view(&self.database, event.order).await? else { return Ok(None) };
        let Some(subject) = subject(event.kind, &order) else { return Ok(None) };
        let place = contact_place(order.id);
        let Some(to) =
            order.contact.as_deref().and_then(|sealed| secret::open(&self.keys.personal_data, &place, sealed))
        else {
            return Ok(None);
        };
        let facts = self.facts(subject, &order).await?;
        let text = compose(order.locale, &facts);
        let mail = Mail {
            message_id: message_id(event.id, &self.public_url),
            to,
            subject: text.subject,
            text: text.body,
            language: order.locale.tag(),
        };
        Ok(Some((mail, order.trace)))
    }

    async fn facts(&self, subject: Subject, order: &Order) -> Result<Facts, StoreError> {
        let stocked = sales::load(&self.database, &order.sale).await?;
        let sale = stocked.as_ref().map(|stocked| &stocked.sale);
        let named = |item: &sale::ItemId| {
            sale.and_then(|sale| sale.item(item)).map(|item| item.name.in_language(order.locale).to_owned())
        };
        let lines = order.lines.iter();
        Ok(Facts {
            subject,
            sale_name: sale
                .map_or_else(|| order.sale.to_string(), |sale| sale.name.in_language(order.locale).to_owned()),
            lines: lines
                .map(|line| (named(&line.item).unwrap_or_else(|| line.item.to_string()), line.quantity))
                .collect(),
            total: amount(order.total, order.locale),
            hold_until: order.hold.filter(|hold| hold.state.is_live()).map(|hold| clock(hold.deadline)),
            order: order.id.to_string(),
            link: format!("{}/orders/{}", self.public_url, order.id),
        })
    }
}

#[async_trait]
impl Handler for MailWorker {
    async fn handle(&self, batch: &[Event]) -> Result<Progress, StoreError> {
        let is_told = |event: &&Event| {
            matches!(event.kind, EventKind::OrderPlaced | EventKind::OrderPaid | EventKind::OrderFailed)
        };
        let told: Vec<_> = batch.iter().filter(is_told).collect();
        let orders: Vec<_> = told.iter().map(|event| event.order).collect();
        let reachable = orders::with_contact(&self.database, &orders).await?;
        for event in told.into_iter().filter(|event| reachable.contains(&event.order)) {
            self.tell(event).await?;
        }
        Ok(Progress::Done)
    }
}

/// What an event is about by now: an order that failed and was paid late has no failure to tell.
fn subject(kind: EventKind, order: &Order) -> Option<Subject> {
    match kind {
        EventKind::OrderPlaced => Some(Subject::Placed),
        EventKind::OrderPaid => Some(Subject::Paid),
        EventKind::OrderFailed => order.history.iter().rev().find_map(|step| match step.state {
            OrderState::PaymentFailed => Some(Subject::Declined),
            OrderState::Expired => Some(Subject::Expired),
            OrderState::Cancelled => Some(Subject::Cancelled),
            _ => None,
        }),
        EventKind::PaymentRequested | EventKind::PaymentSettled | EventKind::RefundRequested | EventKind::HoldEnded => {
            None
        }
    }
    .filter(|subject| matches!(subject, Subject::Paid | Subject::Placed) || has_ended_unpaid(order.state))
}

/// Whether an order ended with nothing charged; one whose money came late did not.
const fn has_ended_unpaid(state: OrderState) -> bool {
    matches!(state, OrderState::PaymentFailed | OrderState::Expired | OrderState::Cancelled)
}

fn compose(language: Language, facts: &Facts) -> Text {
    match language {
        Language::Ko => ko::compose(facts),
        Language::En => en::compose(facts),
    }
}

/// The host of the public URL, without its port, makes the id the installation's own.
fn message_id(event: EventId, public_url: &str) -> String {
    let host = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().filter(|host| !host.is_empty()).unwrap_or("localhost");
    format!("{event}@{host}")
}

/// A moment as mails show it. They do not know the reader's time zone, so they name theirs.
fn clock(at: Timestamp) -> String {
    let utc = at.to_utc();
    format!("{} {:02}:{:02}:{:02} UTC", utc.date(), utc.hour(), utc.minute(), utc.second())
}

#[cfg(test)]
mod tests {
    use sale::{OrderId, testing::won};

    use super::*;

    fn facts(subject: Subject) -> Facts {
        let order = OrderId::derive(Timestamp::from_millis(1_780_000_000_000), &[b"mail"]);
        Facts {
            subject,
            sale_name: "Limited sneaker".to_owned(),
            lines: vec![("One pair".to_owned(), 1), ("Laces".to_owned(), 2)],
            total: amount(won(189_000), Language::Ko),
            hold_until: Some(clock(Timestamp::from_millis(1_780_000_300_000))),
            order: order.to_string(),
            link: format!("https://line.example.com/orders/{order}"),
        }
    }

    #[test]
    fn the_texts_are_what_was_agreed() {
        let subjects = [Subject::Placed, Subject::Paid, Subject::Declined, Subject::Expired, Subject::Cancelled];
        for language in [Language::Ko, Language::En] {
            let all: Vec<_> = subjects
                .iter()
                .map(|subject| {
                    let text = compose(language, &facts(*subject));
                    format!("Subject: {}\n\n{}", text.subject, text.body)
                })
                .collect();
            insta::assert_snapshot!(format!("mails_{}", language.tag()), all.join("\n----\n"));
        }
    }

    #[test]
    fn an_event_has_one_message_id() {
        let event = EventId::derive(Timestamp::from_millis(1), &[b"x"]);
        assert_eq!(message_id(event, "https://line.example.com"), format!("{event}@line.example.com"));
        assert_eq!(message_id(event, "http://localhost:8080/shop"), format!("{event}@localhost"));
    }
}
