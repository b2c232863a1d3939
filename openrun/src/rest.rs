//! Everything that is not the hot path: the router, its description, and its page.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::{any, get},
};
use checkout::http::{self, Shop, asked::refuse};
use hyper::StatusCode;
use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi,
        security::{Http, HttpAuthScheme, SecurityScheme},
        tag::TagBuilder,
    },
};
use web::{Code, answer::Visit, pages::DocsPage};

use crate::access;

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Openrun",
    description = "A waiting room, an admission rate, and a checkout that sells limited stock exactly once.",
    license(name = "Apache-2.0 OR MIT")
))]
struct Description;

/// All routes of the checkout, with the description of the whole API beside them.
pub fn router(shop: Shop) -> Router {
    let (router, openapi) =
        utoipa_axum::router::OpenApiRouter::with_openapi(Description::openapi()).merge(http::api()).split_for_parts();
    let openapi = Arc::new(describe(openapi));
    let page = Arc::new(serde_json::to_value(&*openapi).unwrap_or_default());
    let document = move || async move { Json(openapi) };
    let (site, database) = (Arc::clone(&shop.site), shop.database.clone());
    let docs = move |request: Request| async move {
        let (headers, uri) = (request.headers(), request.uri());
        let visit = Visit { site: &site, headers, uri, now: database.now() };
        let shell = visit.shell();
        let nonce = shell.nonce.clone();
        visit.page(&nonce, StatusCode::OK, DocsPage::of(shell, &page).render()).map(axum::body::Body::new)
    };
    router
        .merge(http::pages())
        .route("/openapi.json", get(document))
        .route("/docs", get(docs))
        .route("/gate/check", any(not_supported))
        .route("/v1/passes/self", any(not_supported))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(shop.clone(), http::same_origin))
        .layer(from_fn(access::tell))
        .with_state(shop)
}

/// Adds what the front door answers, who may ask, and what the tags mean.
fn describe(mut openapi: OpenApi) -> OpenApi {
    openapi.merge(waiting_room::Description::openapi());
    let components = openapi.components.get_or_insert_default();
    for name in ["token", "ticket", "pass"] {
        components.add_security_scheme(name, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
    let tags = [
        ("line", "The line of a sale"),
        ("sales", "Sales"),
        ("orders", "Orders and payments"),
        ("seller", "The seller's side"),
    ];
    let tags = tags.map(|(name, words)| TagBuilder::new().name(name).description(Some(words)).build());
    openapi.tags = Some(tags.into());
    openapi
}

/// What the contract names for later is refused in a sentence, never taken for a mistake of the caller.
async fn not_supported(State(shop): State<Shop>, request: Request) -> Response {
    refuse(&shop, &request, Code::NotSupported.into())
}

async fn not_found(State(shop): State<Shop>, request: Request) -> Response {
    refuse(&shop, &request, Code::NotFound.into())
}

async fn method_not_allowed(State(shop): State<Shop>, request: Request) -> Response {
    refuse(&shop, &request, Code::MethodNotAllowed.into())
}
