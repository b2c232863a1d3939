//! Recording the provider's answers, which move attempts forward.

use std::collections::{BTreeMap, HashMap};

use sale::{Event, EventKind, Money, OrderId, PaymentState, Timestamp, ids::PaymentId, order::Intent};
use serde_json::json;

use super::{
    super::{
        Database, Sql, Tx,
        cases::CaseKind,
        money_moves::{self, MoneyMove, MoveKind},
        outbox, parameters,
        row::row,
    },
    PaymentRow, STEP_TIMEOUT_MS, lock_all,
    relevance::{SetAside, set_aside},
};
use crate::{
    StoreError,
    charge::{Charge, ChargeState},
};

/// The outcome of a call to the provider.
#[derive(Clone, Debug)]
pub enum ChargeOutcome {
    Known(Charge),
    /// The provider was not called: the charge was never confirmed and never will be.
    NeverConfirmed,
    /// No answer in time.
    Silence,
}

/// An answer to record.
#[derive(Clone, Debug)]
pub struct ChargeReport {
    pub id: PaymentId,
    pub order: OrderId,
    pub outcome: ChargeOutcome,
    /// When to poll the attempt again if this is no progress.
    pub poll_at: Timestamp,
}

/// The state of an attempt after an answer was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It has ended; `payment.settled` is appended.
    Ended,
    /// It has moved to this row, and there is a next step.
    Moved(Box<PaymentRow>),
    /// No progress: poll again later.
    Same,
    /// It needs review, and nothing moves automatically any more.
    NeedsReview(CaseKind),
}

/// The change that an answer makes.
struct Change {
    row: PaymentRow,
    /// The state before.
    from: PaymentState,
    /// The charge as the provider described it, if it did.
    charge: Option<Charge>,
    due: Due,
    moved: bool,
}

/// When an attempt is processed next.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// At this time: no worker continues with it now.
    At(Timestamp),
    /// As before, but no later than this: it has moved, and a worker continues with it.
    By(Timestamp),
    /// Unchanged: it had ended before.
    AsItIs,
}

impl Due {
    const fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) | Self::By(at) => Some(at),
            Self::AsItIs => None,
        }
    }
}

/// Records the provider's answers about several attempts in one transaction. Only forward moves count, in whatever order the
/// reports arrive. An authorised attempt gets its intent here, once: capture while its hold is being paid for, void otherwise.
pub async fn record(
    database: &Database,
    reports: &[ChargeReport],
    now: Timestamp,
) -> Result<Vec<Recorded>, StoreError> {
    let mut tx = database.begin().await?;
    let orders: Vec<_> = reports.iter().map(|report| report.order).collect();
    let locked = lock_all(database, &mut tx, &orders).await?;
    let mut rows: HashMap<PaymentId, PaymentRow> = locked.into_iter().map(|row| (row.id, row)).collect();
    let mut changes: BTreeMap<PaymentId, Change> = BTreeMap::new();
    let mut recorded = Vec::with_capacity(reports.len());
    for report in reports {
        let Some(row) = rows.get_mut(&report.id) else {
            recorded.push(Recorded::Same);
            continue;
        };
        if let ChargeOutcome::Known(charge) = &report.outcome
            && let Some(aside) = set_aside(database, &mut tx, (row, charge), now).await?
        {
            recorded.push(match aside {
                SetAside::Ignored => Recorded::Same,
                SetAside::NeedsReview(kind) => {
                    row.needs_review = true;
                    Recorded::NeedsReview(kind)
                }
            });
            continue;
        }
        // Two reports about one attempt are one change.
        let earlier = changes.remove(&row.id);
        let from = earlier.as_ref().map_or(row.state, |change| change.from);
        let (state, last) = forward(row.state, row.last, &report.outcome);
        let moved = (state, last) != (row.state, row.last);
        (row.state, row.last) = (state, last);
        let charge = if let ChargeOutcome::Known(charge) = &report.outcome { Some(charge.clone()) } else { None };
        if let Some(charge) = charge.as_ref().filter(|_| moved && state == PaymentState::Captured) {
            row.captured = charge.captured;
        }
        let moved_by_any = moved || earlier.as_ref().is_some_and(|change| change.moved);
        let due = match state {
            PaymentState::Created | PaymentState::Unknown => Due::At(report.poll_at),
            _ if moved_by_any => Due::By(now.plus_millis(STEP_TIMEOUT_MS)),
            PaymentState::Authorised => Due::At(report.poll_at),
            _ => Due::AsItIs,
        };
        let charge = charge.or_else(|| earlier.and_then(|change| change.charge));
        changes.insert(row.id, Change { row: row.clone(), from, charge, due, moved: moved_by_any });
        recorded.push(match (moved, state.is_open()) {
            (true, false) => Recorded::Ended,
            (true, true) => Recorded::Moved(Box::new(row.clone())),
            (false, _) => Recorded::Same,
        });
    }
    let changes: Vec<_> = changes.into_values().collect();
    let intents = write(database, &mut tx, &changes, now).await?;
    let captured: Vec<_> = changes.iter().filter_map(Change::captured).collect();
    money_moves::append(database, &mut tx, &captured, now).await?;
    let ended = changes.iter().filter(|change| change.moved && !change.row.state.is_open());
    let events: Vec<_> = ended.map(|change| settled_event(&change.row, now)).collect();
    outbox::append(database, &mut tx, &events).await?;
    database.commit(tx).await?;
    for outcome in &mut recorded {
        if let Recorded::Moved(row) = outcome {
            row.intent = intents.get(&row.id).copied().or(row.intent);
        }
    }
    Ok(recorded)
}

