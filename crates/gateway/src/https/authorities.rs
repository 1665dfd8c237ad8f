//! Whose certificates are believed.

use std::path::{Path, PathBuf};

use fanfare_protocol::limits::AUTHORITIES_BYTES_MAX;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::key_file;

/// Errors of files that the log tells of.
const ERRORS_TOLD: usize = 4;

/// The authorities that the certificates of services are traced to.
#[derive(Debug, Clone)]
pub struct Authorities {
    roots: RootCertStore,
    /// Why some of this machine are not among them.
    skipped: Option<String>,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// This machine has none.
    #[error(
        "this machine has no certificates of authorities{0}: install the package `ca-certificates`, or name a file in \
         `auth.ca_file` or SSL_CERT_FILE"
    )]
    NoneHere(String),
    /// A file cannot be read.
    #[error("{0:#}")]
    Read(anyhow::Error),
    /// A file is no PEM file of certificates.
    #[error("{path}: {why}; expected a PEM file of certificates (`-----BEGIN CERTIFICATE-----`)")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Authorities {
    /// None: no certificate is believed.
    #[must_use]
    pub fn none() -> Self {
        Self { roots: RootCertStore::empty(), skipped: None }
    }

    /// Those of this machine: of the files that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, else of the system.
    ///
    /// # Errors
    /// There are none.
    pub fn of_this_machine() -> Result<Self, AuthoritiesError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // Systems have certificates that cannot be used any more. One less is an authority less, and no reason not to start.
        let (_, unusable) = roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(AuthoritiesError::NoneHere(why));
        }
        let unusable = (unusable > 0).then(|| format!("{unusable} cannot be used"));
        let errors = found.errors.iter().map(ToString::to_string);
        let skipped: Vec<_> = errors.take(ERRORS_TOLD).chain(unusable).collect();
        Ok(Self { roots, skipped: (!skipped.is_empty()).then(|| skipped.join("; ")) })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.roots.len()
    }

    /// Why some of this machine are not among them, if it is so.
    #[must_use]
    pub fn skipped(&self) -> Option<&str> {
        self.skipped.as_deref()
    }

    /// Those of a PEM file, and no others.
    ///
    /// # Errors
    /// It cannot be read, or one of its certificates cannot.
    pub fn of_file(path: &Path) -> Result<Self, AuthoritiesError> {
        let bytes = key_file::read_at_most(path, AUTHORITIES_BYTES_MAX).map_err(AuthoritiesError::Read)?;
        let wrong = |why: String| AuthoritiesError::File { path: path.to_owned(), why };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&bytes) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        if roots.is_empty() {
            Err(wrong("it has no certificate".to_owned()))
        } else {
            Ok(Self { roots, skipped: None })
        }
    }

    pub(super) fn into_roots(self) -> RootCertStore {
        self.roots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap().pem()
    }

    fn of(text: &str) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Authorities::of_file(file.path()).map(|all| all.into_roots().len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_may_have_several_authorities_and_each_has_to_be_readable() {
        let (one, two) = (authority(), authority());
        assert_eq!(of(&format!("first\n{one}\n{two}")), Ok(2));
        let none = of("nothing").unwrap_err();
        assert!(none.contains("no certificate"), "{none}");
        let broken =
            of(&format!("{one}-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")).unwrap_err();
        assert!(broken.contains("PEM file of certificates"), "{broken}");
        let missing = Authorities::of_file(Path::new("/nowhere.pem")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere.pem"), "{missing}");
    }

    #[test]
    fn a_file_without_an_end_is_not_read_to_it() {
        let endless = Authorities::of_file(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(endless.contains("more than"), "{endless}");
    }
}
