//! Listeners of one node, with and without TLS, as clients find them.
#![allow(clippy::unwrap_used)]

mod support;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use support::{Process, ask, eventually, get};

/// The listeners of the node, in the order of its file.
struct Listeners {
    node: Process,
    /// By TLS, with the oldest version that is spoken without a word about it.
    any: SocketAddr,
    /// By TLS 1.3 and nothing older, with two certificates.
    newest: SocketAddr,
    redirecting: SocketAddr,
    plain: SocketAddr,
    certificates: [CertificateDer<'static>; 2],
    _files: tempfile::TempDir,
}

/// Two names, and those of the certificates for them.
const NAMES: [&str; 2] = ["one.example", "two.example"];

fn issue(directory: &Path, name: &str) -> (CertificateDer<'static>, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let file = directory.join(name);
    std::fs::write(&file, cert.pem() + &signing_key.serialize_pem()).unwrap();
    (cert.der().clone(), format!("certificate = \"{}\"\n", file.display()))
}

impl Listeners {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With settings of the command line beside those of the listeners.
    fn start_with(settings: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let [one, two] = NAMES.map(|name| issue(files.path(), name));
        let mut text = String::new();
        let mut listener =
            |settings: &str| write!(text, "[[server.listen]]\naddress = \"127.0.0.1:0\"\n{settings}\n").unwrap();
        listener(&one.1);
        let tables = [&one.1, &two.1].map(|table| format!("[[server.listen.certificates]]\n{table}"));
        listener(&format!("min_tls_version = \"1.3\"\n{}", tables.concat()));
        listener("redirect = \"https://{host}:8443\"");
        listener("");
        let file = files.path().join("fanfare.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
        command.env_clear().args(["serve", "--admin-listen", "127.0.0.1:0", "--config"]).arg(&file);
        settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        let node = Process::start(&mut command);
        node.logged("listening for operators");
        let [any, newest, redirecting, plain] = eventually("four listeners", || {
            let log = node.log();
            let lines = log.lines().filter(|line| line.contains("listening for clients"));
            let address = |line: &str| line.split_once("address=")?.1.split_whitespace().next()?.parse().ok();
            lines.filter_map(address).collect::<Vec<SocketAddr>>().try_into().ok()
        });
        Self { node, any, newest, redirecting, plain, certificates: [one.0, two.0], _files: files }
    }

    /// A client that asks for a name, believes both certificates and speaks these versions.
    fn client(&self, name: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
        self.client_that_offers(&[], name, versions)
    }

    /// The same, and it offers these protocols (ALPN).
    fn client_that_offers(
        &self,
        protocols: &[&str],
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        self.certificates.iter().for_each(|certificate| roots.add(certificate.clone()).unwrap());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned()).unwrap()).unwrap()
    }

    /// Shakes hands, as far as that goes.
    fn shake(&self, to: SocketAddr, name: &str, versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
        let (mut client, mut socket) = (self.client(name, versions), connect(to));
        while client.is_handshaking() && client.complete_io(&mut socket).is_ok() {}
        client
    }
}

fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

