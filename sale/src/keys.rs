//! The keys file: the keys that sign tickets, passes and tokens, and those that encrypt personal data.

use std::{fmt, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

/// Thirty-two secret bytes; `Debug` hides them.
#[derive(Clone)]
pub struct Secret {
    bytes: [u8; 32],
    mac: OnceLock<Hmac<Sha256>>,
}

impl Secret {
    pub fn random() -> Self {
        Self::from_bytes(rand::rng().random())
    }

    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { bytes, mac: OnceLock::new() }
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Eleven characters that identify the secret and reveal nothing of it.
    pub fn fingerprint(&self) -> String {
        let digest = self.mac().chain_update(b"openrun mark of a secret").finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(&digest[..8])
    }

    /// An HMAC-SHA-256 with this key. The key is expanded once, because that takes as long as a short message.
    pub fn mac(&self) -> Hmac<Sha256> {
        let begin = || Hmac::new_from_slice(&self.bytes).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
        self.mac.get_or_init(begin).clone()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.bytes))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(&text, &mut bytes) {
            Ok(32) => Ok(Self::from_bytes(bytes)),
            _ => Err(serde::de::Error::custom("a key is 32 bytes in base64url")),
        }
    }
}

/// A key of a ring.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    pub id: u32,
    pub secret: Secret,
}

/// The keys of one purpose, oldest first. All of them verify, so that signatures stay valid after a rotation. The last
/// but one signs, and the last one will after the next rotation: by then every process knows it, and processes can be
/// restarted with the new file one by one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ring(Vec<Key>);

impl Ring {
    pub fn generate() -> Self {
        Self((1..=2).map(|id| Key { id, secret: Secret::random() }).collect())
    }

    /// The key that signs.
    pub fn current(&self) -> &Key {
        &self.0[self.0.len().saturating_sub(2)]
    }

    pub fn find(&self, id: u32) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    fn rotate(&mut self) {
        let id = self.0.iter().map(|key| key.id).max().unwrap_or(0).saturating_add(1);
        self.0.push(Key { id, secret: Secret::random() });
    }
}

/// All keys of an installation: the contents of the keys file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// MAC keys of tickets.
    pub tickets: Ring,
    /// Ed25519 seeds of passes.
    pub passes: Ring,
    /// MAC keys of the bearer tokens of sellers and operators.
    pub tokens: Ring,
    /// AES-256 keys of personal data at rest.
    pub personal_data: Ring,
    /// MAC key that derives the sessions of clients without cookies. It is never rotated: an idempotency key must give
    /// the same session during the whole sale.
    pub sessions: Secret,
}

/// Why a keys file is refused.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    #[error("the keys file is malformed: {0}; `openrun keys init` creates a valid one")]
    Malformed(#[from] serde_json::Error),
    #[error("the keys file has no key for {0}; `openrun keys init` creates a complete one")]
    Empty(&'static str),
}

impl Keys {
    pub fn generate() -> Self {
        Self {
            tickets: Ring::generate(),
            passes: Ring::generate(),
            tokens: Ring::generate(),
            personal_data: Ring::generate(),
            sessions: Secret::random(),
        }
    }

    pub fn parse(text: &str) -> Result<Self, BadKeys> {
        let keys: Self = serde_json::from_str(text)?;
        let rings = [
            ("tickets", &keys.tickets),
            ("passes", &keys.passes),
            ("tokens", &keys.tokens),
            ("personal_data", &keys.personal_data),
        ];
        let empty = rings.into_iter().find(|(_, ring)| ring.0.is_empty()).map(|(name, _)| name);
        empty.map_or(Ok(keys), |name| Err(BadKeys::Empty(name)))
    }

    /// Identifies the installation of a keys file; a rotation does not change it.
    pub fn fingerprint(&self) -> String {
        self.sessions.fingerprint()
    }

    /// Adds a key to every ring; the one that was added before signs from now on, and the older ones still verify.
    pub fn rotate(&mut self) {
        for ring in [&mut self.tickets, &mut self.passes, &mut self.tokens, &mut self.personal_data] {
            ring.rotate();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_the_old_keys() {
        let mut keys = Keys::generate();
        let before = keys.tickets.current().clone();
        keys.rotate();
        assert_ne!(keys.tickets.current().secret, before.secret);
        assert_eq!(keys.tickets.find(before.id).unwrap().secret, before.secret);
    }

    #[test]
    fn a_rotation_keeps_the_fingerprint_and_other_keys_have_another() {
        let mut keys = Keys::generate();
        let fingerprint = keys.fingerprint();
        keys.rotate();
        assert_eq!(keys.fingerprint(), fingerprint);
        assert_ne!(Keys::generate().fingerprint(), fingerprint);
        assert_ne!(keys.tickets.current().secret.fingerprint(), fingerprint);
    }

    #[test]
    fn a_process_with_the_file_from_before_a_rotation_knows_the_key_that_signs_after_it() {
        let before = Keys::generate();
        let mut after = before.clone();
        after.rotate();
        for (old, new) in [(&before.tickets, &after.tickets), (&before.personal_data, &after.personal_data)] {
            assert_eq!(old.find(new.current().id).unwrap().secret, new.current().secret);
        }
    }

    #[test]
    fn a_keys_file_reads_back_and_an_empty_ring_is_refused() {
        let keys = Keys::generate();
        let text = serde_json::to_string(&keys).unwrap();
        assert_eq!(Keys::parse(&text).unwrap().sessions, keys.sessions);
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["passes"] = serde_json::json!([]);
        assert!(matches!(Keys::parse(&value.to_string()), Err(BadKeys::Empty("passes"))));
        assert!(!format!("{keys:?}").contains(&text[40..60]));
    }
}
