//! What sort of key something is. It alone decides which algorithms the key may be used with, never a token.

use crate::algorithm::Algorithm;

/// A sort of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A shared secret of so many bytes.
    Secret { bytes: usize },
    /// RSA, for both paddings.
    Rsa,
    /// The curve P-256.
    P256,
    /// The curve P-384.
    P384,
    /// The curve Ed25519.
    Ed25519,
}

impl KeyKind {
    /// Whether a signature of this algorithm can be one of such a key. A secret is at least as long as the algorithm's hash
    /// (RFC 7518, section 3.2).
    pub(crate) fn fits(self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Hs256 => matches!(self, Self::Secret { bytes } if bytes >= 32),
            Algorithm::Hs384 => matches!(self, Self::Secret { bytes } if bytes >= 48),
            Algorithm::Hs512 => matches!(self, Self::Secret { bytes } if bytes >= 64),
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => self == Self::Rsa,
            Algorithm::Es256 => self == Self::P256,
            Algorithm::Es384 => self == Self::P384,
            Algorithm::EdDsa => self == Self::Ed25519,
        }
    }
}
