//! The public keys of passes, for anybody who verifies them.

use http::Response;
use utoipa::ToSchema;
use web::Body;

use crate::{WaitingRoom, json_text};

/// A JSON Web Key Set (RFC 7517).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the description of a document that `sale::pass` writes")]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// An Ed25519 public key (RFC 8037).
#[derive(ToSchema)]
#[expect(dead_code, reason = "the description of a document that `sale::pass` writes")]
pub struct Jwk {
    /// `OKP`
    kty: String,
    /// `Ed25519`
    crv: String,
    /// The key in base64url.
    x: String,
    /// The `kid` of a pass's header.
    kid: String,
    /// `sig`
    r#use: String,
    /// `EdDSA`
    alg: String,
}

/// The public keys of passes.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "show_jwks",
    tag = "line",
    responses((status = 200, description = "The keys", body = JwkSet))
)]
pub fn jwks(app: &WaitingRoom) -> Response<Body> {
    json_text(app.passes.jwks().to_owned())
}
