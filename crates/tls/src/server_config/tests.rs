//! What clients see of an identity: rustls on both ends, joined by buffers.

use std::sync::Arc;

use fanfare_protocol::limits::CERTIFICATE_CHAIN_MAX;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SignatureAlgorithm};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, ServerConnection, SignatureScheme,
    SupportedProtocolVersion,
};

use super::*;
use crate::facts::Validity;
use crate::pem_file::PemFile;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for these names, and its key, both in PEM.
fn issue(authority: &Authority, names: &[&str], algorithm: &'static SignatureAlgorithm) -> (String, String) {
    issue_with(authority, names, &KeyPair::generate_for(algorithm).unwrap(), |_| {})
}

fn issue_with(
    authority: &Authority,
    names: &[&str],
    key: &KeyPair,
    change: impl FnOnce(&mut CertificateParams),
) -> (String, String) {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    change(&mut params);
    (params.signed_by(key, authority).unwrap().pem(), key.serialize_pem())
}

fn ecdsa(authority: &Authority, names: &[&str]) -> (String, String) {
    issue(authority, names, &rcgen::PKCS_ECDSA_P256_SHA256)
}

fn file(name: &str, text: &str) -> PemFile {
    PemFile { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn try_pair((certificate, key): &(String, String)) -> Result<Pair, CertificateError> {
    Pair::new(&file("chain.pem", certificate), &file("key.pem", key))
}

fn options(pairs: &[(String, String)]) -> ServerOptions {
    ServerOptions {
        pairs: pairs.iter().map(|pair| try_pair(pair).unwrap()).collect(),
        clients: None,
        min_version: Version::Tls12,
        alpn: vec![b"http/1.1".to_vec()],
        resumption_keys: ResumptionKeys::new().unwrap(),
    }
}

fn server(options: ServerOptions) -> Arc<ServerConfig> {
    Arc::new(server_config(options).unwrap())
}

fn trusts(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    roots
}

fn client_config(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(trusts(authority))
        .with_no_client_auth()
}

fn client(authority: &Authority) -> Arc<ClientConfig> {
    Arc::new(client_config(authority, &[&TLS13, &TLS12]))
}

/// Two ends of one connection whose handshake is over, and what the client said of it.
fn connect(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    loop {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut read = &bytes[..];
        while !read.is_empty() {
            server.read_tls(&mut read).unwrap();
            server.process_new_packets()?;
        }
        let mut answer = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut answer).unwrap();
        }
        let mut read = &answer[..];
        while !read.is_empty() {
            client.read_tls(&mut read).unwrap();
            client.process_new_packets()?;
        }
        if bytes.is_empty() && answer.is_empty() {
            return Ok((client, server));
        }
    }
}

/// The DNS names of what a client was shown.
fn shown(connection: &ClientConnection) -> Vec<String> {
    let certificates = connection.peer_certificates().unwrap();
    crate::facts::Facts::of(&certificates[0]).unwrap().names
}

/// Believes every certificate, for names that none has, and says that it can check these.
#[derive(Debug)]
struct Gullible(Vec<SignatureScheme>);

