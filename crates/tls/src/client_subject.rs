//! Whose a client's certificate is.

use fanfare_protocol::limits::SUBJECT_BYTES_MAX;
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::facts::parse;

/// What in a client's certificate names its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectFrom {
    /// The common name of its subject.
    CommonName,
    /// The first DNS name of its `subjectAltName`.
    DnsName,
    /// The first URI there, such as a SPIFFE ID.
    Uri,
    /// The first e-mail address there.
    Email,
}

/// The subject that a certificate names, by this rule: at most [`SUBJECT_BYTES_MAX`] bytes, without control characters.
///
/// The certificate must have been verified: anybody can write any name into one. `None`: it names none in this place, several where there should
/// be one (a common name), or one that no subject can have.
#[must_use]
pub fn client_subject(certificate: &[u8], from: SubjectFrom) -> Option<String> {
    let certificate = parse(certificate).ok()?;
    let name = match from {
        SubjectFrom::CommonName => common_name(&certificate)?,
        SubjectFrom::DnsName => alternative(&certificate, |name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })?,
        SubjectFrom::Uri => alternative(&certificate, |name| match name {
            GeneralName::URI(name) => Some((*name).to_owned()),
            _ => None,
        })?,
        SubjectFrom::Email => alternative(&certificate, |name| match name {
            GeneralName::RFC822Name(name) => Some((*name).to_owned()),
            _ => None,
        })?,
    };
    let is_good = (1..=SUBJECT_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control);
    is_good.then_some(name)
}

/// Which of several would be meant nobody can say.
fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut names = certificate.subject().iter_common_name();
    let name = names.next()?.as_str().ok()?.to_owned();
    names.next().is_none().then_some(name)
}

fn alternative(certificate: &X509Certificate<'_>, read: impl Fn(&GeneralName<'_>) -> Option<String>) -> Option<String> {
    let names = certificate.subject_alternative_name().ok()??;
    names.value.general_names.iter().find_map(read)
}

#[cfg(test)]
mod tests;
