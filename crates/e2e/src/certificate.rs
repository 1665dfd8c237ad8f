//! A certificate of a node under test, and its key.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

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
        Self::with(|params| params.not_after = date_time_ymd(2120, 1, 1))
    }

    /// One that has been valid for the year 2020 only.
    #[must_use]
    pub fn expired() -> Self {
        Self::with(|params| params.not_after = date_time_ymd(2021, 1, 1))
    }

    /// One that has been valid since 2020 and expires when so much time has passed, in whole seconds.
    #[must_use]
    pub fn expiring_in(left: Duration) -> Self {
        let end = UNIX_EPOCH.elapsed().expect("a clock").as_secs() + left.as_secs();
        Self::with(|params| params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end))
    }

    /// One that is valid from the first day of 2020 on.
    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        change(&mut params);
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
