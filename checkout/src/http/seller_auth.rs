//! Sellers and their way into the console: one-time links.

use axum::{Json as JsonAnswer, extract::State};
use http::StatusCode;
use sale::{
    Keys, Timestamp,
    secret::{blind_index, random_secret, seal},
    token::Authority,
};
use serde::Serialize;
use serde_json::Value;
use stores::{
    StoreError,
    database::{
        Database,
        sellers::{self, Seller as SellerRow},
    },
    mail::is_address,
};
use utoipa::ToSchema;
use web::{ApiError, ErrorCode, Site, paths};

use super::{
    AppState,
    access::{Operator, Write},
    extract::{FromJson, Json},
};

/// How long a sign-in link waits to be opened.
const LINK_SECONDS: i64 = 15 * 60;
/// How long a console stays signed in.
pub const SESSION_SECONDS: i64 = 12 * 3600;

/// A one-time link into the console.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "sign_in_url": "https://line.example.com/console/sign-in/b4Qk3nWm0yT6cV9rL2sXeg",
    "expires_at": "2026-11-21T09:15:00.000Z",
})))]
pub struct SignInLink {
    pub sign_in_url: String,
    pub expires_at: Timestamp,
}

/// Adds a seller and makes a link for them.
pub async fn invite(keys: &Keys, database: &Database, site: &Site, email: &str) -> Result<SignInLink, StoreError> {
    let now = database.now();
    let email_hash = blind_index(&keys.sessions, email);
    let sealed = seal(&keys.personal_data, &format!("sellers.email:{email_hash}"), email);
    let seller = SellerRow { email_hash, authority: Authority::Seller };
    sellers::add(database, &seller, &sealed, now).await?;
    let (secret, hash) = random_secret();
    let expires_at = now.plus_seconds(LINK_SECONDS);
    sellers::add_link(database, &hash, &seller.email_hash, expires_at).await?;
    Ok(SignInLink { sign_in_url: format!("{}{}", site.origin, paths::console::sign_in(secret)), expires_at })
}

/// The body of `POST /v1/sellers`.
#[derive(ToSchema)]
#[schema(examples(json!({"email": "seller@example.com"})))]
pub struct SellerBody {
    pub email: String,
}

impl FromJson for SellerBody {
    fn from_json(document: Value) -> Result<Self, ApiError> {
        let email = document.get("email").and_then(Value::as_str).unwrap_or_default().trim();
        if !is_address(email) {
            return Err(ApiError::field(ErrorCode::InvalidField, "/email"));
        }
        Ok(Self { email: email.to_owned() })
    }
}

/// Adds a seller; answers a one-time link into the console.
#[utoipa::path(
    post,
    path = "/v1/sellers",
    operation_id = "add_seller",
    tag = "seller",
    responses(
        (status = 201, description = "A one-time sign-in link", body = SignInLink),
        (status = 422, description = "invalid_field")
    )
)]
pub async fn add(
    _: Write<Operator>,
    State(app): State<AppState>,
    Json(body): Json<SellerBody>,
) -> Result<(StatusCode, JsonAnswer<SignInLink>), ApiError> {
    let link = invite(&app.keys, &app.database, &app.site, &body.email).await?;
    Ok((StatusCode::CREATED, JsonAnswer(link)))
}
