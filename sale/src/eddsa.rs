//! `EdDSA` (Ed25519, RFC 8037) for `jsonwebtoken`, and nothing else: no other algorithm can sign or verify a pass, and
//! none of their implementations is in the program.
//!
//! Keys are expanded once and cached: expanding a public one takes a tenth of a verification, a secret one as long as a
//! signature.

use std::{
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
};

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    signature::{Error, Signer, Verifier},
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| signer(*algorithm, key),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Expanded keys by their 32 bytes. There are no others than those of the keys file.
type KeyCache<Key> = LazyLock<RwLock<HashMap<[u8; 32], Key>>>;

static SIGNING_KEYS: KeyCache<SigningKey> = LazyLock::new(RwLock::default);
static VERIFYING_KEYS: KeyCache<VerifyingKey> = LazyLock::new(RwLock::default);

/// The key of these bytes, expanded with `expand` the first time.
fn cached<Key: Clone>(
    keys: &KeyCache<Key>,
    bytes: &[u8],
    expand: impl FnOnce(&[u8; 32]) -> Option<Key>,
) -> Result<Key> {
    if let Some(key) = keys.read().unwrap_or_else(PoisonError::into_inner).get(bytes) {
        return Ok(key.clone());
    }
    let bytes = bytes.try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
    let key = expand(&bytes).ok_or(ErrorKind::InvalidEddsaKey)?;
    keys.write().unwrap_or_else(PoisonError::into_inner).insert(bytes, key.clone());
    Ok(key)
}

/// Installs this provider for every token in the process. Idempotent.
pub(crate) fn install() {
    // An error means that a provider is installed already, and there is no other one.
    PROVIDER.install_default().ok();
}

/// `key` is the seed of 32 bytes.
fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    only_eddsa(algorithm)?;
    Ok(Box::new(Ed25519Signer(cached(&SIGNING_KEYS, key.as_bytes(), |seed| Some(SigningKey::from_bytes(seed)))?)))
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    only_eddsa(algorithm)?;
    Ok(Box::new(Ed25519Verifier(cached(&VERIFYING_KEYS, key.try_get_as_bytes()?, |bytes| {
        VerifyingKey::from_bytes(bytes).ok()
    })?)))
}

fn only_eddsa(algorithm: Algorithm) -> Result<()> {
    if algorithm == Algorithm::EdDSA { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct Ed25519Signer(SigningKey);

impl Signer<Vec<u8>> for Ed25519Signer {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(self.0.try_sign(message)?.to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519Verifier(VerifyingKey);

impl Verifier<Vec<u8>> for Ed25519Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.0.verify(message, &Signature::from_slice(signature)?)
    }
}

impl JwtVerifier for Ed25519Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
