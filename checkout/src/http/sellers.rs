//! Who may use the seller's calls and the console: bearer tokens, sign-in links, sessions.

use axum::{
    Json,
    extract::{Request, State},
    response::IntoResponse as _,
};
use http::{HeaderMap, StatusCode};
use sale::{
    Keys, Timestamp,
    secret::{blind_index, hash_of, random_secret, seal},
    token::{self, Authority},
};
use serde::Serialize;
use stores::{
    StoreError,
    database::{
        Database,
        sellers::{self, Seller},
    },
    mail::is_address,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use web::{Code, Problem, Site, asking::bearer};

use super::{Answer, Refused, Shop, read_json, store_trouble};

/// How long a sign-in link waits to be opened.
const LINK_SECONDS: i64 = 15 * 60;
/// How long a console stays signed in.
pub const SESSION_SECONDS: i64 = 12 * 3600;

pub fn routes() -> OpenApiRouter<Shop> {
    OpenApiRouter::new().routes(routes!(add))
}

/// Who asks: the bearer of a token, or the session of the console. Writes that a cookie carries have been checked for
/// their origin before they come here.
pub async fn authority(shop: &Shop, headers: &HeaderMap) -> Result<Authority, Problem> {
    let now = shop.database.now();
    if let Some(token) = bearer(headers) {
        return token::verify(&shop.keys.tokens, token, now).ok_or_else(|| Code::TokenInvalid.into());
    }
    let session = shop.site.console(headers).ok_or(Code::TokenMissing)?;
    let seller =
        sellers::of_session(&shop.database, &hash_of(session), now).await.map_err(|fault| store_trouble(&fault))?;
    seller.map(|seller| seller.authority).ok_or_else(|| Code::TokenInvalid.into())
}

/// A one-time link into the console.
#[derive(Debug, Serialize)]
pub struct SignInLink {
    pub sign_in_url: String,
    pub expires_at: Timestamp,
}

/// Adds a seller and makes a link for them.
pub async fn invite(keys: &Keys, database: &Database, site: &Site, email: &str) -> Result<SignInLink, StoreError> {
    let now = database.now();
    let email_hash = blind_index(&keys.sessions, email);
    let sealed = seal(&keys.personal_data, &format!("sellers.email:{email_hash}"), email);
    let seller = Seller { email_hash, authority: Authority::Seller };
    sellers::add(database, &seller, &sealed, now).await?;
    let (secret, hash) = random_secret();
    let expires_at = now.plus_seconds(LINK_SECONDS);
    sellers::add_link(database, &hash, &seller.email_hash, expires_at).await?;
    Ok(SignInLink { sign_in_url: format!("{}/console/sign-in/{secret}", site.origin), expires_at })
}

/// Adds a seller; answers a one-time link into the console.
#[utoipa::path(post, path = "/v1/sellers", tag = "seller", security(("token" = [])),
    responses((status = 201, description = "A one-time sign-in link"), (status = 422, description = "invalid_field")))]
async fn add(State(shop): State<Shop>, request: Request) -> Answer {
    let headers = request.headers().clone();
    let added = async {
        authority(&shop, &headers).await?;
        let document = read_json(request).await?;
        let email = document.get("email").and_then(serde_json::Value::as_str).unwrap_or_default().trim();
        if !is_address(email) {
            return Err(Problem::field(Code::InvalidField, "/email"));
        }
        invite(&shop.keys, &shop.database, &shop.site, email).await.map_err(|fault| store_trouble(&fault))
    };
    let link = added.await.map_err(|problem| Refused::new(problem, &headers))?;
    Ok((StatusCode::CREATED, Json(link)).into_response())
}
