//! A key that signatures are checked with.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use fanfare_protocol::limits::{SIGNING_SECRET_BYTES_MAX, SIGNING_SECRET_BYTES_MIN};
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

/// A public key, as key sets and PEM files hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// The modulus and the exponent, with zeros before them or without.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// A point, not compressed (SEC 1, section 2.3.3).
    P256(Vec<u8>),
    /// The same.
    P384(Vec<u8>),
    /// A point, as RFC 8032 writes it.
    Ed25519(Vec<u8>),
}

/// Why bytes are no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretError {
    /// They are too few or too many.
    Length(usize),
    /// They are the text of a key, which others may well know: with the public key as the secret, everybody could sign.
    KeyText,
}

impl VerifyingKey {
    fn new(kind: KeyKind, key: DecodingKey) -> Self {
        Self { kind, key, id: None, only: None }
    }

    /// `None`: nothing can ever be its signature. RSA has 2048 to 8192 bits here.
    pub(crate) fn public(key: &PublicKey) -> Option<Self> {
        let (kind, parsed, key) = match key {
            PublicKey::Rsa { n, e } => {
                let (n, e) = (without_zeros(n), without_zeros(e));
                if !is_rsa(n, e) {
                    return None;
                }
                let parsed = RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
                (KeyKind::Rsa, parsed, DecodingKey::from_rsa_raw_components(n, e))
            }
            PublicKey::P256(point) => {
                (KeyKind::P256, ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point), DecodingKey::from_ec_der(point))
            }
            PublicKey::P384(point) => {
                (KeyKind::P384, ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point), DecodingKey::from_ec_der(point))
            }
            PublicKey::Ed25519(point) => {
                (KeyKind::Ed25519, ParsedPublicKey::new(&ED25519, point), DecodingKey::from_ed_der(point))
            }
        };
        parsed.is_ok().then(|| Self::new(kind, key))
    }

    /// A shared secret.
    pub(crate) fn secret(secret: &[u8]) -> Result<Self, SecretError> {
        let bytes = secret.len();
        if !(SIGNING_SECRET_BYTES_MIN..=SIGNING_SECRET_BYTES_MAX).contains(&bytes) {
            return Err(SecretError::Length(bytes));
        }
        if is_text_of_a_key(secret) {
            return Err(SecretError::KeyText);
        }
        let key = DecodingKey::from_secret(secret).map_err(|_| SecretError::Length(bytes))?;
        Ok(Self::new(KeyKind::Secret { bytes }, key))
    }

    /// The same key with a name, and with the only algorithm that it is for.
    pub(crate) fn named(self, id: Option<Box<str>>, only: Option<Algorithm>) -> Self {
        Self { id, only, ..self }
    }

    /// Whether it has a name.
    pub(crate) fn has_name(&self) -> bool {
        self.id.is_some()
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

/// PEM, a key set or a key of one, a key of OpenSSH. Bytes by chance that begin with a brace are no text.
fn is_text_of_a_key(secret: &[u8]) -> bool {
    let text = std::str::from_utf8(secret).unwrap_or_default().trim_start();
    ["-----BEGIN", "{", "ssh-"].into_iter().any(|begin| text.starts_with(begin))
}

/// A number, as the library wants it.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// Whether a modulus and an exponent, without zeros before them, can be those of a key. The library asks for the length when it checks
/// a signature, not when it reads the key.
fn is_rsa(n: &[u8], e: &[u8]) -> bool {
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    (2_048..=8_192).contains(&bits) && is_odd(n) && is_odd(e) && e != [1] && e.len() <= 4
}

#[cfg(test)]
mod tests;
