//! What a client's certificate says of itself: whose it is, and when it is valid.

use fanfare_protocol::limits::SUBJECT_BYTES_MAX;
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::facts::{parse, unix_seconds};

/// What in a client's certificate names its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectFrom {
    /// The common name of its subject.
    CommonName,
    /// The first DNS name of its `subjectAltName`.
    DnsName,
    /// The only URI there, such as a SPIFFE ID: a certificate with several has none (X.509-SVID, section 2).
    Uri,
    /// The first e-mail address there.
    Email,
}

/// What a client's certificate says: whose it is and when it is valid.
///
/// The certificate must have been verified: anybody can write anything into one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFacts {
    /// The subject that it names by the rule: 1 to [`SUBJECT_BYTES_MAX`] bytes, without control characters. `None`: it names none in
    /// this place, several where there should be one (common names, URIs), or one that no subject can have.
    pub subject: Option<String>,
    /// Not valid before this time, in Unix seconds.
    pub begins: u64,
    /// Not valid after this time, in Unix seconds.
    pub ends: u64,
}

impl ClientFacts {
    /// Reads a certificate (DER). `None`: it is none that this library can read.
    #[must_use]
    pub fn of(certificate: &[u8], from: SubjectFrom) -> Option<Self> {
        let certificate = parse(certificate).ok()?;
        let subject = match from {
            SubjectFrom::CommonName => common_name(&certificate),
            SubjectFrom::DnsName => alternatives(&certificate).find_map(dns_name),
            SubjectFrom::Uri => only(alternatives(&certificate).filter_map(uri)),
            SubjectFrom::Email => alternatives(&certificate).find_map(email),
        };
        let is_good =
            |name: &String| (1..=SUBJECT_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
        Some(Self {
            subject: subject.filter(is_good),
            begins: unix_seconds(certificate.validity().not_before),
            ends: unix_seconds(certificate.validity().not_after),
        })
    }
}

/// Which of several would be meant nobody can say.
fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    only(certificate.subject().iter_common_name())?.as_str().ok().map(ToOwned::to_owned)
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

/// The names of its `subjectAltName`.
fn alternatives<'a>(certificate: &'a X509Certificate<'a>) -> impl Iterator<Item = &'a GeneralName<'a>> {
    let names = certificate.subject_alternative_name().ok().flatten();
    names.into_iter().flat_map(|names| &names.value.general_names)
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) = name { Some(name.to_ascii_lowercase()) } else { None }
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::URI(name) = name { Some((*name).to_owned()) } else { None }
}

fn email(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::RFC822Name(name) = name { Some((*name).to_owned()) } else { None }
}

#[cfg(test)]
mod tests;
