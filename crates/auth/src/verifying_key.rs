//! A key that signatures are checked with.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use crate::algorithm::Algorithm;
use crate::key_kind::KeyKind;

/// A key, and what it may be used for.
#[derive(Debug, Clone)]
pub(crate) struct VerifyingKey {
    kind: KeyKind,
    key: DecodingKey,
    /// Its name (`kid`). A key without one fits tokens that name any.
    id: Option<Box<str>>,
    /// The only algorithm that it is for, if it says so (`alg`).
    only: Option<Algorithm>,
}

impl VerifyingKey {
    pub(crate) fn new(kind: KeyKind, key: DecodingKey) -> Self {
        Self { kind, key, id: None, only: None }
    }

    /// A public key as [`pem`](crate::pem) finds it.
    pub(crate) fn public((kind, der): (KeyKind, Vec<u8>)) -> Self {
        let key = match kind {
            KeyKind::Ed25519 => DecodingKey::from_ed_der(&der),
            KeyKind::P256 | KeyKind::P384 => DecodingKey::from_ec_der(&der),
            KeyKind::Rsa | KeyKind::Secret { .. } => DecodingKey::from_rsa_der(&der),
        };
        Self::new(kind, key)
    }

    /// A shared secret. `None`: it is empty.
    pub(crate) fn secret(secret: &[u8]) -> Option<Self> {
        Some(Self::new(KeyKind::Secret { bytes: secret.len() }, DecodingKey::from_secret(secret).ok()?))
    }

    /// The same key with a name, and with the only algorithm that it is for.
    pub(crate) fn named(self, id: Option<Box<str>>, only: Option<Algorithm>) -> Self {
        Self { id, only, ..self }
    }

    /// Whether a token that names this key, or none, may be signed with it.
    pub(crate) fn is_named(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(mine), Some(asked)) => **mine == *asked,
            (None, _) | (_, None) => true,
        }
    }

    /// Whether it may be used with an algorithm.
    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.kind.fits(algorithm) && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether this is its signature of these bytes. Not for an algorithm that the key is not for.
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &Vec<u8>) -> bool {
        self.is_for(algorithm)
            && (DEFAULT_PROVIDER.verifier_factory)(&algorithm.library(), &self.key)
                .is_ok_and(|verifier| verifier.verify(signed, signature).is_ok())
    }
}

#[cfg(test)]
mod tests;
