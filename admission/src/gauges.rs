//! The gauges of a sale's admission.

use sale::SaleId;
use stores::queue_store::{Observation, StockCount};

use crate::term::LeaderTerm;

/// Shows whether this process leads the sale.
pub(crate) fn show_lead(sale: &SaleId, leads: bool) {
    metrics::gauge!("openrun_leads", "sale" => sale.to_string()).set(f64::from(leads));
}

/// Shows the state of a sale. Only its leader does; a process that no longer leads keeps its last values, and
/// `openrun_leads` tells them apart.
pub(crate) fn show(term: &LeaderTerm, sale: &SaleId, observed: &Observation) {
    let gauge = |name: &'static str, value: u64| {
        metrics::gauge!(name, "sale" => sale.to_string()).set(u32::try_from(value).unwrap_or(u32::MAX));
    };
    gauge("openrun_waiting", observed.waiting);
    gauge("openrun_called", observed.called);
    gauge("openrun_active", observed.active);
    gauge("openrun_rate_per_minute", term.stocked.sale.admission.per_minute.into());
    gauge("openrun_epoch", u64::try_from(term.stocked.sale.epoch).unwrap_or(0));
    gauge("openrun_term", u64::try_from(term.term).unwrap_or(0));
    let sum = |count: fn(&StockCount) -> i64| observed.stock.iter().map(count).fold(0, i64::saturating_add);
    let (free, held, sold) = (sum(|stock| stock.free), sum(|stock| stock.held), sum(|stock| stock.sold));
    for (state, units) in [("free", free), ("held", held), ("sold", sold)] {
        let units = i32::try_from(units).unwrap_or(i32::MAX);
        metrics::gauge!("openrun_units", "sale" => sale.to_string(), "state" => state).set(units);
    }
}
