//! The seller's console: sign in by link, see every sale, make and change one, steer it while it runs.

mod form;
mod mailbox;
mod orders;
mod sign_in;
mod steer;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, Uri};
use stores::database::{reset, sales};
use web::{
    Code, Problem, Shell,
    answer::{self, see_other},
    pages::{
        WayOn,
        console::{ConsoleSaleRow, ConsoleSalesPage, SignIn},
    },
};

use super::{Shop, seller, sellers::authority, store_trouble};

/// How soon the demo's sale opens again.
const DEMO_OPENS_AFTER_SECONDS: i64 = 10;

pub fn routes() -> Router<Shop> {
    Router::new()
        .route("/console", get(home))
        .route("/console/demo/reset", post(reset))
        .merge(form::routes())
        .merge(mailbox::routes())
        .merge(orders::routes())
        .merge(steer::routes())
        .merge(sign_in::routes())
}

/// One request of the console: what it needs to answer with a page.
pub struct Desk<'r> {
    pub shop: &'r Shop,
    pub headers: &'r HeaderMap,
    pub uri: &'r Uri,
}

impl Desk<'_> {
    fn visit(&self) -> answer::Visit<'_> {
        let shop = self.shop;
        answer::Visit { site: &shop.site, headers: self.headers, uri: self.uri, now: shop.database.now() }
    }

    pub fn shell(&self) -> Shell {
        self.visit().shell()
    }

    pub fn page(&self, nonce: &str, status: StatusCode, html: String) -> Response {
        self.visit().page(nonce, status, html).map(axum::body::Body::new)
    }

    /// The page, or the notice of what went wrong. Who is not signed in is led to the sign-in.
    pub fn finish(&self, answered: Result<Response, Problem>) -> Response {
        answered.unwrap_or_else(|problem| match problem.code {
            Code::TokenMissing | Code::TokenInvalid => to("/console"),
            _ => self.visit().notice(&problem, WayOn::Console).map(axum::body::Body::new),
        })
    }
}

/// On to another page.
pub fn to(path: &str) -> Response {
    see_other(path).map(axum::body::Body::new)
}

async fn home(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    if authority(&shop, &headers).await.is_err() {
        return sign_in::sign_in_page(&desk, SignIn::Explained { demo: shop.demo }, StatusCode::OK);
    }
    desk.finish(list(&desk).await)
}

async fn list(desk: &Desk<'_>) -> Result<Response, Problem> {
    let shop = desk.shop;
    let shell = desk.shell();
    let ids = sales::list(&shop.database, 100, None).await.map_err(|fault| store_trouble(&fault))?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(known) = sales::load(&shop.database, &id).await.map_err(|fault| store_trouble(&fault))? else {
            continue;
        };
        let key = known.queue_key();
        // A queue in trouble still has its row; its own page tells of the trouble.
        let waiting = shop.queue.observe(&key, 1).await.map_or(0, |seen| seen.waiting);
        rows.push(ConsoleSaleRow {
            id: id.to_string(),
            name: known.sale.name.in_language(shell.language).to_owned(),
            state: known.state(shop.database.now()),
            opens_at: known.sale.opens_at,
            waiting,
            sold: known.sold(),
            units: known.sale.units(),
        });
    }
    let nonce = shell.nonce.clone();
    let html = ConsoleSalesPage { shell, sales: rows, demo: shop.demo }.render();
    Ok(desk.page(&nonce, StatusCode::OK, html))
}

/// Opens the demo's sale anew, as if nobody had ever been there.
async fn reset(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let answered = async {
        let authority = authority(&shop, &headers).await?;
        if !shop.demo {
            return Err(Code::NotFound.into());
        }
        let act = seller::act(&shop, authority, "reset", "");
        let opens_at = shop.database.now().plus_seconds(DEMO_OPENS_AFTER_SECONDS);
        for sale in sales::list(&shop.database, 100, None).await.map_err(|fault| store_trouble(&fault))? {
            let done = reset::reset(&shop.database, &sale, opens_at, &act).await;
            done.map_err(|fault| store_trouble(&fault))?;
            shop.queue.forget(&sale).await.map_err(|fault| store_trouble(&fault))?;
        }
        Ok(to("/console"))
    };
    desk.finish(answered.await)
}
