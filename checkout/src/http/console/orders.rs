//! The orders of a sale, the newest first.

use axum::response::Response;
use http::StatusCode;
use stores::database::orders::Order;
use web::{
    ApiError,
    pages::console::{ConsoleOrderRow, ConsoleOrdersPage},
};

use super::super::{
    access::Seller,
    extract::{PageRequest, Path, Query},
    load_sale, orders,
    paging::Cursor,
};

pub async fn list(
    _: Seller,
    page: PageRequest,
    Path(id): Path<String>,
    Query(query): Query<Cursor>,
) -> Result<Response, ApiError> {
    let stocked = load_sale(&page.app, &id).await?;
    let (orders, next_cursor) = orders::page(&page.app, &id, &query).await?;
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    let name = stocked.sale.name.in_language(layout.language).to_owned();
    let orders = orders.iter().map(order_row).collect();
    let html = ConsoleOrdersPage { layout, sale: id, name, orders, next_cursor }.render();
    Ok(page.page(&nonce, StatusCode::OK, html))
}

fn order_row(order: &Order) -> ConsoleOrderRow {
    ConsoleOrderRow {
        id: order.id.to_string(),
        state: order.state,
        units: order.lines.iter().map(|line| u64::from(line.quantity)).sum(),
        total: order.total,
        placed_at: order.created_at,
    }
}
