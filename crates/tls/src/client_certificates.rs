//! Certificates of clients.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::certificate_error::CertificateError;
use crate::pem_file::PemFile;

/// Whose certificates of clients are believed, and whether a client has to have one.
///
/// One that does not lead to these authorities, or is not valid now, ends the handshake, whether it was required or not. Lists of what is revoked (CRL, OCSP) are not
/// looked at.
#[derive(Clone)]
pub struct ClientCertificates {
    roots: Arc<RootCertStore>,
    are_required: bool,
}

impl ClientCertificates {
    /// Those that these authorities have issued. `are_required`: a client without one is refused.
    ///
    /// # Errors
    /// The file has no certificate, or one that cannot be read.
    pub fn new(authorities: &PemFile, are_required: bool) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in authorities.certificates()?.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| CertificateError::Unreadable {
                file: authorities.name.clone(),
                place: index + 1,
                why: error.to_string(),
            })?;
        }
        if roots.is_empty() {
            return Err(CertificateError::NoAuthority { file: authorities.name.clone() });
        }
        Ok(Self { roots: Arc::new(roots), are_required })
    }

    pub(crate) fn verifier(
        self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
        let builder = WebPkiClientVerifier::builder_with_provider(self.roots, Arc::clone(provider));
        let builder = if self.are_required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| CertificateError::Cryptography(error.to_string()))
    }
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates")
            .field("authorities", &self.roots.len())
            .field("are_required", &self.are_required)
            .finish()
    }
}
