//! What connections hold in `fanfare-tls` while nothing happens, as the slope of resident memory: half way through the handshake, and after it.
//!
//! `cargo run --release -p fanfare-tls --example memory`
use std::sync::Arc;

use fanfare_tls::testing::SelfSigned;
use fanfare_tls::{Established, Handshake, ServerConfig, Step};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

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
    let shown = SelfSigned::new("localhost");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (client, server) = (Arc::new(shown.client(version)), Arc::new(shown.server()));
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
