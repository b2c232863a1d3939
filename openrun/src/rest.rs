//! Everything that is not the hot path: the router, its description, and its page.

use axum::{
    Json, Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use checkout::http::{self, Shop, asked::refuse};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        security::{Http, HttpAuthScheme, SecurityScheme},
        tag::TagBuilder,
    },
};
use web::Code;

#[derive(OpenApi)]
#[openapi(
    info(title = "Openrun", description = "A waiting room, an admission rate, and a checkout that sells limited stock exactly once.", license(name = "Apache-2.0 OR MIT")),
    modifiers(&Described)
)]
struct Description;

struct Described;

impl Modify for Described {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", bearer);
        openapi.tags = Some(vec![
            TagBuilder::new().name("line").description(Some("The line of a sale")).build(),
            TagBuilder::new().name("sales").description(Some("Sales")).build(),
            TagBuilder::new().name("orders").description(Some("Orders and payments")).build(),
            TagBuilder::new().name("seller").description(Some("The seller's side")).build(),
        ]);
    }
}

/// All routes of the checkout, with their description beside them.
pub fn router(shop: Shop) -> Router {
    let (router, openapi) =
        utoipa_axum::router::OpenApiRouter::with_openapi(Description::openapi()).merge(http::api()).split_for_parts();
    router
        .merge(http::pages())
        .route("/openapi.json", get(move || async move { Json(openapi) }))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(shop.clone(), http::same_origin))
        .with_state(shop)
}

async fn not_found(State(shop): State<Shop>, request: Request) -> Response {
    refuse(&shop, &request, Code::NotFound.into())
}

async fn method_not_allowed(State(shop): State<Shop>, request: Request) -> Response {
    refuse(&shop, &request, Code::MethodNotAllowed.into())
}
