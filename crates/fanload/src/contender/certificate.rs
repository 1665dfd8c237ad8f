//! A certificate for a contender that shall speak TLS.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::place::Place;
use crate::target::{Protocol, STREAMS, Trust};
use crate::transport::identity;

/// A new certificate for this machine, in files of a contender's directory.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Certificate {
    /// Makes one if the place asks for TLS; and what clients have to speak there, who then believe it and no other.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub(super) fn prepare(place: &Place) -> Result<(Option<Self>, Protocol)> {
        let files = place.wire.tls.then(|| Self::write(place)).transpose()?;
        let tls = files.as_ref().map(|files| Trust::File(files.certificate.clone()));
        Ok((files, Protocol { tls, http2: place.wire.http2.then_some(STREAMS) }))
    }

    fn write(place: &Place) -> Result<Self> {
        let (certificate, key) = identity::self_signed()?;
        let files = Self { certificate: place.directory.join("certificate.pem"), key: place.directory.join("key.pem") };
        fs::write(&files.certificate, certificate).context("cannot write a certificate")?;
        fs::write(&files.key, key).context("cannot write a key")?;
        Ok(files)
    }
}
