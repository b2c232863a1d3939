//! Fail points: moments between the writes to two stores at which a drill kills or stops a process, to check that the others
//! repair what it left; and moments at which a test lets a task panic, to check that nothing else ends with it.
//!
//! Only a build with the feature `failpoints` has them; in other builds [`reached`] does nothing and [`arm`] fails. A process
//! is armed with one point, by `OPENRUN_FAIL_POINT=point[:nth][:stop|:panic]`: the `nth` time it reaches the point it is
//! killed with `SIGKILL`, or stopped with `SIGSTOP`, or the task panics.

use std::{fmt, str::FromStr};

/// A moment after one store was written and before the next one is. The numbers are those of the crash points in
/// ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// 1: the gate has reserved the units, the order is not placed.
    UnitsTaken,
    /// 2: the order is committed, its buyer has no response.
    OrderCommitted,
    /// 3: events are in the outbox, not on the log.
    EventWritten,
    /// 4: events are on the log, not marked as published.
    EventPublished,
    /// 5: an attempt to pay is committed, the provider was not called.
    PaymentWritten,
    /// 6: a charge was confirmed, the answer is not recorded.
    ChargeSent,
    /// 7: the capture is recorded, the order is not settled.
    CaptureRecorded,
    /// 8: order and units are moved in the database, the gate is not synced.
    StockCommitted,
    /// 9: holds ended in the database, the gate is not synced.
    HoldReleased,
    /// 10: events were handled, the log has no acknowledgement.
    EffectDone,
    /// 11: the refund was sent, its answer is not recorded.
    RefundSent,
    /// 12: `called_up_to` is raised, the tickets are not called.
    CalledUpToRaised,
    /// 13: tickets were admitted in the queue store, their passes are not committed.
    TicketEntered,
    /// 16: the provider has created a charge, its id is not committed.
    ChargeCreated,
    /// 17: the id of a charge is committed, the charge is not confirmed.
    ChargeRecorded,
    /// No crash point: the handler of a request has begun, and nothing was written.
    HandlerBegun,
}

impl Point {
    /// All crash points, by number.
    pub const ALL: [Self; 15] = [
        Self::UnitsTaken,
        Self::OrderCommitted,
        Self::EventWritten,
        Self::EventPublished,
        Self::PaymentWritten,
        Self::ChargeSent,
        Self::CaptureRecorded,
        Self::StockCommitted,
        Self::HoldReleased,
        Self::EffectDone,
        Self::RefundSent,
        Self::CalledUpToRaised,
        Self::TicketEntered,
        Self::ChargeCreated,
        Self::ChargeRecorded,
    ];

    /// The name in `OPENRUN_FAIL_POINT`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnitsTaken => "units_taken",
            Self::OrderCommitted => "order_committed",
            Self::EventWritten => "event_written",
            Self::EventPublished => "event_published",
            Self::PaymentWritten => "payment_written",
            Self::ChargeSent => "charge_sent",
            Self::CaptureRecorded => "capture_recorded",
            Self::StockCommitted => "stock_committed",
            Self::HoldReleased => "hold_released",
            Self::EffectDone => "effect_done",
            Self::RefundSent => "refund_sent",
            Self::CalledUpToRaised => "cursor_raised",
            Self::TicketEntered => "ticket_entered",
            Self::ChargeCreated => "charge_created",
            Self::ChargeRecorded => "charge_recorded",
            Self::HandlerBegun => "handler_begun",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::HandlerBegun]).find(|point| point.as_str() == name)
    }
}

/// How the process fails, or the task alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Stop,
    Panic,
}

/// Which point, the how-many-th time, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    point: Point,
    nth: u32,
    action: Action,
}

/// Why a process cannot be armed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    #[error("this binary has no fail points; build it with `--features failpoints`")]
    NotBuiltIn,
    #[error("`{0}` is not a fail point: use `point[:nth][:stop|:panic]` with nth from 1; the points are {names}", names = Names)]
    Unknown(String),
    #[error("a fail point is armed already")]
    Armed,
}

struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", Point::ALL.map(Point::as_str).join(", "), Point::HandlerBegun.as_str())
    }
}

impl FromStr for Plan {
    type Err = BadPlan;

    fn from_str(text: &str) -> Result<Self, BadPlan> {
        let unknown = || BadPlan::Unknown(text.to_owned());
        let other = [(":stop", Action::Stop), (":panic", Action::Panic)].into_iter().find_map(|(suffix, action)| {
            let rest = text.strip_suffix(suffix)?;
            Some((rest, action))
        });
        let (rest, action) = other.unwrap_or((text, Action::Kill));
        let (name, nth) = rest.split_once(':').unwrap_or((rest, "1"));
        let point = Point::parse(name).ok_or_else(unknown)?;
        let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or_else(unknown)?;
        Ok(Self { point, nth, action })
    }
}

/// Arms this process. It can be armed once.
pub fn arm(plan: &str) -> Result<(), BadPlan> {
    armed::arm(plan.parse()?)
}

/// Marks that the process is at this point. If it is armed for the point, this does not return, or not before `SIGCONT`.
///
/// # Panics
/// If it is armed so.
#[inline]
pub fn reached(point: Point) {
    armed::reached(point);
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    };

    use rustix::process::{Signal, getpid, kill_process};

    use super::{Action, BadPlan, Plan, Point};

    static ARMED: OnceLock<(Plan, AtomicU32)> = OnceLock::new();

    pub(super) fn arm(plan: Plan) -> Result<(), BadPlan> {
        tracing::warn!("a fail point is armed: {plan:?}");
        ARMED.set((plan, AtomicU32::new(0))).map_err(|_| BadPlan::Armed)
    }

    #[expect(clippy::panic, reason = "what a test has armed it for")]
    pub(super) fn reached(point: Point) {
        let Some((plan, times)) = ARMED.get().filter(|(plan, _)| plan.point == point) else { return };
        if times.fetch_add(1, Ordering::SeqCst).saturating_add(1) != plan.nth {
            return;
        }
        tracing::warn!("reached fail point {}", point.as_str());
        let signal = match plan.action {
            Action::Kill => Signal::KILL,
            Action::Stop => Signal::STOP,
            Action::Panic => panic!("the fail point {}", point.as_str()),
        };
        if let Err(error) = kill_process(getpid(), signal) {
            tracing::error!("cannot send the signal of the fail point: {error}");
        }
    }
}

#[cfg(not(feature = "failpoints"))]
mod armed {
    use super::{BadPlan, Plan, Point};

    pub(super) const fn arm(_plan: Plan) -> Result<(), BadPlan> {
        Err(BadPlan::NotBuiltIn)
    }

    #[inline]
    pub(super) const fn reached(_point: Point) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_a_point_a_count_and_an_action() {
        let plan = |point, nth, action| Ok(Plan { point, nth, action });
        let unknown = |text: &str| Err(BadPlan::Unknown(text.to_owned()));
        let cases = [
            ("units_taken", plan(Point::UnitsTaken, 1, Action::Kill)),
            ("units_taken:stop", plan(Point::UnitsTaken, 1, Action::Stop)),
            ("refund_sent:3", plan(Point::RefundSent, 3, Action::Kill)),
            ("refund_sent:3:stop", plan(Point::RefundSent, 3, Action::Stop)),
            ("handler_begun:2:panic", plan(Point::HandlerBegun, 2, Action::Panic)),
            ("handler_begun:panic:2", unknown("handler_begun:panic:2")),
            ("refund_sent:0", unknown("refund_sent:0")),
            ("refund_sent:now", unknown("refund_sent:now")),
            ("", unknown("")),
            ("nowhere", unknown("nowhere")),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn every_point_has_its_name() {
        for point in Point::ALL {
            assert_eq!(point.as_str().parse::<Plan>().map(|plan| plan.point), Ok(point));
        }
    }
}
