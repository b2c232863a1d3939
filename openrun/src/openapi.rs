//! The description of the API, from the handlers themselves.

use std::sync::LazyLock;

use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi, OpenApiBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
        tag::TagBuilder,
    },
};

use crate::router;

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Openrun",
    description = "A waiting room, an admission rate, and a checkout that sells limited stock exactly once.",
    license(name = "Apache-2.0 OR MIT")
))]
struct Description;

/// The document, made once.
pub fn document() -> &'static OpenApi {
    static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(describe);
    &DOCUMENT
}

/// Adds what the front door answers, who may ask, and what the tags mean.
fn describe() -> OpenApi {
    let mut openapi = Description::openapi();
    openapi.merge(waiting_room::Description::openapi());
    for (schemas, paths) in router::operations() {
        openapi.components.get_or_insert_default().schemas.extend(schemas);
        openapi.merge(OpenApiBuilder::new().paths(paths).build());
    }
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
