//! The figures of a running sale, as the API and the console show them.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use sale::{LiveFigures, SaleId, SaleState, UnitCounts};
use stores::{
    database::{orders, payments, sales::StockedSale},
    queue_store::StockCount,
};
use web::ApiError;

use super::{AppState, access::Seller, extract::Path, load_sale};

/// The sale's figures at this moment.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/live",
    operation_id = "show_live_figures",
    tag = "seller",
    params(("sale" = SaleId, Path)),
    responses((status = 200, description = "The figures", body = LiveFigures))
)]
pub async fn show(
    _: Seller,
    State(app): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<LiveFigures>, ApiError> {
    let stocked = load_sale(&app, &id).await?;
    Ok(Json(read(&app, &stocked).await?))
}

/// Reads the figures: the queue's and the units' from the queue store in one step, the rest from the database.
pub async fn read(app: &AppState, stocked: &StockedSale) -> Result<LiveFigures, ApiError> {
    let observed = app.queue.observe(&stocked.queue_key(), 1).await?;
    let orders = orders::counts(&app.database, &stocked.sale.id).await?;
    let payment_ms = payments::median_ms(&app.database, &stocked.sale.id).await?;
    let of_database = of_database_alone(app, stocked);
    // The gate counts free, held and sold in one step; the database says how many exist. Their sum must agree.
    let units = units(stocked, &observed.stock);
    Ok(LiveFigures {
        waiting: observed.waiting,
        called: observed.called,
        active: observed.active,
        called_total: observed.called_total,
        admitted_total: observed.admitted_total,
        rate_per_minute: if of_database.state == SaleState::Open { stocked.sale.admission.per_minute } else { 0 },
        conservation: units.unaccounted(),
        payment_seconds: payment_ms.map(|ms| f64::from(i32::try_from(ms).unwrap_or(i32::MAX)) / 1_000.0),
        units,
        orders: orders.into_iter().collect(),
        ..of_database
    })
}

/// The figures that come from the database alone; shown while the queue store does not answer.
pub fn of_database_alone(app: &AppState, stocked: &StockedSale) -> LiveFigures {
    LiveFigures {
        state: stocked.state(app.database.now()),
        waiting: 0,
        called: 0,
        active: 0,
        max_active: stocked.sale.admission.max_active,
        called_total: 0,
        admitted_total: 0,
        rate_per_minute: 0,
        units: units(stocked, &stocked.stock),
        orders: BTreeMap::new(),
        conservation: 0,
        payment_seconds: None,
    }
}

fn units(stocked: &StockedSale, stock: &[StockCount]) -> UnitCounts {
    let sum = |count: fn(&StockCount) -> i64| stock.iter().map(count).fold(0, i64::saturating_add);
    UnitCounts {
        total: i64::try_from(stocked.sale.units()).unwrap_or(i64::MAX),
        free: sum(|count| count.free),
        held: sum(|count| count.held),
        sold: sum(|count| count.sold),
    }
}
