//! A certificate and its key.

use std::fmt;
use std::sync::Arc;

use fanfare_protocol::limits::CERTIFICATE_CHAIN_MAX;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use crate::certificate_error::CertificateError;
use crate::facts::{Facts, parse};
use crate::pem_file::{PemFile, told};

/// How encrypted keys begin: of PKCS #8, and of OpenSSL's older form.
const ENCRYPTED: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];

/// A certificate with its chain, and the key that belongs to it.
#[derive(Clone)]
pub struct Pair {
    /// The file of the certificate.
    pub(crate) name: String,
    facts: Facts,
    key: Arc<CertifiedKey>,
}

impl Pair {
    /// Puts together a certificate with its chain (the server's own first) and its key: PKCS #8, PKCS #1 or SEC 1. Both may stand in the same file.
    ///
    /// Whether the certificate is valid now is not judged: it is shown to clients in any case, and clients judge.
    ///
    /// # Errors
    /// One of them is missing or cannot be read, or they do not belong together.
    pub fn new(certificate: &PemFile, key: &PemFile) -> Result<Self, CertificateError> {
        let chain = chain(certificate)?;
        let signer = signer(key)?;
        let belongs =
            |leaf: &CertificateDer<'static>| CertifiedKey::new(vec![leaf.clone()], Arc::clone(&signer)).keys_match();
        // Chains that were put together by hand often begin with the root.
        match chain.iter().position(|leaf| belongs(leaf).is_ok()) {
            Some(0) => {}
            Some(index) => {
                return Err(CertificateError::OutOfOrder { certificate: certificate.name.clone(), place: index + 1 });
            }
            None => {
                return Err(CertificateError::Mismatch {
                    key: key.name.clone(),
                    certificate: certificate.name.clone(),
                });
            }
        }
        let facts = Facts::of(&chain[0]).map_err(|why| unreadable(certificate, 0, why))?;
        Ok(Self { name: certificate.name.clone(), facts, key: Arc::new(CertifiedKey::new(chain, signer)) })
    }

    /// What the certificate says.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) const fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

impl fmt::Debug for Pair {
    /// Says nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("name", &self.name).field("facts", &self.facts).finish_non_exhaustive()
    }
}

fn chain(file: &PemFile) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain = file.certificates()?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate { file: file.name.clone() });
    }
    if chain.len() > CERTIFICATE_CHAIN_MAX {
        return Err(CertificateError::TooMany { file: file.name.clone(), most: CERTIFICATE_CHAIN_MAX });
    }
    for (index, certificate) in chain.iter().enumerate() {
        parse(certificate).map_err(|why| unreadable(file, index, why))?;
    }
    Ok(chain)
}

fn unreadable(file: &PemFile, index: usize, why: String) -> CertificateError {
    CertificateError::Unreadable { file: file.name.clone(), place: index + 1, why }
}

fn signer(file: &PemFile) -> Result<Arc<dyn SigningKey>, CertificateError> {
    let name = || file.name.clone();
    if ENCRYPTED.iter().any(|mark| file.contains(mark)) {
        return Err(CertificateError::EncryptedKey { file: name() });
    }
    let key = PrivateKeyDer::from_pem_slice(&file.bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey { file: name() },
        error => CertificateError::NotPem { file: name(), why: told(&error) },
    })?;
    let CryptoProvider { key_provider, .. } = aws_lc_rs::default_provider();
    key_provider.load_private_key(key).map_err(|_| CertificateError::UnknownKey { file: name() })
}
