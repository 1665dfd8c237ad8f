//! What stands in a PEM file (RFC 7468).

use std::fmt;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};

use crate::certificate_error::CertificateError;

/// The bytes of a file, and what it is called when something is wrong with it.
#[derive(Clone)]
pub struct PemFile {
    /// Its name, for errors.
    pub name: String,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

impl PemFile {
    /// Every certificate in it, in its order; sections of other kinds are passed over.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        CertificateDer::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| CertificateError::NotPem { file: self.name.clone(), why: told(&error) })
    }

    /// Whether this text stands in it.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// An error of the parser in words. It shows nothing of what stands between the marks, which may be a key.
pub(crate) fn told(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("it ends before `-----END {}-----`", String::from_utf8_lossy(end_marker).trim_matches(['-', ' ']))
        }
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is malformed".to_owned(),
        pem::Error::Base64Decode(_) => "what stands between BEGIN and END is not base64".to_owned(),
        pem::Error::NoItemsFound => "nothing of the kind stands in it".to_owned(),
        _ => "it cannot be read".to_owned(),
    }
}

impl fmt::Debug for PemFile {
    /// Says nothing of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemFile").field("name", &self.name).finish_non_exhaustive()
    }
}
