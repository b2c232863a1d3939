//! The pass: a JWT (`EdDSA`) that admits one buyer to one sale's checkout, once.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, OctetKeyPairParameters,
        OctetKeyPairType, PublicKeyUse,
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    eddsa,
    ids::{BuyerId, PassId, SaleId},
    keys::{Key, Keys},
};

/// The `typ` of a pass, so that no other token of the installation is accepted as one.
pub const PASS_TYPE: &str = "openrun-pass+jwt";
/// More than the bytes of any pass; longer texts are refused.
const MAX_TEXT_BYTES: usize = 2_000;

/// What a pass contains, and its row in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub id: PassId,
    pub sale: SaleId,
    pub buyer: BuyerId,
    pub number: u64,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether it is valid only together with the session cookie of its buyer.
    pub bound: bool,
}

/// The claims of the JWT.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PassClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub ticket: String,
    pub jti: String,
    pub iat: i64,
    pub nbf: i64,
    pub exp: i64,
    #[serde(default)]
    pub bound: bool,
}

/// Why a pass is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPass {
    /// Forged, altered, not a pass, or signed with an unknown key.
    Invalid,
    Expired,
}

/// Signs and verifies the passes of one installation.
pub struct PassIssuer {
    issuer: String,
    kid: String,
    signing: EncodingKey,
    verifying: Vec<(String, DecodingKey)>,
    jwks: String,
}

/// The public half of a key, as published (RFC 8037).
fn jwk(key: &Key) -> Jwk {
    let public = SigningKey::from_bytes(key.secret.as_bytes()).verifying_key();
    Jwk {
        common: CommonParameters {
            key_id: Some(kid(key)),
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(KeyAlgorithm::EdDSA),
            ..CommonParameters::default()
        },
        algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            key_type: OctetKeyPairType::OctetKeyPair,
            curve: EllipticCurve::Ed25519,
            x: URL_SAFE_NO_PAD.encode(public.as_bytes()),
        }),
    }
}

fn kid(key: &Key) -> String {
    format!("pass-{}", key.id)
}

impl PassIssuer {
    /// The issuer of the installation at `issuer` (its public URL).
    ///
    /// # Errors
    /// When a key of the ring is not an Ed25519 seed.
    pub fn new(issuer: &str, keys: &Keys) -> Result<Self, jsonwebtoken::errors::Error> {
        eddsa::install();
        let mut set = Vec::new();
        let mut verifying = Vec::new();
        for key in keys.passes.iter() {
            let jwk = jwk(key);
            verifying.push((kid(key), DecodingKey::from_jwk(&jwk)?));
            set.push(jwk);
        }
        let current = keys.passes.current();
        Ok(Self {
            issuer: issuer.to_owned(),
            kid: kid(current),
            signing: EncodingKey::from_ed_der(current.secret.as_bytes()),
            verifying,
            jwks: serde_json::to_string(&JwkSet { keys: set })?,
        })
    }

    /// The public keys as a JWK set, for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The token of a pass.
    ///
    /// # Errors
    /// When the key cannot sign; the constructor would have failed before.
    pub fn sign(&self, pass: &Pass) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(PASS_TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        let claims = PassClaims {
            iss: self.issuer.clone(),
            aud: pass.sale.to_string(),
            sub: pass.buyer.to_string(),
            ticket: format!("{}.{}", pass.sale, pass.number),
            jti: pass.id.to_string(),
            iat: pass.issued_at.as_seconds(),
            nbf: pass.issued_at.as_seconds(),
            exp: pass.expires_at.as_seconds(),
            bound: pass.bound,
        };
        jsonwebtoken::encode(&header, &claims, &self.signing)
    }

    /// Verifies a pass of this installation. Only `EdDSA` with a known key is accepted, whatever the token's header
    /// says. The time is checked separately, with [`Pass::check_time`], because an expired pass still gives access to
    /// its order.
    ///
    /// # Errors
    /// [`BadPass::Invalid`]; an expired pass is no error here.
    pub fn read(&self, text: &str) -> Result<Pass, BadPass> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(BadPass::Invalid);
        }
        let header = jsonwebtoken::decode_header(text).map_err(|_| BadPass::Invalid)?;
        if header.typ.as_deref() != Some(PASS_TYPE) {
            return Err(BadPass::Invalid);
        }
        let (_, key) =
            self.verifying.iter().find(|(kid, _)| Some(kid) == header.kid.as_ref()).ok_or(BadPass::Invalid)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        rules.set_issuer(&[&self.issuer]);
        rules.validate_aud = false;
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = jsonwebtoken::decode::<PassClaims>(text, key, &rules).map_err(|_| BadPass::Invalid)?.claims;
        Pass::from_claims(&claims).ok_or(BadPass::Invalid)
    }
}

