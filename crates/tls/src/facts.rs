//! What a certificate says of itself (RFC 5280).

use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use x509_parser::time::ASN1Time;

/// What a server's certificate says: for which names it is and when it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The DNS names of its `subjectAltName`, in lower case, `*.example.com` among them. The common name counts for nothing, as in browsers.
    pub names: Vec<String>,
    /// Not valid before this time, in Unix seconds.
    pub begins: u64,
    /// Not valid after this time, in Unix seconds.
    pub ends: u64,
}

/// Whether a certificate is valid at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    Valid,
    /// Its time has not come, or the clock of this machine is wrong.
    NotYet,
    /// Its time is over.
    Expired,
}

impl Facts {
    /// Reads a certificate. The error says what is wrong with it.
    pub(crate) fn of(der: &[u8]) -> Result<Self, String> {
        let certificate = parse(der)?;
        let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = names.iter().flat_map(|names| &names.value.general_names);
        Ok(Self {
            names: names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                    _ => None,
                })
                .collect(),
            begins: unix_seconds(certificate.validity().not_before),
            ends: unix_seconds(certificate.validity().not_after),
        })
    }

    /// Whether it is valid at this time, in Unix seconds.
    #[must_use]
    pub const fn validity(&self, now: u64) -> Validity {
        if now < self.begins {
            Validity::NotYet
        } else if now > self.ends {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }
}

/// A certificate and nothing behind it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("something stands behind it".to_owned()),
        Err(_) => Err("it is no X.509 certificate".to_owned()),
    }
}

/// Before 1970 is as good as then.
pub(crate) fn unix_seconds(time: ASN1Time) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or(0)
}
