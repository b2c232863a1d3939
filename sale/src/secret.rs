//! Encryption of personal data at rest: AES-256-GCM with the key's id in front, bound to the place of storage.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

use crate::keys::{Ring, Secret};

/// Encrypts `plain`. `place` (for example `orders.contact:{order}`) is authenticated with it, so that a value copied
/// into another row cannot be decrypted there. Layout: key id (4 bytes), nonce (12), ciphertext and tag.
pub fn seal(ring: &Ring, place: &str, plain: &str) -> Vec<u8> {
    let key = ring.current();
    let nonce: [u8; 12] = rand::rng().random();
    let cipher = Aes256Gcm::new(key.secret.as_bytes().into());
    let payload = Payload { msg: plain.as_bytes(), aad: place.as_bytes() };
    // AES-GCM refuses only messages of more than 64 GiB.
    let ciphertext = cipher.encrypt(&Nonce::from(nonce), payload).unwrap_or_default();
    [&key.id.to_be_bytes()[..], &nonce, &ciphertext].concat()
}

/// Decrypts what [`seal`] encrypted for the same place; `None` when the key is unknown, the place another one, or the
/// value altered.
pub fn open(ring: &Ring, place: &str, sealed: &[u8]) -> Option<String> {
    let (id, rest) = sealed.split_first_chunk::<4>()?;
    let (nonce, ciphertext) = rest.split_first_chunk::<12>()?;
    let key = ring.find(u32::from_be_bytes(*id))?;
    let cipher = Aes256Gcm::new(key.secret.as_bytes().into());
    let plain = cipher.decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad: place.as_bytes() }).ok()?;
    String::from_utf8(plain).ok()
}

/// A value by which `text` can be looked up without being stored: an HMAC of its lower-case form.
pub fn blind_index(secret: &Secret, text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { unreachable!("HMAC takes any key") };
    mac.update(b"openrun blind index");
    mac.update(text.trim().to_lowercase().as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// A random secret for a link or a cookie, and the hash under which it is stored.
pub fn random_secret() -> (String, String) {
    let secret = URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>());
    let hash = hash_of(&secret);
    (secret, hash)
}

/// The hash under which a random secret is stored.
pub fn hash_of(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

/// Bytes as two lower-case digits each.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_at_its_own_place_only() {
        let ring = Ring::generate();
        let sealed = seal(&ring, "orders.contact:1", "buyer@example.com");
        assert_eq!(open(&ring, "orders.contact:1", &sealed).as_deref(), Some("buyer@example.com"));
        assert_eq!(open(&ring, "orders.contact:2", &sealed), None);
        assert_eq!(open(&Ring::generate(), "orders.contact:1", &sealed), None);
        assert!(!sealed.windows(5).any(|part| part == b"buyer"));
    }
}