impl Pass {
    fn from_claims(claims: &PassClaims) -> Option<Self> {
        let (sale, number) = claims.ticket.rsplit_once('.')?;
        (sale == claims.aud).then_some(())?;
        Some(Self {
            id: PassId::parse(&claims.jti)?,
            sale: claims.aud.parse().ok()?,
            buyer: BuyerId::parse(&claims.sub)?,
            number: number.parse().ok()?,
            issued_at: Timestamp::from_millis(claims.iat.checked_mul(1000)?),
            expires_at: Timestamp::from_millis(claims.exp.checked_mul(1000)?),
            bound: claims.bound,
        })
    }

    /// Checks that the pass is valid at `now`. It may be a second early, because its times are whole seconds.
    ///
    /// # Errors
    /// [`BadPass::Expired`] after its time, [`BadPass::Invalid`] before.
    pub fn check_time(&self, now: Timestamp) -> Result<(), BadPass> {
        if now.plus_seconds(1) < self.issued_at {
            return Err(BadPass::Invalid);
        }
        if now >= self.expires_at { Err(BadPass::Expired) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use serde_json::json;
    use sha2::Sha256;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_780_000_000_000);

    fn pass() -> Pass {
        Pass {
            id: PassId::derive(NOW, &[b"t"]),
            sale: "sneaker".parse().unwrap(),
            buyer: BuyerId::from_bytes([9; 16]),
            number: 5,
            issued_at: NOW,
            expires_at: NOW.plus_seconds(600),
            bound: false,
        }
    }

    #[test]
    fn a_pass_reads_back_and_expires() {
        let mut keys = Keys::generate();
        let signed = PassIssuer::new("https://a.example", &keys).unwrap().sign(&pass()).unwrap();
        keys.rotate();
        let read = PassIssuer::new("https://a.example", &keys).unwrap().read(&signed).unwrap();
        assert_eq!(read, pass());
        assert_eq!(read.check_time(NOW.plus_seconds(599)), Ok(()));
        assert_eq!(read.check_time(NOW.plus_seconds(600)), Err(BadPass::Expired));
        assert_eq!(read.check_time(NOW.plus_seconds(-5)), Err(BadPass::Invalid));
    }

    /// The classic ways to forge a JWT; each is refused with an error, never a panic.
    #[test]
    fn a_forged_pass_is_refused() {
        let keys = Keys::generate();
        let issuer = PassIssuer::new("https://a.example", &keys).unwrap();
        let signed = issuer.sign(&pass()).unwrap();
        let parts: Vec<&str> = signed.split('.').collect();
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = part(json!({"alg": "none", "typ": PASS_TYPE, "kid": "pass-1"}));
        let public = serde_json::from_str::<serde_json::Value>(issuer.jwks()).unwrap()["keys"][0]["x"].to_string();
        let head = format!("{}.{}", part(json!({"alg": "HS256", "typ": PASS_TYPE, "kid": "pass-1"})), parts[1]);
        let mac = Hmac::<Sha256>::new_from_slice(public.as_bytes()).unwrap().chain_update(&head).finalize();
        let hs256 = format!("{head}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()));
        let plain_jwt = part(json!({"alg": "EdDSA", "typ": "JWT", "kid": "pass-1"}));
        let unknown = part(json!({"alg": "EdDSA", "typ": PASS_TYPE, "kid": "../../etc/passwd"}));
        for forged in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            hs256,
            format!("{plain_jwt}.{}.{}", parts[1], parts[2]),
            format!("{unknown}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.{}", parts[0], part(json!({"exp": "9"})), parts[2]),
            PassIssuer::new("https://b.example", &keys).unwrap().sign(&pass()).unwrap(),
            PassIssuer::new("https://a.example", &Keys::generate()).unwrap().sign(&pass()).unwrap(),
            String::new(),
            "x".repeat(100_000),
        ] {
            assert_eq!(issuer.read(&forged), Err(BadPass::Invalid), "{forged:.80}");
        }
    }
}
