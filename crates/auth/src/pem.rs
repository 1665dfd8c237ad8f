//! Keys in PEM files (RFC 7468): public keys as `SubjectPublicKeyInfo` (RFC 5280) or PKCS #1, private ones as PKCS #8 (RFC 5958).
//!
//! For the curves that are offered these structures have one spelling each, so they are told by their first bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key_kind::KeyKind;
use crate::verifying_key::PublicKey;

/// Why a file has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// There is no such block in it.
    #[error("it has no block `-----BEGIN {0}-----`")]
    NoBlock(&'static str),
    /// The block is not base64.
    #[error("its block is not base64")]
    NotBase64,
    /// The block is none of the keys that are offered.
    #[error("it is none of RSA, P-256, P-384, Ed25519")]
    Unknown,
    /// Nothing can ever be a signature of it.
    #[error("its key is broken, or RSA of fewer than 2048 or more than 8192 bits")]
    Broken,
    /// The file of a public key holds a certificate.
    #[error("it is a certificate; take its key out with `openssl x509 -pubkey -noout`")]
    Certificate,
    /// The file of a public key holds a private key, which has no business on a node.
    #[error("it is a private key; make the public one with `openssl pkey -pubout`")]
    Private,
}

const P256_PUBLIC: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384_PUBLIC: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519_PUBLIC: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
/// The algorithms in a private key, after its length and version.
const P256: &[u8] = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// The public keys in a file.
pub(crate) fn public_keys(text: &str) -> Result<Vec<PublicKey>, PemError> {
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(PemError::Certificate);
    }
    if text.contains("PRIVATE KEY-----") {
        return Err(PemError::Private);
    }
    let mut keys = Vec::new();
    for der in blocks(text, "RSA PUBLIC KEY") {
        keys.push(rsa(&der?).ok_or(PemError::Broken)?);
    }
    for der in blocks(text, "PUBLIC KEY") {
        keys.push(public_key(&der?)?);
    }
    if keys.is_empty() { Err(PemError::NoBlock("PUBLIC KEY")) } else { Ok(keys) }
}

/// The first private key in a file, in the form that the library takes: PKCS #1 for RSA, PKCS #8 for the others.
pub(crate) fn private_key(text: &str) -> Result<(KeyKind, Vec<u8>), PemError> {
    if let Some(der) = blocks(text, "RSA PRIVATE KEY").next() {
        return Ok((KeyKind::Rsa, der?));
    }
    let der = blocks(text, "PRIVATE KEY").next().ok_or(PemError::NoBlock("PRIVATE KEY"))??;
    // A sequence with a length of one, two or three bytes, and the version 0 or 1.
    let algorithm = [5, 6, 7].into_iter().find_map(|at| der.get(at..).filter(|rest| rest.first() == Some(&0x30)));
    let algorithm = algorithm.ok_or(PemError::Unknown)?;
    let kinds = [(P256, KeyKind::P256), (P384, KeyKind::P384), (ED25519, KeyKind::Ed25519)];
    if let Some((_, kind)) = kinds.into_iter().find(|(prefix, _)| algorithm.starts_with(prefix)) {
        return Ok((kind, der));
    }
    // An octet string with a length of two bytes, in which the key of PKCS #1 stands.
    let rsa =
        algorithm.strip_prefix(RSA).and_then(|rest| rest.strip_prefix(b"\x04\x82")).and_then(|rest| rest.get(2..));
    Ok((KeyKind::Rsa, rsa.ok_or(PemError::Unknown)?.to_vec()))
}

fn public_key(der: &[u8]) -> Result<PublicKey, PemError> {
    let point =
        |prefix, bytes| der.strip_prefix(prefix).filter(|point: &&[u8]| point.len() == bytes).map(<[u8]>::to_vec);
    let curve = (point(P256_PUBLIC, 65).map(PublicKey::P256))
        .or_else(|| point(P384_PUBLIC, 97).map(PublicKey::P384))
        .or_else(|| point(ED25519_PUBLIC, 32).map(PublicKey::Ed25519));
    if let Some(key) = curve {
        return Ok(key);
    }
    // A sequence of the algorithm and a bit string, both with lengths of two bytes, in which the key of PKCS #1 stands.
    let key = der.strip_prefix(b"\x30\x82").and_then(|rest| rest.get(2..)).and_then(|rest| rest.strip_prefix(RSA));
    let key = key.and_then(|rest| rest.strip_prefix(b"\x03\x82")).and_then(|rest| rest.get(2..));
    let key = key.and_then(|rest| rest.strip_prefix(b"\0")).ok_or(PemError::Unknown)?;
    rsa(key).ok_or(PemError::Broken)
}

/// The key of PKCS #1 (RFC 8017, appendix A.1.1): a sequence of the modulus and the exponent.
fn rsa(der: &[u8]) -> Option<PublicKey> {
    let (body, rest) = value(der, 0x30)?;
    let (n, exponent) = value(body, 0x02)?;
    let (e, end) = value(exponent, 0x02)?;
    (rest.is_empty() && end.is_empty()).then(|| PublicKey::Rsa { n: n.to_vec(), e: e.to_vec() })
}

/// A value with this tag, and what stands behind it. No length of a key needs more than two bytes.
fn value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (bytes, rest) = match (first, rest) {
        (0..=127, rest) => (usize::from(*first), rest),
        (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(bytes)
}

/// What stands in the blocks of a label.
fn blocks<'a>(text: &'a str, label: &str) -> impl Iterator<Item = Result<Vec<u8>, PemError>> + use<'a> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&begin)?;
        let Some((body, after)) = after.split_once(&end) else {
            rest = "";
            return Some(Err(PemError::NotBase64));
        };
        rest = after;
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        Some(STANDARD.decode(body).map_err(|_| PemError::NotBase64))
    })
}
