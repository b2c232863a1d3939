//! Frame: the public document of a sale, from memory.

use http::{HeaderValue, Response, StatusCode, header};
use sale::{Frame, SaleId};
use web::{Body, Visitor};

use crate::{SERVER_TIME, WaitingRoom, sale_queue::QueueCache};

/// The public document of a sale, by its `ETag` or whole: the same bytes from every process.
#[utoipa::path(
    get,
    path = "/v1/sales/{sale}/frame",
    operation_id = "show_frame",
    tag = "line",
    params(("sale" = SaleId, Path), ("If-None-Match" = Option<String>, Header, description = "the `ETag` of a frame")),
    responses(
        (status = 200, description = "The frame", body = Frame, headers(("ETag" = String, description = "for If-None-Match"))),
        (status = 304, description = "Not changed since If-None-Match")
    )
)]
pub fn frame(app: &WaitingRoom, cache: &QueueCache, visitor: Visitor<'_>) -> Response<Body> {
    let encoded = &cache.snapshot().encoded;
    let if_none_match = visitor.headers.get(header::IF_NONE_MATCH);
    let mut response = if if_none_match.is_some_and(|etag| etag == encoded.etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(encoded.json.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, encoded.etag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("openrun-time, etag"));
    headers.insert(SERVER_TIME, app.server_time());
    response
}