fn settled_event(payment: &PaymentRow, now: Timestamp) -> Event {
    metrics::counter!("openrun_payments_total", "state" => payment.state.as_str()).increment(1);
    let nth = payment.attempt.saturating_mul(16).saturating_add(payment.state as u32);
    Event::about(EventKind::PaymentSettled, &payment.sale, payment.order, now, nth)
}

/// Writes the changes and returns the current intents.
async fn write(
    database: &Database,
    tx: &mut Tx,
    changes: &[Change],
    now: Timestamp,
) -> Result<HashMap<PaymentId, Intent>, StoreError> {
    const WRITE: Sql = Sql {
        postgres: "UPDATE payments SET state = r.state, last = r.last, captured_amount = r.captured, \
                     due_at = CASE WHEN r.soon = 1 THEN least(payments.due_at, r.due_at) \
                       ELSE coalesce(r.due_at, payments.due_at) END, \
                     authorised_until = coalesce(r.authorised_until, payments.authorised_until), \
                     failure = coalesce(r.failure, payments.failure), \
                     next_action = CASE WHEN r.is_known = 1 THEN r.next_action ELSE payments.next_action END, \
                     changed_at = CASE WHEN r.moved = 1 THEN $2 ELSE changed_at END, \
                     intent = CASE WHEN intent IS NULL AND r.state = 'authorised' THEN \
                       CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.order_id = r.order_id AND (h.state = 'paying') IS TRUE) \
                       THEN 'capture' ELSE 'void' END ELSE intent END \
                   FROM json_to_recordset($1::json) AS r(id text, order_id text, was text, state text, last bigint, \
                     captured bigint, due_at bigint, authorised_until bigint, failure text, \
                     next_action text, is_known bigint, moved bigint, soon bigint) \
                   WHERE payments.id = r.id AND payments.state = r.was RETURNING payments.id, payments.intent",
        sqlite: "UPDATE payments SET state = r.value ->> 'state', last = r.value ->> 'last', \
                   captured_amount = r.value ->> 'captured', \
                   due_at = CASE WHEN r.value ->> 'soon' = 1 \
                     THEN min(coalesce(payments.due_at, r.value ->> 'due_at'), r.value ->> 'due_at') \
                     ELSE coalesce(r.value ->> 'due_at', payments.due_at) END, \
                   authorised_until = coalesce(r.value ->> 'authorised_until', payments.authorised_until), \
                   failure = coalesce(r.value ->> 'failure', payments.failure), \
                   next_action = CASE WHEN r.value ->> 'is_known' = 1 THEN r.value ->> 'next_action' \
                     ELSE payments.next_action END, \
                   changed_at = CASE WHEN r.value ->> 'moved' = 1 THEN $2 ELSE changed_at END, \
                   intent = CASE WHEN intent IS NULL AND r.value ->> 'state' = 'authorised' THEN \
                     CASE WHEN EXISTS (SELECT 1 FROM holds h WHERE h.order_id = r.value ->> 'order_id' AND (h.state = 'paying') IS TRUE) \
                     THEN 'capture' ELSE 'void' END ELSE intent END \
                 FROM json_each($1) AS r WHERE payments.id = r.value ->> 'id' AND payments.state = r.value ->> 'was' \
                 RETURNING id, intent",
    };
    if changes.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<_> = changes.iter().map(Change::columns).collect();
    let written: Vec<Written> = sqlx::query_as(database.sql(WRITE))
        .bind(parameters::rows(&rows))
        .bind(now.as_millis())
        .fetch_all(&mut **tx)
        .await?;
    if written.len() != changes.len() {
        return Err(StoreError::unexpected("database", "a locked payment has left its state"));
    }
    let mut intents = HashMap::new();
    for row in written {
        if let Some(intent) = row.intent.as_deref().and_then(Intent::parse) {
            intents.insert(row.id, intent);
        }
    }
    Ok(intents)
}

row! {
    struct Written {
        id: PaymentId,
        intent: Option<String>,
    }
}

