//! The files of one listener, and what they are together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fanfare_protocol::limits::{AUTHORITIES_BYTES_MAX, CERTIFICATE_FILE_BYTES_MAX};
use fanfare_tls::{
    ClientCertificates, Facts, Pair, PemFile, ResumptionKeys, ServerConfig, ServerOptions, Version, server_config,
};

use super::file_state::FileState;
use crate::config::{CertificateFiles, ClientCertificateNeed, Config, ListenerRule, TlsVersion};
use crate::key_file;

/// What clients may choose to speak over TLS, the best first (ALPN).
fn protocols(with_http2: bool) -> Vec<Vec<u8>> {
    let http2 = with_http2.then(|| b"h2".to_vec());
    http2.into_iter().chain([b"http/1.1".to_vec()]).collect()
}

/// What a listener is told of its certificates.
#[derive(Debug)]
pub(crate) struct ListenerFiles {
    /// Where it listens.
    listener: String,
    certificates: Vec<CertificateFiles>,
    client_ca: Option<PathBuf>,
    client_certificates: ClientCertificateNeed,
    min_version: Version,
    alpn: Vec<Vec<u8>>,
    resumption_keys: ResumptionKeys,
}

/// What stands in the files.
pub(crate) struct Loaded {
    pub(crate) config: ServerConfig,
    /// The certificates, by their files.
    pub(crate) certificates: Vec<(String, Facts)>,
}

impl ListenerFiles {
    /// Those of this listener. `None`: it is a plain one.
    ///
    /// # Errors
    /// This machine has no randomness.
    pub(crate) fn of(config: &Config, rule: &ListenerRule) -> anyhow::Result<Option<Self>> {
        if rule.certificates.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            listener: rule.address.to_string(),
            certificates: rule.certificates.clone(),
            client_ca: rule.client_ca.0.clone(),
            client_certificates: rule.client_certificates(),
            min_version: match config.min_tls_version(rule) {
                TlsVersion::Tls12 => Version::Tls12,
                TlsVersion::Tls13 => Version::Tls13,
            },
            alpn: protocols(config.server.http2),
            resumption_keys: ResumptionKeys::new()?,
        }))
    }

    pub(super) fn listener(&self) -> &str {
        &self.listener
    }

    /// Reads them all. They have to fit together.
    ///
    /// # Errors
    /// One that is missing, cannot be read or does not fit, with what to do.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let (mut pairs, mut certificates) = (Vec::new(), Vec::new());
        for files in &self.certificates {
            let certificate = read(&files.certificate, CERTIFICATE_FILE_BYTES_MAX)?;
            let pair = Pair::new(&certificate, &read(files.key(), CERTIFICATE_FILE_BYTES_MAX)?)?;
            certificates.push((certificate.name, pair.facts().clone()));
            pairs.push(pair);
        }
        let clients = match &self.client_ca {
            None => None,
            Some(path) => {
                let are_required = self.client_certificates == ClientCertificateNeed::Require;
                Some(ClientCertificates::new(&read(path, AUTHORITIES_BYTES_MAX)?, are_required)?)
            }
        };
        let config = server_config(ServerOptions {
            pairs,
            clients,
            min_version: self.min_version,
            alpn: self.alpn.clone(),
            resumption_keys: self.resumption_keys.clone(),
        })?;
        Ok(Loaded { config, certificates })
    }

    /// What there is to complain of about who may read the keys.
    pub(crate) fn complaints(&self) -> Vec<String> {
        // Several certificates may have one key.
        let keys: BTreeSet<&Path> = self.certificates.iter().map(CertificateFiles::key).collect();
        keys.into_iter().filter_map(key_file::tls_complaint).collect()
    }

    /// How they show that they are others.
    pub(super) fn states(&self) -> Vec<FileState> {
        let pairs = self.certificates.iter().flat_map(|files| [&*files.certificate, files.key()]);
        pairs.chain(self.client_ca.as_deref()).map(FileState::of).collect()
    }
}

fn read(path: &Path, most: usize) -> anyhow::Result<PemFile> {
    let bytes = key_file::read_at_most(path, most).context("cannot read")?;
    Ok(PemFile { name: path.display().to_string(), bytes })
}
