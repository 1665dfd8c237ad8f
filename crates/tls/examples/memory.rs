//! What connections hold in `fanfare-tls` while nothing happens, as the slope of resident memory: half way through the handshake, and after it.
//!
//! `cargo run --release -p fanfare-tls --example memory`
use std::sync::Arc;

use fanfare_tls::{Established, Handshake, ServerConfig, Step};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}

fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, finish: bool) -> (Box<Handshake>, bool) {
    let mut client =
        ClientConnection::new(Arc::clone(client), ServerName::try_from("localhost").expect("a name")).expect("client");
    let mut handshake = Box::new(Handshake::new(Arc::clone(server)).expect("server"));
    loop {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).expect("memory");
        }
        handshake.receive(&sent);
        let step = handshake.advance().expect("both agree");
        let out = handshake.take_outgoing();
        if !finish {
            return (handshake, false);
        }
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("memory");
            client.process_new_packets().expect("both agree");
        }
        if step == Step::Done {
            return (handshake, true);
        }
    }
}

fn main() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .expect("versions");
        let client = Arc::new(client.with_root_certificates(roots.clone()).with_no_client_auth());
        let server =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let mut server =
            server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.clone_key()).expect("key");
        server.enable_secret_extraction = true;
        let server = Arc::new(server);
        const COUNT: usize = 20_000;
        let mut done: Vec<Established> =
            (0..500).map(|_| handshake(&client, &server, true).0.finish().expect("done")).collect();
        let before = resident();
        done.extend((0..COUNT).map(|_| handshake(&client, &server, true).0.finish().expect("done")));
        let after = resident();
        println!(
            "{:?} established: {} bytes, {} of them the struct",
            version,
            (after - before) / COUNT,
            size_of::<Established>()
        );
        drop(done);
        let mut half: Vec<_> = (0..500).map(|_| handshake(&client, &server, false)).collect();
        let before = resident();
        half.extend((0..COUNT).map(|_| handshake(&client, &server, false)));
        println!("{:?} half way: {} bytes", version, (resident() as i64 - before as i64) / COUNT as i64);
        println!("handshake struct {}", size_of::<Handshake>());
    }
}
