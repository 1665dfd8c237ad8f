//! Certificates of authorities.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Those of a PEM file, and no others. A server's own certificate is one, too.
pub(super) fn of_file(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let read = || path.display().to_string();
    for certificate in CertificateDer::pem_file_iter(path).with_context(read)? {
        roots.add(certificate.with_context(read)?).with_context(read)?;
    }
    if roots.is_empty() {
        bail!("{}: it has no certificate", path.display());
    }
    Ok(roots)
}

/// Those that this machine believes.
pub(super) fn of_this_machine() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        bail!(
            "this machine has no certificates of authorities (apt-get install ca-certificates): see --ca and --insecure"
        );
    }
    Ok(roots)
}
