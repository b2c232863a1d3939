//! What a request says, as typed arguments of a handler. Axum's own extractors answer in plain text; these refuse as
//! everything else does.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{
    body::Body,
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request},
    response::Response,
};
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use web::{
    ApiError, ErrorCode, Layout, PageContext, Site, Visitor,
    request::{MAX_BODY_BYTES, trace},
};

use super::AppState;
use crate::sale_input::{AdmissionChanges, NewSale, SaleChanges};

/// A request that came without a listener has nobody at its other end.
const UNKNOWN_PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Whoever sends the request whose head this is.
pub fn visitor<'r>(site: &'r Site, parts: &'r Parts) -> Visitor<'r> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or(UNKNOWN_PEER, |peer| peer.0);
    Visitor::new(site, parts, peer)
}

/// The head of a request, kept while it is answered.
pub struct RequestHead {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: SocketAddr,
}

impl RequestHead {
    pub fn of(visitor: Visitor<'_>) -> Self {
        Self {
            method: visitor.method.clone(),
            uri: visitor.uri.clone(),
            headers: visitor.headers.clone(),
            peer: visitor.peer,
        }
    }

    pub fn visitor<'r>(&'r self, site: &'r Site) -> Visitor<'r> {
        Visitor { site, method: &self.method, uri: &self.uri, headers: &self.headers, peer: self.peer }
    }
}

/// A request for a page.
pub struct PageRequest {
    pub app: AppState,
    head: RequestHead,
}

impl PageRequest {
    pub fn visitor(&self) -> Visitor<'_> {
        self.head.visitor(&self.app.site)
    }

    /// What the page has around its own content.
    pub fn layout(&self) -> Layout {
        self.context().layout()
    }

    /// A page with its headers, rendered with the nonce of its [`Layout`].
    pub fn page(&self, nonce: &str, status: StatusCode, html: String) -> Response {
        self.context().page(nonce, status, html).map(Body::new)
    }

    fn context(&self) -> PageContext<'_> {
        PageContext { visitor: self.visitor(), now: self.app.database.now() }
    }
}

impl FromRequestParts<AppState> for PageRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        Ok(Self { app: app.clone(), head: RequestHead::of(visitor(&app.site, parts)) })
    }
}

/// The ids in a path. A text that cannot be an id is the id of nothing.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        match axum::extract::Path::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(ids)) => Ok(Self(ids)),
            Err(_) => Err(code_of_nothing_at(parts.uri.path()).into()),
        }
    }
}

fn code_of_nothing_at(path: &str) -> ErrorCode {
    match path.strip_prefix("/v1").unwrap_or(path).split('/').nth(1) {
        Some("sales") => ErrorCode::SaleNotFound,
        Some("orders") => ErrorCode::OrderNotFound,
        _ => ErrorCode::NotFound,
    }
}

/// The query of an address.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        match axum::extract::Query::from_request_parts(parts, app).await {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(ApiError::from(ErrorCode::InvalidField).detail(rejection.body_text())),
        }
    }
}

/// The client's name for an action.
pub struct IdempotencyKey(pub String);

impl FromRequestParts<AppState> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        Ok(Self(visitor(&app.site, parts).idempotency_key()?.to_owned()))
    }
}

/// The W3C trace id of the request.
pub struct TraceId(pub String);

impl FromRequestParts<AppState> for TraceId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        Ok(Self(trace::trace_id(&parts.headers)))
    }
}

/// Which versions `If-Match` lets a change replace (RFC 9110, 13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whichever there is.
    Any,
    Versions(Vec<i64>),
}

impl IfMatch {
    fn parse(value: &str) -> Self {
        if value.trim() == "*" {
            return Self::Any;
        }
        // A weak tag, or one that is no version, matches nothing.
        Self::Versions(value.split(',').filter_map(|tag| tag.trim().trim_matches('"').parse().ok()).collect())
    }

    /// Whether a change may replace this version.
    pub fn matches(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}

impl FromRequestParts<AppState> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let value = parts.headers.get(header::IF_MATCH).ok_or(ErrorCode::PreconditionRequired)?;
        Ok(Self::parse(value.to_str().map_err(|_| ErrorCode::PreconditionFailed)?))
    }
}

/// A body that is read from a JSON object, each fault with its pointer.
pub trait FromJson: Sized {
    fn from_json(document: Value) -> Result<Self, ApiError>;
}

impl FromJson for NewSale {
    fn from_json(document: Value) -> Result<Self, ApiError> {
        Self::parse(&document)
    }
}

impl FromJson for SaleChanges {
    fn from_json(document: Value) -> Result<Self, ApiError> {
        match document {
            Value::Object(fields) => Ok(Self::new(fields)),
            _ => Err(ErrorCode::MalformedJson.into()),
        }
    }
}

impl FromJson for AdmissionChanges {
    fn from_json(document: Value) -> Result<Self, ApiError> {
        Self::parse(&document)
    }
}

/// A JSON object as the body: its media type, its size and its form are checked, in this order.
pub struct Json<T>(pub T);

impl<T: FromJson> FromRequest<AppState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, ApiError> {
        read_object(request).await.and_then(T::from_json).map(Self)
    }
}

/// Boxed, so that it is compiled here and not with each handler.
fn read_object(request: Request) -> BoxFuture<'static, Result<Value, ApiError>> {
    read_json(request).boxed()
}

async fn read_json(request: Request) -> Result<Value, ApiError> {
    let media_type = media_type(request.headers());
    if !media_type.eq_ignore_ascii_case("application/json") && !media_type.ends_with("+json") {
        return Err(ErrorCode::UnsupportedMediaType.into());
    }
    let malformed = |detail: String| ApiError::from(ErrorCode::MalformedJson).detail(detail);
    match serde_json::from_slice(&read_body(request).await?) {
        Ok(document @ Value::Object(_)) => Ok(document),
        Ok(_) => Err(malformed("expected an object".to_owned())),
        Err(error) => Err(malformed(error.to_string())),
    }
}

/// What a page's form says.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, ApiError> {
        if !media_type(request.headers()).eq_ignore_ascii_case(FORM) {
            return Err(ErrorCode::UnsupportedMediaType.into());
        }
        let bytes = read_body(request).await?;
        // The decoder would replace what is not UTF-8.
        if percent_decode(&bytes).decode_utf8().is_err() {
            return Err(ErrorCode::MalformedForm.into());
        }
        let mut form = Request::new(Body::from(bytes));
        *form.method_mut() = Method::POST;
        form.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(FORM));
        let form = axum::Form::<T>::from_request(form, &()).await.map_err(|_| ErrorCode::MalformedForm)?;
        Ok(Self(form.0))
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The type of the body, without its parameters.
fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Reads a body of at most [`MAX_BODY_BYTES`] bytes.
async fn read_body(request: Request) -> Result<Bytes, ApiError> {
    match Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ErrorCode::TooLarge.into()),
        Err(_) => Err(ErrorCode::MalformedRequest.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_names_any_version_or_some() {
        let version = 7;
        for (value, matches) in [
            ("*", true),
            ("\"7\"", true),
            ("7", true),
            ("\"6\", \"7\"", true),
            ("\"6\"", false),
            ("W/\"7\"", false),
            ("\"first\"", false),
            ("", false),
        ] {
            assert_eq!(IfMatch::parse(value).matches(version), matches, "{value}");
        }
    }
}