impl rustls::client::danger::ServerCertVerifier for Gullible {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

fn gullible(authority: &Authority) -> Arc<ClientConfig> {
    let mut config = client_config(authority, &[&TLS13, &TLS12]);
    let all = aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes();
    config.dangerous().set_certificate_verifier(Arc::new(Gullible(all)));
    Arc::new(config)
}

// Seen to fail where the client's order counts, which is rustls' own.
#[test]
fn of_the_ciphers_that_both_have_the_one_that_costs_least_is_taken() {
    let authority = authority();
    let server = server(options(&[ecdsa(&authority, &["node.example"])]));
    for (version, chosen) in [
        (&TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ] {
        let client = Arc::new(client_config(&authority, &[version]));
        let (client, _) = connect(&server, &client, "node.example").unwrap();
        assert_eq!(client.negotiated_cipher_suite().unwrap().suite(), chosen);
    }
}

#[test]
fn a_client_is_shown_the_certificate_of_the_name_it_asks_for_and_otherwise_the_first() {
    let authority = authority();
    let first = ecdsa(&authority, &["first.example"]);
    let second = ecdsa(&authority, &["Second.example", "*.Second.example"]);
    let exact = ecdsa(&authority, &["own.second.example"]);
    let server = server(options(&[first, second, exact]));
    for (asked, found) in [
        ("first.example", "first.example"),
        ("second.example", "second.example"),
        ("SECOND.example", "second.example"),
        ("a.second.example", "second.example"),
        ("own.second.example", "own.second.example"),
        ("a.b.second.example", "first.example"),
        ("unknown.example", "first.example"),
        // An address is no name that is asked for.
        ("192.0.2.1", "first.example"),
    ] {
        let (client, _) = connect(&server, &gullible(&authority), asked).unwrap();
        assert_eq!(shown(&client)[0], found, "{asked}");
    }
}

#[test]
fn of_two_certificates_of_one_name_a_client_is_shown_the_first_that_it_can_check() {
    const ED25519: &str = "1.3.101.112";
    const EC: &str = "1.2.840.10045.2.1";
    let authority = authority();
    let modern = issue(&authority, &["a.example"], &rcgen::PKCS_ED25519);
    let common = ecdsa(&authority, &["a.example"]);
    let server = server(options(&[modern, common]));
    let algorithm = |client: &Arc<ClientConfig>| {
        let (client, _) = connect(&server, client, "a.example").unwrap();
        let certificate = client.peer_certificates().unwrap()[0].clone();
        let parsed = crate::facts::parse(&certificate).unwrap();
        parsed.public_key().algorithm.algorithm.to_id_string()
    };
    assert_eq!(algorithm(&client(&authority)), ED25519);
    // Browsers do not check Ed25519.
    let mut browser = client_config(&authority, &[&TLS13, &TLS12]);
    browser.dangerous().set_certificate_verifier(Arc::new(Gullible(vec![SignatureScheme::ECDSA_NISTP256_SHA256])));
    assert_eq!(algorithm(&Arc::new(browser)), EC);
}

#[test]
fn both_versions_are_spoken_unless_the_older_is_switched_off() {
    let authority = authority();
    let pair = ecdsa(&authority, &["a.example"]);
    let old = Arc::new(client_config(&authority, &[&TLS12]));
    let both = server(options(std::slice::from_ref(&pair)));
    let spoken = |client: &_| connect(&both, client, "a.example").unwrap().0.protocol_version();
    assert_eq!(spoken(&client(&authority)), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(spoken(&old), Some(ProtocolVersion::TLSv1_2));
    let modern = server(ServerOptions { min_version: Version::Tls13, ..options(&[pair]) });
    assert!(connect(&modern, &client(&authority), "a.example").is_ok());
    assert!(connect(&modern, &old, "a.example").is_err());
}

#[test]
fn the_protocol_is_chosen_from_those_that_were_given() {
    let authority = authority();
    let server = server(options(&[ecdsa(&authority, &["a.example"])]));
    let with = |protocols: &[&[u8]]| {
        let mut config = client_config(&authority, &[&TLS13, &TLS12]);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        connect(&server, &Arc::new(config), "a.example").map(|(client, _)| client.alpn_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(with(&[b"h2", b"http/1.1"]).unwrap().as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(with(&[]).unwrap(), None);
    assert!(with(&[b"h2"]).is_err());
}

#[test]
fn the_owner_of_the_socket_may_take_the_keys_and_no_early_data_is_taken() {
    let authority = authority();
    let config = server(options(&[ecdsa(&authority, &["a.example"])]));
    assert_eq!((config.max_early_data_size, config.max_fragment_size), (0, None));
    let (_, server) = connect(&config, &client(&authority), "a.example").unwrap();
    server.dangerous_extract_secrets().unwrap();
}

fn kinds(server: &[Arc<ServerConfig>; 2], client: &Arc<ClientConfig>) -> [Option<HandshakeKind>; 2] {
    let kind = |server| connect(server, client, "a.example").unwrap().1.handshake_kind();
    [kind(&server[0]), kind(&server[1])]
}

#[test]
fn who_comes_back_leaves_out_half_of_the_handshake_also_where_the_certificate_was_replaced() {
    let authority = authority();
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let keys = ResumptionKeys::new().unwrap();
        let own = |keys: &ResumptionKeys| {
            let options = options(&[ecdsa(&authority, &["a.example"])]);
            server(ServerOptions { resumption_keys: keys.clone(), ..options })
        };
        let client = || Arc::new(client_config(&authority, versions));
        let came_back = kinds(&[own(&keys), own(&keys)], &client());
        assert!(matches!(came_back, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]), "{came_back:?}");
        // Another node has other keys: its clients lose nothing but time.
        let elsewhere = kinds(&[own(&keys), own(&ResumptionKeys::new().unwrap())], &client());
        assert!(matches!(elsewhere, [Some(HandshakeKind::Full), Some(HandshakeKind::Full)]), "{elsewhere:?}");
    }
}

fn with_certificate(authority: &Authority, (certificate, key): &(String, String)) -> Arc<ClientConfig> {
    use rustls::pki_types::pem::PemObject as _;
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .unwrap()
        .with_root_certificates(trusts(authority))
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

#[test]
fn a_client_without_a_certificate_of_the_authority_is_refused_where_one_is_required() {
    let (authority, others) = (authority(), authority());
    let pair = ecdsa(&authority, &["a.example"]);
    let asks = |are_required| {
        let clients = ClientCertificates::new(&file("ca.pem", &authority.pem()), are_required).unwrap();
        server(ServerOptions { clients: Some(clients), ..options(std::slice::from_ref(&pair)) })
    };
    let good = with_certificate(&authority, &ecdsa(&authority, &["client-7"]));
    let foreign = with_certificate(&authority, &ecdsa(&others, &["client-7"]));
    let expired = issue_with(&authority, &["client-7"], &KeyPair::generate().unwrap(), |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let expired = with_certificate(&authority, &expired);
    for (are_required, nobodys) in [(true, false), (false, true)] {
        let server = asks(are_required);
        let (_, ours) = connect(&server, &good, "a.example").unwrap();
        let shown = ours.peer_certificates().unwrap()[0].clone();
        let subject = crate::ClientFacts::of(&shown, crate::SubjectFrom::DnsName).unwrap().subject;
        assert_eq!(subject.as_deref(), Some("client-7"));
        assert_eq!(connect(&server, &client(&authority), "a.example").is_ok(), nobodys);
        assert!(connect(&server, &foreign, "a.example").is_err());
        assert!(connect(&server, &expired, "a.example").is_err());
    }
}

// A ticket would keep a client in whose certificate has expired.
#[test]
fn where_clients_show_certificates_each_handshake_is_whole() {
    let authority = authority();
    let clients = ClientCertificates::new(&file("ca.pem", &authority.pem()), true).unwrap();
    let pair = ecdsa(&authority, &["a.example"]);
    let server = server(ServerOptions { clients: Some(clients), ..options(&[pair]) });
    let client = with_certificate(&authority, &ecdsa(&authority, &["client-7"]));
    let kinds = kinds(&[Arc::clone(&server), server], &client);
    assert!(!kinds.contains(&Some(HandshakeKind::Resumed)), "{kinds:?}");
}

#[test]
fn a_certificate_that_has_expired_makes_an_identity_and_says_when() {
    let authority = authority();
    let expired = issue_with(&authority, &["a.example"], &KeyPair::generate().unwrap(), |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 4, 1);
    });
    let pair = try_pair(&expired).unwrap();
    let facts = pair.facts();
    assert_eq!((facts.begins, facts.ends), (1_577_836_800, 1_585_699_200));
    assert_eq!(facts.validity(facts.begins - 1), Validity::NotYet);
    assert_eq!(facts.validity(facts.begins), Validity::Valid);
    assert_eq!(facts.validity(facts.ends), Validity::Valid);
    assert_eq!(facts.validity(facts.ends + 1), Validity::Expired);
    assert!(connect(&server(options(&[expired])), &gullible(&authority), "a.example").is_ok());
}

#[test]
fn every_form_of_a_private_key_is_read() {
    let authority = authority();
    for (old, new) in [
        (include_str!("../../tests/keys/rsa.pkcs1.pem"), include_str!("../../tests/keys/rsa.pkcs8.pem")),
        (include_str!("../../tests/keys/ec.sec1.pem"), include_str!("../../tests/keys/ec.pkcs8.pem")),
    ] {
        let (certificate, _) = issue_with(&authority, &["a.example"], &KeyPair::from_pem(new).unwrap(), |_| {});
        for text in [old, new] {
            assert!(try_pair(&(certificate.clone(), text.to_owned())).is_ok(), "{text}");
            // As HAProxy has it.
            let both = format!("{certificate}{text}");
            assert!(try_pair(&(both.clone(), both)).is_ok());
        }
    }
}

fn error_of(certificate: &str, key: &str) -> String {
    try_pair(&(certificate.to_owned(), key.to_owned())).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_with_files_is_said_with_the_file_and_what_to_do() {
    let authority = authority();
    let (certificate, key) = ecdsa(&authority, &["a.example"]);
    let (_, other) = ecdsa(&authority, &["a.example"]);
    let broken = format!("{certificate}-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n");
    let unknown = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let reversed = format!("{}{certificate}", authority.pem());
    let long = certificate.repeat(CERTIFICATE_CHAIN_MAX + 1);
    for (certificate, key, expected) in [
        ("", &*key, "chain.pem: it has no certificate"),
        (&*key, &*key, "chain.pem: it has no certificate"),
        ("not PEM", &*key, "chain.pem: it has no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\n",
            &*key,
            "chain.pem: it ends before `-----END CERTIFICATE-----`; expected a PEM file",
        ),
        (&*broken, &*key, "chain.pem: certificate 2 in it cannot be read (it is no X.509 certificate)"),
        (&*long, &*key, "chain.pem: it has more than 16 certificates"),
        (&*certificate, "", "key.pem: it has no private key"),
        (&*certificate, &*certificate, "key.pem: it has no private key"),
        (&*certificate, encrypted, "key.pem: the private key is encrypted"),
        (&*certificate, unknown, "key.pem: the private key cannot be used"),
        (&*certificate, &*other, "key.pem: the private key does not belong to the certificate in chain.pem"),
        (&*reversed, &*key, "chain.pem: the certificate of the private key stands at place 2"),
    ] {
        let error = error_of(certificate, key);
        assert!(error.starts_with(expected), "{error}");
        // A key is never shown.
        assert!(!error.contains("aGVsbG8"), "{error}");
    }
}

#[test]
fn a_second_certificate_without_a_name_is_refused_since_nobody_would_be_shown_it() {
    let authority = authority();
    let (nameless, named) = (ecdsa(&authority, &[]), ecdsa(&authority, &["a.example"]));
    assert!(server_config(options(&[nameless.clone(), named.clone()])).is_ok());
    let error = server_config(options(&[named, nameless])).unwrap_err().to_string();
    assert!(error.starts_with("chain.pem: the certificate has no DNS name"), "{error}");
}

#[test]
fn authorities_of_clients_have_to_be_there_and_readable() {
    let error = |text: &str| ClientCertificates::new(&file("ca.pem", text), true).unwrap_err().to_string();
    assert!(error("").starts_with("ca.pem: it has no certificate; expected those of the authorities"));
    let broken = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert!(error(broken).starts_with("ca.pem: certificate 1 in it cannot be read"), "{}", error(broken));
}

#[test]
fn nothing_of_a_key_is_printed() {
    let authority = authority();
    let (certificate, key) = ecdsa(&authority, &["a.example"]);
    let secret = key.lines().nth(1).unwrap();
    let (chain, file) = (file("chain.pem", &certificate), file("key.pem", &key));
    let pair = Pair::new(&chain, &file).unwrap();
    let printed = format!("{file:?} {pair:?} {:?}", options(&[(certificate, key.clone())]));
    assert!(!printed.contains(secret) && !printed.contains("bytes"), "{printed}");
}
