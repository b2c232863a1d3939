//! The orders of a sale, the newest first.

use axum::{Router, extract::State, response::Response, routing::get};
use http::{HeaderMap, StatusCode, Uri};
use stores::database::orders::Order;
use web::pages::console::{ConsoleOrderRow, ConsoleOrdersPage};

use super::{
    super::{
        Shop,
        asked::{Path, Query},
        orders,
        sales::{Cursor, known},
        sellers::authority,
    },
    Desk,
};

pub(super) fn routes() -> Router<Shop> {
    Router::new().route("/console/sales/{sale}/orders", get(list))
}

async fn list(
    State(shop): State<Shop>,
    Path(id): Path<String>,
    Query(cursor): Query<Cursor>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        authority(&shop, &headers).await?;
        let known = known(&shop, &id).await?;
        let (orders, next_cursor) = orders::page(&shop, &id, cursor.cursor.as_deref()).await?;
        let shell = desk.shell();
        let nonce = shell.nonce.clone();
        let name = known.sale.name.in_language(shell.language).to_owned();
        let orders = orders.iter().map(order_row).collect();
        let html = ConsoleOrdersPage { shell, sale: id.clone(), name, orders, next_cursor }.render();
        Ok(desk.page(&nonce, StatusCode::OK, html))
    };
    desk.finish(answered.await)
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
