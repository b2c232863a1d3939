//! Signing in by a one-time link, and out.

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use sale::secret::{hash_of, random_secret};
use stores::database::sellers;
use web::pages::console::{SignIn, SignInPage};

use super::{
    super::{Shop, asked::Path, sellers::SESSION_SECONDS, store_trouble},
    Desk, to,
};

pub(super) fn routes() -> Router<Shop> {
    Router::new()
        .route("/console/sign-in/{secret}", get(confirm).post(sign_in))
        .route("/console/sign-out", post(sign_out))
}

/// The page that tells how to sign in, or asks to.
pub(super) fn sign_in_page(desk: &Desk<'_>, state: SignIn, status: StatusCode) -> Response {
    let shell = desk.shell();
    let nonce = shell.nonce.clone();
    desk.page(&nonce, status, SignInPage { shell, state }.render())
}

/// A link is only looked at when it is opened: mail programs open links too. The button uses it.
async fn confirm(State(shop): State<Shop>, Path(secret): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    match sellers::is_link_good(&shop.database, &hash_of(&secret), shop.database.now()).await {
        Ok(true) => sign_in_page(&desk, SignIn::Confirm { token: secret }, StatusCode::OK),
        Ok(false) => sign_in_page(&desk, SignIn::Refused, StatusCode::GONE),
        Err(fault) => desk.finish(Err(store_trouble(&fault))),
    }
}

async fn sign_in(State(shop): State<Shop>, Path(link): Path<String>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let now = shop.database.now();
    let (secret, hash) = random_secret();
    let until = now.plus_seconds(SESSION_SECONDS);
    match sellers::sign_in(&shop.database, &hash_of(&link), &hash, now, until).await {
        Ok(true) => with_cookie(to("/console"), shop.site.set_console(&secret, SESSION_SECONDS)),
        Ok(false) => sign_in_page(&desk, SignIn::Refused, StatusCode::GONE),
        Err(fault) => desk.finish(Err(store_trouble(&fault))),
    }
}

async fn sign_out(State(shop): State<Shop>, headers: HeaderMap, uri: Uri) -> Response {
    let desk = Desk { shop: &shop, headers: &headers, uri: &uri };
    let signed_out = async {
        if let Some(session) = shop.site.console(&headers) {
            sellers::sign_out(&shop.database, &hash_of(session)).await.map_err(|fault| store_trouble(&fault))?;
        }
        Ok(with_cookie(to("/console"), shop.site.set_console("", 0)))
    };
    desk.finish(signed_out.await)
}

fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
