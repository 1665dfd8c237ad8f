//! Why TLS did not come about, in words for who can mend it.

use std::borrow::Cow;
use std::io;

use fanfare_auth::AskError;
use rustls::{CertificateError, Error};

/// What is said of an error of TLS.
pub(super) fn tls_failure(error: &io::Error) -> AskError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let words = match inner {
        Some(Error::InvalidCertificate(why)) => certificate(why),
        Some(other) => format!("TLS: {other}").into(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "TLS: the connection ended".into(),
        None => format!("TLS: {error}").into(),
    };
    AskError::Failed(words.into_owned().into())
}

fn certificate(why: &CertificateError) -> Cow<'static, str> {
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".into()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock right?".into()
        }
        CertificateError::UnknownIssuer => {
            "its certificate is of no authority that is believed here (see `auth.ca_file`)".into()
        }
        CertificateError::BadSignature => {
            "its certificate is of no authority that is believed here, but names itself one of them: it is another's of the same name, or \
             broken (see `auth.ca_file`)"
                .into()
        }
        CertificateError::BadEncoding => "its certificate cannot be read".into(),
        CertificateError::Revoked => "its certificate is revoked".into(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not for servers (extended key usage `serverAuth`)".into()
        }
        CertificateError::UnhandledCriticalExtension => {
            "its certificate has a critical extension that is not understood here".into()
        }
        // What webpki says of a certificate that is an authority's own has no name in rustls.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority: sign one for the server with it (openssl: `basicConstraints = CA:FALSE`), and name \
             the authority in `auth.ca_file`"
                .into()
        }
        other => format!("its certificate is not accepted: {other}").into(),
    }
}
