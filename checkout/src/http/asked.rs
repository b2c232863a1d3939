//! What a request names in its path, its query and its form. Axum's own extractors answer in plain text; these refuse as
//! every other refusal of the site does.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    response::Response,
};
use http::{header, request::Parts};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use web::{Code, Problem, answer::Visit, pages::WayOn};

use super::{Shop, media_type, read_body};

/// The names in a path. A text that cannot be one is the name of nothing.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shop> for Path<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shop: &Shop) -> Result<Self, Response> {
        match axum::extract::Path::from_request_parts(parts, shop).await {
            Ok(axum::extract::Path(names)) => Ok(Self(names)),
            Err(_) => Err(refuse_parts(shop, parts, nothing_there(parts.uri.path()).into())),
        }
    }
}

fn nothing_there(path: &str) -> Code {
    match path.strip_prefix("/v1").unwrap_or(path).split('/').nth(1) {
        Some("sales") => Code::SaleNotFound,
        Some("orders") => Code::OrderNotFound,
        _ => Code::NotFound,
    }
}

/// The query of an address.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shop> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shop: &Shop) -> Result<Self, Response> {
        match axum::extract::Query::from_request_parts(parts, shop).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(fault) => {
                let problem = Problem::from(Code::InvalidField).detail(fault.body_text());
                Err(refuse_parts(shop, parts, problem))
            }
        }
    }
}

/// What a page's form says.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Shop> for Form<T> {
    type Rejection = Response;

    async fn from_request(request: Request, shop: &Shop) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let sent = Request::from_parts(parts.clone(), body);
        read_form(sent).await.map(Self).map_err(|problem| refuse_parts(shop, &parts, problem))
    }
}

async fn read_form<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    if !media_type(request.headers()).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Code::UnsupportedMediaType.into());
    }
    let bytes = read_body(request).await?;
    // What is no text would be taken for another one.
    if percent_decode(&bytes).decode_utf8().is_err() {
        return Err(Code::MalformedForm.into());
    }
    let typed = Request::builder()
        .method(http::Method::POST)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(bytes))
        .map_err(|_| Code::MalformedForm)?;
    let form = axum::Form::<T>::from_request(typed, &()).await.map_err(|_| Code::MalformedForm)?;
    Ok(form.0)
}

/// What did not work, for programs or for people.
pub fn refuse(shop: &Shop, request: &Request, problem: Problem) -> Response {
    let visit = Visit { site: &shop.site, headers: request.headers(), uri: request.uri(), now: shop.database.now() };
    visit.refuse(problem, way_on(request.uri().path())).map(Body::new)
}

fn refuse_parts(shop: &Shop, parts: &Parts, problem: Problem) -> Response {
    let visit = Visit { site: &shop.site, headers: &parts.headers, uri: &parts.uri, now: shop.database.now() };
    visit.refuse(problem, way_on(parts.uri.path())).map(Body::new)
}

fn way_on(path: &str) -> WayOn {
    if path.starts_with("/console") { WayOn::Console } else { WayOn::Sales }
}
