//! A key that tokens are signed with: for the command line and for tests. A node signs nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_protocol::limits::{SIGNING_SECRET_BYTES_MAX, SIGNING_SECRET_BYTES_MIN};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::key_kind::KeyKind;
use crate::pem::{self, PemError};

/// A secret, or a private key.
pub struct SigningKey {
    kind: KeyKind,
    key: EncodingKey,
}

/// Why something is no key to sign with, or does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// A shared secret is too short or too long.
    #[error("the secret has {0} bytes; expected {SIGNING_SECRET_BYTES_MIN} to {SIGNING_SECRET_BYTES_MAX}")]
    Secret(usize),
    /// The file of a private key has none.
    #[error("the key file: {0}")]
    Pem(#[from] PemError),
    /// The key is not for the algorithm.
    #[error("the key cannot be used with {0}")]
    Algorithm(Algorithm),
    /// The key is broken.
    #[error("the key does not sign")]
    Broken,
}

impl SigningKey {
    /// A shared secret.
    ///
    /// # Errors
    /// It is too short or too long.
    pub fn secret(secret: &[u8]) -> Result<Self, SigningError> {
        let bytes = secret.len();
        if !(SIGNING_SECRET_BYTES_MIN..=SIGNING_SECRET_BYTES_MAX).contains(&bytes) {
            return Err(SigningError::Secret(bytes));
        }
        let key = EncodingKey::from_secret(secret).map_err(|_| SigningError::Secret(bytes))?;
        Ok(Self { kind: KeyKind::Secret { bytes }, key })
    }

    /// The private key in a PEM file: PKCS #8, or PKCS #1 for RSA.
    ///
    /// # Errors
    /// There is none.
    pub fn pem(text: &str) -> Result<Self, SigningError> {
        let (kind, der) = pem::private_key(text)?;
        let key = match kind {
            KeyKind::Ed25519 => EncodingKey::from_ed_der(&der),
            KeyKind::P256 | KeyKind::P384 => EncodingKey::from_ec_der(&der),
            KeyKind::Rsa | KeyKind::Secret { .. } => EncodingKey::from_rsa_der(&der),
        };
        Ok(Self { kind, key })
    }

    /// The algorithm that it is used with where nobody says.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.kind {
            KeyKind::Secret { .. } => Algorithm::Hs256,
            KeyKind::Rsa => Algorithm::Rs256,
            KeyKind::P256 => Algorithm::Es256,
            KeyKind::P384 => Algorithm::Es384,
            KeyKind::Ed25519 => Algorithm::EdDsa,
        }
    }

    /// A token with these claims, and the name of the key in its header.
    ///
    /// # Errors
    /// The key is not for the algorithm, or broken.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
        claims: &Map<String, Value>,
    ) -> Result<String, SigningError> {
        if !self.kind.fits(algorithm) {
            return Err(SigningError::Algorithm(algorithm));
        }
        let mut head = json!({ "alg": algorithm.as_str(), "typ": "JWT" });
        if let Some(id) = key_id {
            head["kid"] = id.into();
        }
        let encode = |json: String| URL_SAFE_NO_PAD.encode(json);
        let signed = format!("{}.{}", encode(head.to_string()), encode(Value::Object(claims.clone()).to_string()));
        let signer =
            (DEFAULT_PROVIDER.signer_factory)(&algorithm.library(), &self.key).map_err(|_| SigningError::Broken)?;
        let signature = signer.try_sign(signed.as_bytes()).map_err(|_| SigningError::Broken)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// What is printed ends in logs.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}
