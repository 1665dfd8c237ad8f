//! What is wrong with certificates and keys.

/// Why files make no identity. Each says which file, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is no PEM.
    #[error("{file}: {why}; expected a PEM file")]
    NotPem {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The chain is empty.
    #[error(
        "{file}: it has no certificate; expected a PEM file with the server's own (`-----BEGIN CERTIFICATE-----`), and those of the authorities between it and \
         the root behind it"
    )]
    NoCertificate {
        /// The file.
        file: String,
    },
    /// More certificates than a chain has.
    #[error(
        "{file}: it has more than {most} certificates; expected the server's own and those of the authorities between it and the root"
    )]
    TooMany {
        /// The file.
        file: String,
        /// There may be as many.
        most: usize,
    },
    /// A certificate cannot be read.
    #[error("{file}: certificate {place} in it cannot be read ({why}); copy the file again from who issued it")]
    Unreadable {
        /// The file.
        file: String,
        /// Counted from 1.
        place: usize,
        /// What is wrong.
        why: String,
    },
    /// There is no key.
    #[error(
        "{file}: it has no private key; expected a PEM file with one (`-----BEGIN PRIVATE KEY-----`, `-----BEGIN RSA PRIVATE KEY-----` or \
         `-----BEGIN EC PRIVATE KEY-----`)"
    )]
    NoKey {
        /// The file.
        file: String,
    },
    /// The key wants a passphrase.
    #[error(
        "{file}: the private key is encrypted, and a node has nobody to ask for a passphrase; expected one without (`openssl pkey -in OLD -out NEW` asks for \
         it once)"
    )]
    EncryptedKey {
        /// The file.
        file: String,
    },
    /// The key is of no kind that is supported, or is broken.
    #[error(
        "{file}: the private key cannot be used; expected RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    UnknownKey {
        /// The file.
        file: String,
    },
    /// The key is another certificate's.
    #[error(
        "{key}: the private key does not belong to the certificate in {certificate}; name two files that were issued together"
    )]
    Mismatch {
        /// The file of the key.
        key: String,
        /// The file of the certificate.
        certificate: String,
    },
    /// The key belongs to a certificate, but that is not the first.
    #[error(
        "{certificate}: the certificate of the private key stands at place {place}; expected it first, then the one that signed it, and so on"
    )]
    OutOfOrder {
        /// The file of the certificate.
        certificate: String,
        /// Counted from 1.
        place: usize,
    },
    /// No client would ever be shown this one.
    #[error(
        "{file}: the certificate has no DNS name (subjectAltName), so that no client would be shown it; expected it to be the first of its listener, or another"
    )]
    Nameless {
        /// The file.
        file: String,
    },
    /// The file of authorities has no certificate, so that no client could be believed.
    #[error(
        "{file}: it has no certificate; expected those of the authorities that issue your clients' certificates, in PEM"
    )]
    NoAuthority {
        /// The file.
        file: String,
    },
    /// Cryptography does not work on this machine.
    #[error("TLS cannot be set up: {0}")]
    Cryptography(String),
}
