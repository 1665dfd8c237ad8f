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
        // The second is that of another authority with the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of no authority that is believed here (see `auth.ca_file`)".into()
        }
        other => format!("its certificate is not accepted: {other:?}").into(),
    }
}