// Seen to fail when the versions of `listener_files.rs` are swapped.
#[test]
fn the_oldest_version_of_a_listener_is_spoken_and_no_older_one() {
    let listeners = Listeners::start();
    let version = |to, versions: &[_]| {
        let client = listeners.shake(to, NAMES[0], versions);
        (!client.is_handshaking()).then(|| client.protocol_version().unwrap())
    };
    assert_eq!(version(listeners.any, &[&TLS12]), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(version(listeners.any, &[&TLS12, &TLS13]), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(version(listeners.newest, &[&TLS12]), None);
    assert_eq!(version(listeners.newest, &[&TLS12, &TLS13]), Some(ProtocolVersion::TLSv1_3));
}

// Seen to fail when the first certificate is shown to everybody.
#[test]
fn the_name_that_a_client_asks_for_chooses_the_certificate() {
    let listeners = Listeners::start();
    for (name, certificate) in NAMES.iter().zip(&listeners.certificates) {
        let client = listeners.shake(listeners.newest, name, &[&TLS13]);
        assert!(!client.is_handshaking(), "{name}");
        assert_eq!(client.peer_certificates().unwrap(), std::slice::from_ref(certificate), "{name}");
    }
}

// Seen to fail when a listener that redirects serves as others do.
#[test]
fn a_plain_listener_that_redirects_sends_to_the_same_url_with_https() {
    let listeners = Listeners::start();
    for target in ["/events?channel=a%20b", "/"] {
        let (head, body) = ask(listeners.redirecting, &format!("GET {target}"), "").unwrap();
        assert!(head.starts_with("HTTP/1.1 308 "), "{head}");
        let location = format!("location: https://test:8443{target}\r\n").to_lowercase();
        assert!(head.to_lowercase().contains(&location) && body.is_empty(), "{head}");
    }
    assert_eq!(get(listeners.plain, "/").0, 200);
}

#[test]
fn who_speaks_tls_at_a_plain_port_or_http_at_one_of_tls_is_answered_400_and_counted() {
    let listeners = Listeners::start();
    let admin = listeners.node.address("listening for operators");
    let count = |name: &str| {
        let (_, metrics) = get(admin, "/metrics");
        metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap()
    };
    let mut hello = Vec::new();
    listeners.client(NAMES[0], &[&TLS13]).write_tls(&mut hello).unwrap();
    for (to, bytes, counter) in [
        (listeners.plain, &hello[..], "fanfare_request_errors_total{kind=\"malformed\"}"),
        (listeners.any, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "fanfare_tls_handshakes_total{result=\"plain\"}"),
    ] {
        let before = count(counter);
        let mut socket = connect(to);
        socket.write_all(bytes).unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400");
        eventually(counter, || (count(counter) == before + 1).then_some(()));
    }
}

// Seen to fail when a node offers HTTP/1.1 alone.
#[test]
fn clients_are_offered_http_2_unless_it_is_switched_off() {
    for (setting, preferred) in [("server.http2=true", "h2"), ("server.http2=false", "http/1.1")] {
        let listeners = Listeners::start_with(&[setting]);
        // What the node and a client that offers these agree on; empty if that is nothing, `None` if the node hangs up.
        let agreed = |protocols: &[&str]| {
            let mut client = listeners.client_that_offers(protocols, NAMES[0], &[&TLS13]);
            let mut socket = connect(listeners.any);
            while client.is_handshaking() {
                client.complete_io(&mut socket).ok()?;
            }
            Some(client.alpn_protocol().map_or_else(String::new, |name| String::from_utf8_lossy(name).into_owned()))
        };
        assert_eq!(agreed(&["h2", "http/1.1"]).as_deref(), Some(preferred), "{setting}");
        assert_eq!(agreed(&["http/1.1"]).as_deref(), Some("http/1.1"));
        assert_eq!(agreed(&[]).as_deref(), Some(""));
        assert_eq!(agreed(&["spdy/3"]), None);
    }
}

/// How a node answers a client that begins as those of HTTP/2 do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PrefaceAnswer {
    Settings,
    BadRequest,
}

fn answer_to_preface(stream: &mut (impl std::io::Read + std::io::Write)) -> PrefaceAnswer {
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    match &answer {
        b"HTTP/1.1 400" => PrefaceAnswer::BadRequest,
        // The kind of a frame is its fourth byte, and of SETTINGS that is 4.
        [_, _, _, 4, ..] => PrefaceAnswer::Settings,
        other => panic!("{other:?}"),
    }
}

// Seen to fail when the preface counts wherever a connection begins with it.
#[test]
fn nobody_speaks_http_2_where_it_is_switched_off_nor_over_tls_where_it_was_not_chosen() {
    use PrefaceAnswer::{BadRequest, Settings};
    for (setting, where_allowed) in [("server.http2=true", Settings), ("server.http2=false", BadRequest)] {
        let listeners = Listeners::start_with(&[setting]);
        for (offered, expected) in
            [(&["h2", "http/1.1"][..], where_allowed), (&["http/1.1"], BadRequest), (&[], BadRequest)]
        {
            let mut client = listeners.client_that_offers(offered, NAMES[0], &[&TLS13]);
            let mut socket = connect(listeners.any);
            let mut stream = rustls::Stream::new(&mut client, &mut socket);
            assert_eq!(answer_to_preface(&mut stream), expected, "{setting}, and the client offers {offered:?}");
        }
        assert_eq!(answer_to_preface(&mut connect(listeners.plain)), where_allowed, "{setting}, in the clear");
    }
}
