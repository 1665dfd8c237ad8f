use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

use super::*;

fn certificate(common_name: Option<&str>, names: Vec<SanType>) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    if let Some(name) = common_name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.subject_alt_names = names;
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn client_subject(certificate: &[u8], from: SubjectFrom) -> Option<String> {
    ClientFacts::of(certificate, from)?.subject
}

fn ia5(text: &str) -> Ia5String {
    text.try_into().unwrap()
}

#[test]
fn the_subject_is_read_from_where_the_rule_says() {
    let certificate = certificate(
        Some("Zoë 7"),
        vec![
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::Rfc822Name(ia5("zoe@example.com")),
            SanType::DnsName(ia5("Device-7.example.com")),
            SanType::URI(ia5("spiffe://example.com/device/7")),
            SanType::DnsName(ia5("second.example.com")),
        ],
    );
    for (from, expected) in [
        (SubjectFrom::CommonName, "Zoë 7"),
        (SubjectFrom::DnsName, "device-7.example.com"),
        (SubjectFrom::Uri, "spiffe://example.com/device/7"),
        (SubjectFrom::Email, "zoe@example.com"),
    ] {
        assert_eq!(client_subject(&certificate, from).as_deref(), Some(expected), "{from:?}");
    }
}

#[test]
fn a_certificate_that_names_nobody_there_has_no_subject() {
    let bare = certificate(None, Vec::new());
    for from in [SubjectFrom::CommonName, SubjectFrom::DnsName, SubjectFrom::Uri, SubjectFrom::Email] {
        assert_eq!(client_subject(&bare, from), None, "{from:?}");
        assert_eq!(client_subject(b"no certificate", from), None, "{from:?}");
    }
    let named = certificate(Some("a"), Vec::new());
    assert_eq!(client_subject(&named, SubjectFrom::DnsName), None, "a common name is no DNS name");
}

#[test]
fn a_name_that_no_subject_can_have_is_none() {
    let longest = "x".repeat(SUBJECT_BYTES_MAX);
    for (name, is_good) in
        [(&*longest, true), (&*format!("{longest}x"), false), ("", false), ("a\nb", false), ("a\0b", false)]
    {
        let subject = client_subject(&certificate(Some(name), Vec::new()), SubjectFrom::CommonName);
        assert_eq!(subject.is_some(), is_good, "{name:?}");
    }
}

// `DistinguishedName` of rcgen has each name once, so the second is put in by hand: O becomes CN.
#[test]
fn of_two_common_names_neither_counts() {
    let mut two = certificate(Some("admin"), Vec::new());
    let organisation = [0x55, 0x04, 0x0a];
    while let Some(at) = two.windows(3).position(|window| window == organisation) {
        two[at + 2] = 0x03;
    }
    assert_eq!(client_subject(&two, SubjectFrom::CommonName), None);
}

// Fails when the first of several counts.
#[test]
fn of_two_uris_neither_counts() {
    let uris = ["spiffe://example.com/admin", "spiffe://example.com/device/7"];
    let two = certificate(None, uris.iter().map(|uri| SanType::URI(ia5(uri))).collect());
    assert_eq!(client_subject(&two, SubjectFrom::Uri), None);
}

#[test]
fn it_says_when_it_is_valid() {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2024, 1, 1), rcgen::date_time_ymd(2025, 1, 1));
    let signed = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let facts = ClientFacts::of(signed.der(), SubjectFrom::Uri).unwrap();
    assert_eq!((facts.begins, facts.ends, facts.subject), (1_704_067_200, 1_735_689_600, None));
}
