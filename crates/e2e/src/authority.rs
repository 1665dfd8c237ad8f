//! An authority that issues certificates, to a server or to clients.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An authority with a certificate that signs itself.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One of this name, that nobody knows yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Writes its certificate, in PEM.
    pub fn write(&self, file: &Path) {
        std::fs::write(file, &self.pem).expect("a file");
    }

    /// A certificate for a name of a host.
    #[must_use]
    pub fn issue_to_host(&self, name: &str) -> Issued {
        self.issue(&CertificateParams::new(vec![name.to_owned()]).expect("a name"))
    }

    /// A certificate for whom this URI names, valid from so many seconds after now to so many.
    #[must_use]
    pub fn issue_to(&self, uri: &str, (begins, ends): (i64, i64)) -> Issued {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
        let at = |after: i64| {
            let seconds = now.checked_add_signed(after).expect("a time after 1970");
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (params.not_before, params.not_after) = (at(begins), at(ends));
        self.issue(&params)
    }

    fn issue(&self, params: &CertificateParams) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        Issued { certificate: signed.der().clone(), key }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate that an authority has issued, with its key.
#[derive(Debug)]
pub struct Issued {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}
