//! The figures of a running sale, as its seller watches them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{order::OrderState, sale::SaleState};

/// The sale's figures at this moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(examples(json!({
    "state": "open",
    "waiting": 8431,
    "called": 14,
    "active": 186,
    "max_active": 200,
    "called_total": 1204,
    "admitted_total": 1190,
    "rate_per_minute": 600,
    "units": {"total": 1000, "free": 312, "held": 31, "sold": 657},
    "orders": {"pending_payment": 19, "payment_processing": 12, "payment_failed": 44, "paid": 657},
    "conservation": 0,
    "payment_seconds": 1.84,
}))))]
pub struct LiveFigures {
    pub state: SaleState,
    /// In the queue, not called.
    pub waiting: u64,
    /// Called, not yet inside.
    pub called: u64,
    /// Inside.
    pub active: u64,
    /// Called and inside at the same time at most.
    pub max_active: u32,
    /// Calls since the opening.
    pub called_total: u64,
    /// Passes since the opening.
    pub admitted_total: u64,
    /// The rate in force; 0 while nobody is called.
    pub rate_per_minute: u32,
    pub units: UnitCounts,
    /// How many orders are in each state that any is in.
    pub orders: BTreeMap<OrderState, u64>,
    /// total − free − held − sold; anything but 0 is a fault.
    pub conservation: i64,
    /// Median seconds from the request of a payment to the money, of the newest orders; `null` before the first.
    pub payment_seconds: Option<f64>,
}

/// Where the units of a sale are, of all items together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnitCounts {
    pub total: i64,
    pub free: i64,
    pub held: i64,
    pub sold: i64,
}

impl UnitCounts {
    /// Units that are missing from the counts; anything but 0 is a fault.
    pub const fn unaccounted(self) -> i64 {
        self.total.saturating_sub(self.free).saturating_sub(self.held).saturating_sub(self.sold)
    }
}
