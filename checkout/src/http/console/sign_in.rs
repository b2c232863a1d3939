//! Signing in by a one-time link, and out.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use sale::secret::{hash_of, random_secret};
use stores::database::sellers;
use web::{
    ApiError,
    pages::console::{SignIn, SignInPage},
    paths,
};

use super::super::{
    access::{Anyone, Write},
    extract::{PageRequest, Path},
    pages::redirect,
    seller_auth::SESSION_SECONDS,
};

/// The page that says how to sign in, or signs in.
pub(super) fn sign_in_page(page: &PageRequest, state: SignIn, status: StatusCode) -> Response {
    let layout = page.layout();
    let nonce = layout.nonce.clone();
    page.page(&nonce, status, SignInPage { layout, state }.render())
}

/// A link is only looked at when it is opened: mail programs open links too. The button uses it.
pub async fn confirm(_: Anyone, page: PageRequest, Path(secret): Path<String>) -> Result<Response, ApiError> {
    let (database, now) = (&page.app.database, page.app.database.now());
    Ok(if sellers::is_link_valid(database, &hash_of(&secret), now).await? {
        sign_in_page(&page, SignIn::Confirm { token: secret }, StatusCode::OK)
    } else {
        sign_in_page(&page, SignIn::Refused, StatusCode::GONE)
    })
}

pub async fn sign_in(_: Write<Anyone>, page: PageRequest, Path(link): Path<String>) -> Result<Response, ApiError> {
    let (database, now) = (&page.app.database, page.app.database.now());
    let (secret, hash) = random_secret();
    let until = now.plus_seconds(SESSION_SECONDS);
    Ok(if sellers::sign_in(database, &hash_of(&link), &hash, now, until).await? {
        to_console_with(page.app.site.set_console(&secret, SESSION_SECONDS))
    } else {
        sign_in_page(&page, SignIn::Refused, StatusCode::GONE)
    })
}

pub async fn sign_out(_: Write<Anyone>, page: PageRequest) -> Result<Response, ApiError> {
    if let Some(session) = page.visitor().console_cookie() {
        sellers::sign_out(&page.app.database, &hash_of(session)).await?;
    }
    Ok(to_console_with(page.app.site.set_console("", 0)))
}

fn to_console_with(cookie: HeaderValue) -> Response {
    let mut response = redirect(&paths::console::home());
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}
