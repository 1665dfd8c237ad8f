//! A certificate that a listener shows, as the files that hold it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::names::FileName;
use super::value::quoted;

/// A certificate with its chain, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the key. `None`: the same.
    pub key: Option<PathBuf>,
}

impl CertificateFiles {
    /// Those of two keys that stand beside each other, if there is a certificate.
    pub(super) fn of(certificate: &FileName, key: &FileName) -> Option<Self> {
        Some(Self { certificate: certificate.0.clone()?, key: key.0.clone() })
    }

    /// Where the key stands.
    pub(crate) fn key(&self) -> &Path {
        self.key.as_deref().unwrap_or(&self.certificate)
    }
}

/// As the file would say it.
impl fmt::Display for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "certificate = {}", quoted(&self.certificate.display().to_string()))?;
        self.key.as_ref().map_or(Ok(()), |key| writeln!(f, "key = {}", quoted(&key.display().to_string())))
    }
}
