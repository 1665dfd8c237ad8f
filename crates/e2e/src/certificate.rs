//! A certificate of a node under test, and its key.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;

/// The name in every certificate of the harness.
pub(crate) const NAME: &str = "localhost";

/// A certificate for `localhost` that signs itself, with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    pem: String,
    key_pem: String,
}

impl Certificate {
    /// One that is valid for as long as anybody tests.
    #[must_use]
    pub fn new() -> Self {
        Self::between(2020, 2120)
    }

    /// One that has been valid for the year 2020 only.
    #[must_use]
    pub fn expired() -> Self {
        Self::between(2020, 2021)
    }

    /// One that is valid from the first day of a year to that of another.
    fn between(first: i32, last: i32) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (date_time_ymd(first, 1, 1), date_time_ymd(last, 1, 1));
        let signed = params.self_signed(&key).expect("a certificate");
        Self { der: signed.der().clone(), pem: signed.pem(), key_pem: key.serialize_pem() }
    }

    /// The certificate as clients are shown it, in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn to_der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }

    /// Writes both files, the key first and readable by its owner only. Each is replaced as a whole.
    pub(crate) fn write(&self, certificate: &Path, key: &Path) -> io::Result<()> {
        for (path, text) in [(key, &self.key_pem), (certificate, &self.pem)] {
            let new = path.with_extension("new");
            fs::write(&new, text)?;
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
            fs::rename(&new, path)?;
        }
        Ok(())
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}
