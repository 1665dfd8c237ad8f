//! A certificate that a listener shows, as the files that hold it.

use std::fmt;
use std::path::{Path, PathBuf};

use config::ValueKind;
use fanfare_protocol::limits::CERTIFICATES_PER_LISTENER_MAX;

use super::declare::read;
use super::listener_rule::SECTION;
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

    /// Tables `[[server.listen.certificates]]`.
    pub(super) fn tables(value: &ValueKind) -> Result<Vec<Self>, String> {
        let expected = || {
            format!(
                "expected 1 to {CERTIFICATES_PER_LISTENER_MAX} tables [[{SECTION}.certificates]] with `certificate` and `key`"
            )
        };
        let ValueKind::Array(tables) = value else { return Err(expected()) };
        if !(1..=CERTIFICATES_PER_LISTENER_MAX).contains(&tables.len()) {
            return Err(expected());
        }
        let table = |table: &config::Value| match &table.kind {
            ValueKind::Table(keys) => Self::table(keys),
            _ => Err(expected()),
        };
        tables.iter().map(table).collect()
    }

    fn table(keys: &config::Map<String, config::Value>) -> Result<Self, String> {
        let (mut certificate, mut key) = (FileName(None), FileName(None));
        for (name, value) in keys {
            let place = match &**name {
                "certificate" => &mut certificate,
                "key" => &mut key,
                _ => {
                    return Err(format!(
                        "unknown key `{SECTION}.certificates.{name}`; expected one of certificate, key"
                    ));
                }
            };
            *place = read(&value.kind).map_err(|message| format!("`{SECTION}.certificates.{name}`: {message}"))?;
        }
        Self::of(&certificate, &key).ok_or_else(|| format!("a table [[{SECTION}.certificates]] needs `certificate`"))
    }
}

/// As the file would say it.
impl fmt::Display for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "certificate = {}", quoted(&self.certificate.display().to_string()))?;
        self.key.as_ref().map_or(Ok(()), |key| writeln!(f, "key = {}", quoted(&key.display().to_string())))
    }
}
