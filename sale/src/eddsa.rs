//! `EdDSA` (Ed25519, RFC 8037) for `jsonwebtoken`, and nothing else: no other algorithm can sign a pass or be talked into
//! checking one, and none of their implementations is in the program.
//!
//! A key is worked out once: a public one takes a tenth of a check, a secret one as long as a signature.

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

/// Keys by their 32 bytes. Those of the keys file are all that there ever are.
type Known<Key> = LazyLock<RwLock<HashMap<[u8; 32], Key>>>;

static SECRET: Known<SigningKey> = LazyLock::new(RwLock::default);
static PUBLIC: Known<VerifyingKey> = LazyLock::new(RwLock::default);

/// The key of these bytes, worked out with `make` the first time.
fn known<Key: Clone>(keys: &Known<Key>, bytes: &[u8], make: impl FnOnce(&[u8; 32]) -> Option<Key>) -> Result<Key> {
    if let Some(key) = keys.read().unwrap_or_else(PoisonError::into_inner).get(bytes) {
        return Ok(key.clone());
    }
    let bytes = bytes.try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
    let key = make(&bytes).ok_or(ErrorKind::InvalidEddsaKey)?;
    keys.write().unwrap_or_else(PoisonError::into_inner).insert(bytes, key.clone());
    Ok(key)
}

/// Makes this the cryptography of every token in the process. A second call changes nothing.
pub(crate) fn install() {
    // Only another provider could have been first, and there is none.
    PROVIDER.install_default().ok();
}

/// `key` is the seed of 32 bytes.
fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    only_eddsa(algorithm)?;
    Ok(Box::new(Pen(known(&SECRET, key.as_bytes(), |seed| Some(SigningKey::from_bytes(seed)))?)))
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    only_eddsa(algorithm)?;
    Ok(Box::new(Lens(known(&PUBLIC, key.try_get_as_bytes()?, |bytes| VerifyingKey::from_bytes(bytes).ok())?)))
}

fn only_eddsa(algorithm: Algorithm) -> Result<()> {
    if algorithm == Algorithm::EdDSA { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct Pen(SigningKey);

impl Signer<Vec<u8>> for Pen {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(self.0.try_sign(message)?.to_bytes().to_vec())
    }
}

impl JwtSigner for Pen {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Lens(VerifyingKey);

impl Verifier<Vec<u8>> for Lens {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.0.verify(message, &Signature::from_slice(signature)?)
    }
}

impl JwtVerifier for Lens {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
