//! Key sets (RFC 7517): the keys that an issuer publishes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare_protocol::limits::{ISSUER_KEYS_MAX, KEY_FILE_BYTES_MAX};
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::verifying_key::{PublicKey, VerifyingKey};

/// The keys of a set that can check signatures here.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    pub(crate) keys: Vec<VerifyingKey>,
    /// Private keys and secrets that it holds though it was published. They are passed over: everybody may sign with them.
    pub(crate) leaked: usize,
}

/// Why a text is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is too large.
    #[error("it has {0} bytes; expected at most {KEY_FILE_BYTES_MAX}")]
    TooLarge(usize),
    /// It is not JSON, or no object with an array `keys`.
    #[error("it is no JSON object with an array `keys`")]
    NotASet,
    /// It has too many keys.
    #[error("it has {0} keys; expected at most {ISSUER_KEYS_MAX}")]
    TooManyKeys(usize),
    /// None of its keys can check signatures here.
    #[error("it has no key for signatures that is RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519")]
    NoKeys,
}

/// Whether somebody else may have read a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publicity {
    /// It is a file of the node, and may hold secrets.
    Private,
    /// It was published: a secret in it is none, and a private key everybody's.
    Published,
}

/// Reads a set. Keys of other kinds, for other ends, or that nothing can ever be a signature of, are passed over (RFC 7517, section 5).
pub(crate) fn parse(text: &[u8], publicity: Publicity) -> Result<KeySet, KeySetError> {
    if text.len() > KEY_FILE_BYTES_MAX {
        return Err(KeySetError::TooLarge(text.len()));
    }
    let set: Map<String, Value> = serde_json::from_slice(text).map_err(|_| KeySetError::NotASet)?;
    let keys = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::NotASet)?;
    if keys.len() > ISSUER_KEYS_MAX {
        return Err(KeySetError::TooManyKeys(keys.len()));
    }
    let mut set = KeySet::default();
    for key in keys.iter().filter_map(Value::as_object) {
        if publicity == Publicity::Published && is_private(key) {
            set.leaked += 1;
        } else {
            set.keys.extend(read(key));
        }
    }
    Ok(set)
}

impl KeySet {
    /// What its issuer should mend.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.leaked > 0 {
            return Some(format!(
                "it holds {} private keys or secrets: whoever read it can sign with them",
                self.leaked
            ));
        }
        self.keys.is_empty().then(|| KeySetError::NoKeys.to_string())
    }
}

/// RFC 7518, sections 6.2.2, 6.3.2 and 6.4: a private key has `d`, one of RSA also `p`, and a secret is `k`.
fn is_private(key: &Map<String, Value>) -> bool {
    ["d", "p", "k"].into_iter().any(|member| key.contains_key(member))
}

fn read(key: &Map<String, Value>) -> Option<VerifyingKey> {
    if !is_for_verifying(key) {
        return None;
    }
    let only = match key.get("alg") {
        None => None,
        Some(name) => Some(Algorithm::parse(name.as_str()?)?),
    };
    let id = match key.get("kid") {
        None => None,
        Some(id) => Some(Box::from(id.as_str()?)),
    };
    Some(material(key)?.named(id, only))
}

/// Sections 4.2 and 4.3: both members are optional, and say what the key is for.
fn is_for_verifying(key: &Map<String, Value>) -> bool {
    let by_use = key.get("use").is_none_or(|end| end.as_str() == Some("sig"));
    let verify = |operations: &Value| {
        operations.as_array().is_some_and(|all| all.iter().any(|operation| operation.as_str() == Some("verify")))
    };
    by_use && key.get("key_ops").is_none_or(verify)
}

/// RFC 7518, section 6, and RFC 8037, section 2.
fn material(key: &Map<String, Value>) -> Option<VerifyingKey> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let public = match (text("kty")?, text("crv")) {
        ("RSA", _) => PublicKey::Rsa { n: bytes("n")?, e: bytes("e")? },
        ("EC", Some("P-256")) => PublicKey::P256(point(&bytes("x")?, &bytes("y")?, 32)?),
        ("EC", Some("P-384")) => PublicKey::P384(point(&bytes("x")?, &bytes("y")?, 48)?),
        ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes("x")?),
        ("oct", _) => return VerifyingKey::secret(&bytes("k")?).ok(),
        _ => return None,
    };
    VerifyingKey::public(&public)
}

/// A point of a curve, not compressed (SEC 1, section 2.3.3).
fn point(x: &[u8], y: &[u8], bytes: usize) -> Option<Vec<u8>> {
    (x.len() == bytes && y.len() == bytes).then(|| [&[4], x, y].concat())
}

#[cfg(test)]
mod tests;
