//! `/`: the list of sales.

use axum::response::Response;
use http::StatusCode;
use sale::{Language, Timestamp};
use stores::database::sales::{self, StockedSale};
use web::{
    ApiError,
    pages::{Demo, ItemCard, SaleRow, SalesPage},
    paths,
};

use super::super::{access::Anyone, extract::PageRequest};

/// Sales that the page shows.
const SALES: i64 = 50;

pub async fn list(_: Anyone, page: PageRequest) -> Result<Response, ApiError> {
    let app = &page.app;
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    let ids = sales::list(&app.database, SALES, None).await?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(known) = sales::load(&app.database, &id).await? {
            rows.push(row(&known, layout.language, app.database.now()));
        }
    }
    let demo = app.demo.then(|| Demo { console_url: paths::console::home() });
    Ok(page.page(&nonce, StatusCode::OK, SalesPage { layout, sales: rows, demo }.render()))
}

fn row(known: &StockedSale, language: Language, now: Timestamp) -> SaleRow {
    let items = known.sale.items.iter().zip(&known.stock).map(|(item, count)| ItemCard {
        name: item.name.in_language(language).to_owned(),
        price: item.price,
        units: item.units.into(),
        left: u64::try_from(count.free).unwrap_or(0),
    });
    SaleRow {
        id: known.sale.id.to_string(),
        name: known.sale.name.in_language(language).to_owned(),
        state: known.state(now),
        opens_at: known.sale.opens_at,
        items: items.collect(),
    }
}
