//! Fail points: the moments between two stores at which a drill kills or stops a process, to see who repairs what is
//! left behind.
//!
//! Only a build with the feature `failpoints` has them; in any other, [`reached`] is nothing and [`arm`] refuses. A
//! process is armed with one point, by `OPENRUN_FAIL_POINT=point[:nth][:stop]`: the `nth` time it gets there it is
//! killed as by `kill -9`, or stopped as by `SIGSTOP`.

use std::{fmt, str::FromStr};

/// A moment after one store was written and before the next one hears of it; the numbers are those of the table of
/// crash points in ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// 1: the gate took the units, the order is not placed.
    UnitsTaken,
    /// 2: the order is committed, its buyer has no answer.
    OrderCommitted,
    /// 3: events are in the outbox and not on the log.
    EventWritten,
    /// 4: events are on the log and not marked.
    EventPublished,
    /// 5: an attempt is asked for, its provider was not called.
    PaymentWritten,
    /// 6: a charge was confirmed, the provider's answer is not recorded.
    ChargeSent,
    /// 7: the capture is recorded, the stock does not know.
    CaptureRecorded,
    /// 8: order and units moved in the database, the gate does not know.
    StockCommitted,
    /// 9: holds ended in the database, the gate does not know.
    HoldReleased,
    /// 10: events had their effect, the log does not know.
    EffectDone,
    /// 11: the refund was sent, its answer is not recorded.
    RefundSent,
    /// 12: `called_up_to` is raised, nobody is called.
    CalledUpToRaised,
    /// 13: tickets entered in the queue store, their passes have no rows.
    TicketEntered,
    /// 16: the provider has created a charge, its id is not committed.
    ChargeCreated,
    /// 17: the id of a charge is committed, the charge is not confirmed.
    ChargeRecorded,
}

impl Point {
    /// All of them, in the order of the table.
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

    /// Its name in `OPENRUN_FAIL_POINT`.
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
            Self::CalledUpToRaised => "called_up_to_raised",
            Self::TicketEntered => "ticket_entered",
            Self::ChargeCreated => "charge_created",
            Self::ChargeRecorded => "charge_recorded",
        }
    }
}

/// What happens at the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Kill,
    Stop,
}

/// A point, when, and what then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    point: Point,
    nth: u32,
    act: Act,
}

/// Why a process cannot be armed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlan {
    #[error("this program was built without fail points; build it with `--features failpoints`")]
    NotBuiltIn,
    #[error("a fail point is `point[:nth][:stop]`, `nth` from 1, and the points are {names}; `{0}` is none", names = Names)]
    Unknown(String),
    #[error("this process is armed already")]
    Armed,
}

struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Point::ALL.map(Point::as_str).join(", "))
    }
}

impl FromStr for Plan {
    type Err = BadPlan;

    fn from_str(text: &str) -> Result<Self, BadPlan> {
        let unknown = || BadPlan::Unknown(text.to_owned());
        let (rest, act) = text.strip_suffix(":stop").map_or((text, Act::Kill), |rest| (rest, Act::Stop));
        let (name, nth) = rest.split_once(':').unwrap_or((rest, "1"));
        let point = Point::ALL.into_iter().find(|point| point.as_str() == name).ok_or_else(unknown)?;
        let nth = nth.parse().ok().filter(|nth| *nth > 0).ok_or_else(unknown)?;
        Ok(Self { point, nth, act })
    }
}

/// Arms this process, once.
pub fn arm(plan: &str) -> Result<(), BadPlan> {
    armed::arm(plan.parse()?)
}

/// Says that the process is at this point now. One that is armed for it does not come back from here, or stands still
/// until somebody wakes it.
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

    use super::{Act, BadPlan, Plan, Point};

    static ARMED: OnceLock<(Plan, AtomicU32)> = OnceLock::new();

    pub(super) fn arm(plan: Plan) -> Result<(), BadPlan> {
        tracing::warn!("this process is armed: {plan:?}");
        ARMED.set((plan, AtomicU32::new(0))).map_err(|_| BadPlan::Armed)
    }

    pub(super) fn reached(point: Point) {
        let Some((plan, times)) = ARMED.get().filter(|(plan, _)| plan.point == point) else { return };
        if times.fetch_add(1, Ordering::SeqCst).saturating_add(1) != plan.nth {
            return;
        }
        tracing::warn!("fail point {} is reached", point.as_str());
        let signal = match plan.act {
            Act::Kill => Signal::KILL,
            Act::Stop => Signal::STOP,
        };
        if let Err(fault) = kill_process(getpid(), signal) {
            tracing::error!("the fail point could not do its work: {fault}");
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
    fn a_plan_names_a_point_a_time_and_an_act() {
        let plan = |point, nth, act| Ok(Plan { point, nth, act });
        let unknown = |text: &str| Err(BadPlan::Unknown(text.to_owned()));
        let cases = [
            ("units_taken", plan(Point::UnitsTaken, 1, Act::Kill)),
            ("units_taken:stop", plan(Point::UnitsTaken, 1, Act::Stop)),
            ("refund_sent:3", plan(Point::RefundSent, 3, Act::Kill)),
            ("refund_sent:3:stop", plan(Point::RefundSent, 3, Act::Stop)),
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
