//! `/console`: every sale, and opening the demo's anew.

use axum::response::Response;
use http::StatusCode;
use stores::database::{reset, sales};
use web::{
    ApiError, ErrorCode,
    pages::console::{ConsoleSaleRow, ConsoleSalesPage, SignIn},
    paths,
};

use super::{
    super::{
        access::{Principal, Seller, Write},
        extract::PageRequest,
        pages::redirect,
        seller_api,
    },
    sign_in,
};

/// Sales that the page shows.
const SALES: i64 = 100;
/// How soon the demo's sale opens again.
const DEMO_OPENS_AFTER_SECONDS: i64 = 10;

/// The sales for who is signed in; how to sign in for everybody else.
pub async fn home(principal: Principal, page: PageRequest) -> Result<Response, ApiError> {
    if principal.is_seller() {
        list(&page).await
    } else {
        Ok(sign_in::sign_in_page(&page, SignIn::Explained { demo: page.app.demo }, StatusCode::OK))
    }
}

async fn list(page: &PageRequest) -> Result<Response, ApiError> {
    let app = &page.app;
    let layout = page.layout();
    let ids = sales::list_all(&app.database, SALES).await?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(known) = sales::load(&app.database, &id).await? else { continue };
        let key = known.queue_key();
        // A line in trouble still has its row; its own page says more.
        let waiting = app.queue.observe(&key, 1).await.map_or(0, |seen| seen.waiting);
        rows.push(ConsoleSaleRow {
            id: id.to_string(),
            name: known.sale.name.in_language(layout.language).to_owned(),
            state: known.state(app.database.now()),
            opens_at: known.sale.opens_at,
            waiting,
            sold: known.sold(),
            units: known.sale.units(),
        });
    }
    let nonce = layout.nonce.clone();
    let html = ConsoleSalesPage { layout, sales: rows, demo: app.demo }.render();
    Ok(page.page(&nonce, StatusCode::OK, html))
}

/// Opens the demo's sale anew, as if nobody had ever been there.
pub async fn reset_demo(Write(Seller(caller)): Write<Seller>, page: PageRequest) -> Result<Response, ApiError> {
    let app = &page.app;
    if !app.demo {
        return Err(ErrorCode::NotFound.into());
    }
    let entry = seller_api::audit_entry(app, &caller, "reset", "");
    let opens_at = app.database.now().plus_seconds(DEMO_OPENS_AFTER_SECONDS);
    for sale in sales::list_all(&app.database, SALES).await? {
        reset::reset(&app.database, &sale, opens_at, &entry).await?;
        app.queue.forget(&sale).await?;
    }
    Ok(redirect(&paths::console::home()))
}
