//! `/console/sales/{sale}`: one sale, live, and its controls.

use askama::Template;
use sale::{Admission, LiveFigures, OrderState, SaleState, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::field::{FieldFault, SaleField, fault_message};
use crate::{
    Layout, assets,
    pages::{Tone, rendered, script_json},
    plain::Plain,
};

/// One sale.
#[derive(Clone, Debug, Template)]
#[template(path = "console/sale.html")]
pub struct ConsoleSalePage {
    /// Language, nonce, time.
    pub layout: Layout,
    /// Id of the sale.
    pub sale: String,
    /// Its name in the page's language.
    pub name: String,
    /// The opening.
    pub opens_at: Timestamp,
    /// The figures as `GET /v1/sales/{sale}/live` gives them.
    pub figures: LiveFigures,
    /// The settings in force.
    pub admission: AdmissionForm,
    /// What needs attention, worst first.
    pub trouble: Vec<Trouble>,
    /// What was changed, newest first.
    pub changes: Vec<Change>,
    /// Whether a change was just saved.
    pub saved: bool,
    /// What was wrong with the settings that were just sent.
    pub faults: Vec<FieldFault>,
}

/// The form of the settings of admission, as it was typed: a refused entry is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AdmissionForm {
    /// Calls per minute.
    pub per_minute: String,
    /// Called and inside at once.
    pub max_active: String,
    /// Share of calls beyond the free units.
    pub overcall: String,
}

impl From<Admission> for AdmissionForm {
    fn from(in_force: Admission) -> Self {
        Self {
            per_minute: in_force.per_minute.to_string(),
            max_active: in_force.max_active.to_string(),
            overcall: in_force.overcall.to_string(),
        }
    }
}

/// What needs the seller's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The store of the line does not answer or is being rebuilt.
    Store,
    /// free + held + sold differs from the total by this.
    Conservation(i64),
    /// Orders that a person must look at.
    NeedsReview(u64),
    /// Payments whose result is unknown.
    PaymentUnknown(u64),
    /// The provider is slow or fails.
    Payments,
    /// Events that wait to be sent.
    Events(u64),
}

/// One recorded change.
#[derive(Clone, Debug)]
pub struct Change {
    pub at: Timestamp,
    pub kind: ChangeKind,
}

/// What was changed.
#[derive(Clone, Debug)]
pub enum ChangeKind {
    Created,
    Edited,
    Paused,
    Resumed,
    Closed,
    /// The settings of admission; the new ones where the record has them.
    Admission(Option<Admission>),
    /// A change without words of its own, by its name in the record.
    Other(String),
}

impl ConsoleSalePage {
    /// The page as HTML.
    pub fn render(&self) -> String {
        rendered(self)
    }

    fn trouble_message(&self, trouble: &Trouble) -> String {
        let console = &self.layout.messages().console;
        match *trouble {
            Trouble::Store => console.sale.trouble_store.to_owned(),
            Trouble::Conservation(difference) => console.sale.trouble_conservation.with(difference),
            Trouble::NeedsReview(orders) => console.sale.trouble_review.of(orders),
            Trouble::PaymentUnknown(payments) => console.sale.trouble_unknown.of(payments),
            Trouble::Payments => console.sale.trouble_payments.to_owned(),
            Trouble::Events(events) => console.sale.trouble_events.of(events),
        }
    }

    fn change_message(&self, change: &Change) -> String {
        let messages = &self.layout.messages().console.sale;
        let message = match &change.kind {
            ChangeKind::Created => messages.change_created,
            ChangeKind::Edited => messages.change_edited,
            ChangeKind::Paused => messages.change_paused,
            ChangeKind::Resumed => messages.change_resumed,
            ChangeKind::Closed => messages.change_closed,
            ChangeKind::Admission(None) => messages.change_admission,
            ChangeKind::Admission(Some(settings)) => {
                return messages.change_admission_to.with_two(settings.per_minute, settings.max_active);
            }
            ChangeKind::Other(name) => name,
        };
        message.to_owned()
    }

    /// Units as the page shows them, in figures and as the width of a bar.
    fn count(units: impl Plain<i64>) -> u64 {
        u64::try_from(units.plain()).unwrap_or(0)
    }

    fn fault(&self, field: SaleField) -> Option<String> {
        fault_message(&self.faults, field, &self.layout.messages().console)
    }

    fn payment_time(&self) -> String {
        let seconds_message = &self.layout.messages().console.sale.payment_seconds;
        self.figures
            .payment_seconds
            .map_or_else(|| "–".to_owned(), |seconds| seconds_message.with(format_args!("{seconds:.1}")))
    }

    const fn is_over(&self) -> bool {
        matches!(self.figures.state, SaleState::Closed)
    }

    /// Every state of orders and of the sale with its label, so that the script can show states that come up later.
    fn data(&self) -> String {
        let (messages, units) = (self.layout.messages(), self.figures.units);
        let labels: serde_json::Map<String, serde_json::Value> = OrderState::ALL
            .iter()
            .map(|state| (state.as_str().to_owned(), messages.order.state(state).label.into()))
            .collect();
        let states: serde_json::Map<String, serde_json::Value> = SaleState::ALL
            .iter()
            .map(|state| (state.as_str().to_owned(), json!([messages.sale_state.label(state), state.tone()])))
            .collect();
        script_json(&json!({
            "sale": self.sale,
            "state": self.figures.state.as_str(),
            "states": states,
            "called_total": self.figures.called_total,
            "rate": self.figures.rate_per_minute,
            "units": [units.free, units.held, units.sold],
            "labels": labels,
            "good": messages.console.sale.conservation_good,
            "bad": messages.console.sale.conservation_bad,
            "seconds": messages.console.sale.payment_seconds,
        }))
    }
}