impl Change {
    /// The money that was captured with this change.
    fn captured(&self) -> Option<MoneyMove> {
        let row = &self.row;
        (row.state == PaymentState::Captured && self.from != PaymentState::Captured).then(|| MoneyMove {
            purchase: row.order,
            payment: row.id,
            refund: None,
            kind: MoveKind::Captured,
            money: Money { amount: row.captured, ..row.money },
            cause: "payment".to_owned(),
        })
    }

    fn columns(&self) -> serde_json::Value {
        let charge = self.charge.as_ref();
        let next_action = charge.and_then(|charge| match &charge.state {
            ChargeState::RequiresAction { url } => Some(url),
            _ => None,
        });
        json!({
            "id": self.row.id.to_string(), "order_id": self.row.order,
            "was": self.from.as_str(), "state": self.row.state.as_str(), "last": i64::from(self.row.last),
            "captured": self.row.captured, "due_at": self.due.at().map(Timestamp::as_millis),
            "authorised_until": charge.and_then(|charge| charge.authorised_until).map(Timestamp::as_millis),
            "failure": charge.and_then(|charge| charge.failure.as_ref()), "next_action": next_action,
            "is_known": i64::from(charge.is_some()), "moved": i64::from(self.moved),
            "soon": i64::from(matches!(self.due, Due::By(_))),
        })
    }
}

/// The state after an answer. A capture counts in any state before; everything else moves only an open attempt.
fn forward(state: PaymentState, last: bool, outcome: &ChargeOutcome) -> (PaymentState, bool) {
    let has_money = matches!(state, PaymentState::Captured | PaymentState::RefundPending | PaymentState::Refunded);
    let charge = match outcome {
        ChargeOutcome::Known(charge) => &charge.state,
        ChargeOutcome::NeverConfirmed => &ChargeState::Voided,
        ChargeOutcome::Silence if state == PaymentState::Created => return (PaymentState::Unknown, last),
        ChargeOutcome::Silence => return (state, last),
    };
    match charge {
        _ if has_money => (state, last),
        ChargeState::Captured => (PaymentState::Captured, last),
        _ if !state.is_open() => (state, last),
        ChargeState::Created | ChargeState::RequiresAction { .. } | ChargeState::Pending => {
            let known = if state == PaymentState::Unknown { PaymentState::Created } else { state };
            (known, last)
        }
        ChargeState::Authorised => (PaymentState::Authorised, last),
        ChargeState::Declined { last } => (PaymentState::Declined, *last),
        ChargeState::Voided => (PaymentState::Voided, last),
    }
}

#[cfg(test)]
mod tests {
    use sale::Currency;

    use super::*;

    fn charge(state: ChargeState) -> Charge {
        Charge {
            key: None,
            provider_id: String::new(),
            money: Money { amount: 1, currency: Currency::parse("KRW").unwrap() },
            state,
            captured: 0,
            refunded: 0,
            authorised_until: None,
            failure: None,
        }
    }

    #[test]
    fn answers_only_move_an_attempt_forward() {
        use ChargeState as C;
        use PaymentState as P;
        let rows = [
            (P::Created, C::Created, P::Created),
            (P::Created, C::Pending, P::Created),
            (P::Unknown, C::RequiresAction { url: String::new() }, P::Created),
            (P::Authorised, C::Created, P::Authorised),
            (P::Created, C::Authorised, P::Authorised),
            (P::Created, C::Captured, P::Captured),
            (P::Created, C::Declined { last: true }, P::Declined),
            (P::Created, C::Voided, P::Voided),
            (P::Unknown, C::Pending, P::Created),
            (P::Unknown, C::Authorised, P::Authorised),
            (P::Authorised, C::Pending, P::Authorised),
            (P::Authorised, C::Voided, P::Voided),
            (P::Captured, C::Authorised, P::Captured),
            (P::Captured, C::Voided, P::Captured),
            (P::Voided, C::Authorised, P::Voided),
            (P::Voided, C::Captured, P::Captured),
            (P::Declined, C::Captured, P::Captured),
            (P::Declined, C::Voided, P::Declined),
            (P::Refunded, C::Captured, P::Refunded),
            (P::RefundPending, C::Captured, P::RefundPending),
        ];
        for (before, answered, after) in rows {
            let answer = ChargeOutcome::Known(charge(answered.clone()));
            assert_eq!(forward(before, false, &answer).0, after, "{before:?} answered {answered:?}");
        }
        assert_eq!(forward(P::Created, false, &ChargeOutcome::Silence).0, P::Unknown);
        assert_eq!(forward(P::Authorised, false, &ChargeOutcome::Silence).0, P::Authorised);
        assert_eq!(forward(P::Unknown, false, &ChargeOutcome::NeverConfirmed).0, P::Voided);
    }
}
