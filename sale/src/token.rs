//! Bearer tokens of sellers and operators: `openrun token` prints one, and every process of the installation verifies
//! it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{
    clock::Timestamp,
    keys::{Ring, Secret},
};

/// What the bearer may do. An operator may do everything that a seller may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    Seller,
    Operator,
}

impl Authority {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seller => "seller",
            Self::Operator => "operator",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "seller" => Some(Self::Seller),
            "operator" => Some(Self::Operator),
            _ => None,
        }
    }
}

/// A token in the form `openrun-token.KEY.AUTHORITY.EXPIRES_MS.MAC`, its MAC over everything before it.
pub fn sign(ring: &Ring, authority: Authority, expires_at: Timestamp) -> String {
    let key = ring.current();
    let head = format!("openrun-token.{}.{}.{}", key.id, authority.as_str(), expires_at.as_millis());
    let mac = URL_SAFE_NO_PAD.encode(mac_of(&key.secret, &head).finalize().into_bytes());
    format!("{head}.{mac}")
}

/// The authority of a token at `now`; `None` when it is forged or has expired.
pub fn verify(ring: &Ring, text: &str, now: Timestamp) -> Option<Authority> {
    let (head, mac) = text.rsplit_once('.')?;
    let mut parts = head.split('.');
    let ("openrun-token", Some(key), Some(authority), Some(expires), None) =
        (parts.next()?, parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let key = ring.find(key.parse().ok()?)?;
    let given = URL_SAFE_NO_PAD.decode(mac).ok()?;
    mac_of(&key.secret, head).verify_slice(&given).ok()?;
    let expires_at = Timestamp::from_millis(expires.parse().ok()?);
    (now < expires_at).then(|| Authority::parse(authority)).flatten()
}

fn mac_of(secret: &Secret, head: &str) -> Hmac<Sha256> {
    let mut mac = secret.mac();
    mac.update(head.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_until_it_expires_and_cannot_be_raised() {
        let ring = Ring::generate();
        let end = Timestamp::from_millis(1_000);
        let token = sign(&ring, Authority::Seller, end);
        assert_eq!(verify(&ring, &token, Timestamp::from_millis(999)), Some(Authority::Seller));
        assert_eq!(verify(&ring, &token, end), None);
        let raised = token.replace("seller", "operator");
        assert_eq!(verify(&ring, &raised, Timestamp::from_millis(0)), None);
        assert_eq!(verify(&Ring::generate(), &token, Timestamp::from_millis(0)), None);
    }
}
